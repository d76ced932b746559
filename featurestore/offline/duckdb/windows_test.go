//go:build duckdb_arrow

package duckdb_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/oracle"
	"github.com/freshet/freshet/transforms/window"
)

// sqlWindow is a window as the engine and as SQL have it. start and end are
// instants as SQL over the read time t.
type sqlWindow struct {
	feature    window.Feature
	start, end string
}

// down aligns an instant down, also before the epoch.
func down(t string, g featurestore.Duration) string {
	return fmt.Sprintf("((%s) - (((%s) %% %d) + %d) %% %d)", t, t, g, g, g)
}

func sqlWindows() []sqlWindow {
	const minute, hour = featurestore.Minute, featurestore.Hour
	const always = "-9000000000000000000"
	back := func(d featurestore.Duration) string { return fmt.Sprintf("t - %d", d) }
	hop := down("t", 10*minute)
	return []sqlWindow{
		{window.Feature{Width: hour, Tile: minute}, down(back(hour), minute), "t"},
		{window.Feature{Width: 7 * featurestore.Day, Tile: hour}, down(back(7*featurestore.Day), hour), "t"},
		{window.Feature{Width: hour, Tile: minute, Offset: 90 * featurestore.Second}, down(back(hour+90*featurestore.Second), minute), down(back(90*featurestore.Second), minute)},
		{window.Feature{Width: hour, Tile: minute, Exact: true, MaxRows: 10_000}, back(hour), "t"},
		{window.Feature{Kind: window.Lifetime}, always, "t"},
		{window.Feature{Kind: window.Tumbling, Width: hour}, down("t", hour) + fmt.Sprintf("- %d", hour), down("t", hour)},
		{window.Feature{Kind: window.Hopping, Width: 25 * minute, Step: 10 * minute}, hop + fmt.Sprintf("- %d", 25*minute), hop},
	}
}

// sqlAggregates are of the types that DuckDB computes exactly, and their SQL.
// Column 0 is an int64, 1 a decimal(18,2), 2 a text, 3 a condition.
var sqlAggregates = []struct {
	call  agg.Call
	input int
	sql   string
}{
	{agg.Call{Func: "count"}, -1, "count(e.ts)"},
	{agg.Call{Func: "count", Input: featurestore.Int64}, 0, "count(n)"},
	{agg.Call{Func: "count_null", Input: featurestore.Int64}, 0, "count(e.ts) - count(n)"},
	{agg.Call{Func: "sum", Input: featurestore.Int64}, 0, "coalesce(sum(n), 0)"},
	{agg.Call{Func: "min", Input: featurestore.Int64}, 0, "min(n)"},
	{agg.Call{Func: "max", Input: featurestore.Int64}, 0, "max(n)"},
	{agg.Call{Func: "sum", Input: featurestore.Decimal(18, 2)}, 1, "coalesce(sum(m), 0.00)"},
	{agg.Call{Func: "max", Input: featurestore.Decimal(18, 2)}, 1, "max(m)"},
	{agg.Call{Func: "min", Input: featurestore.String}, 2, "min(s)"},
	{agg.Call{Func: "count_distinct", Input: featurestore.String}, 2, "count(DISTINCT s)"},
}

// events are the rows of some entities, in event time.
func randomEvents(rng *rand.Rand, entities, n int) [][]window.Row {
	out := make([][]window.Row, entities)
	e := int64(-3 * featurestore.Day)
	for offset := range n {
		e += rng.Int64N(int64(4 * featurestore.Minute))
		if rng.IntN(4) == 0 {
			e = int64(featurestore.Instant(e).Floor(featurestore.Minute)) + int64(featurestore.Minute)
		}
		values := []featurestore.Value{
			featurestore.Int64Value(rng.Int64() - rng.Int64()), featurestore.DecimalValue(rng.Int64N(2e12) - 1e12),
			featurestore.StringValue(fmt.Sprint(rng.IntN(300))), featurestore.BoolValue(rng.IntN(3) > 0),
		}
		for i := range values {
			if rng.IntN(8) == 0 {
				values[i] = featurestore.Null
			}
		}
		entity := rng.IntN(entities)
		out[entity] = append(out[entity], window.Row{
			Position: featurestore.Position{Offset: int64(offset)}, Time: featurestore.EventTime(e), LogTime: featurestore.LogTime(e), Inputs: values,
		})
	}
	return out
}

// literal writes a value as SQL.
func literal(v featurestore.Value, t featurestore.Type) string {
	if v.Kind() == featurestore.KindString {
		return "'" + v.Str() + "'"
	}
	return v.Text(t)
}

// Over random events, windows by SQL give what the oracle and the fold give,
// value for value, where DuckDB is exact.
func TestWindowsEqualSQL(t *testing.T) {
	const entities, events, reads = 12, 6000, 400
	rng := rand.New(rand.NewPCG(4, 4))
	rows := randomEvents(rng, entities, events)
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	exec(t, db, "CREATE TABLE events (entity INTEGER, ts BIGINT, n BIGINT, m DECIMAL(18,2), s VARCHAR, keep BOOLEAN)")
	exec(t, db, "CREATE TABLE spine (id INTEGER, entity INTEGER, t BIGINT)")
	types := []featurestore.Type{featurestore.Int64, featurestore.Decimal(18, 2), featurestore.String, featurestore.Bool}
	for entity, list := range rows {
		var values []string
		for _, r := range list {
			row := fmt.Sprintf("(%d, %d", entity, r.Time)
			for i, v := range r.Inputs {
				row += ", " + literal(v, types[i])
			}
			values = append(values, row+")")
		}
		exec(t, db, "INSERT INTO events VALUES "+strings.Join(values, ","))
	}
	at := make([][]featurestore.Instant, entities)
	for id := range reads {
		entity := rng.IntN(entities)
		e := featurestore.Instant(rows[entity][rng.IntN(len(rows[entity]))].Time)
		e += featurestore.Instant(rng.IntN(3)-1) + featurestore.Instant(rng.IntN(2))*featurestore.Instant(featurestore.Hour)
		at[entity] = append(at[entity], e)
		exec(t, db, fmt.Sprintf("INSERT INTO spine VALUES (%d, %d, %d)", id, entity, e))
	}
	for _, where := range []int{-1, 3} {
		for _, w := range sqlWindows() {
			compareSQL(t, db, sqlConfig(w, where), w, rows, at)
		}
	}
}

func exec(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.ExecContext(context.Background(), query); err != nil {
		t.Fatalf("%.100s: %v", query, err)
	}
}

func sqlConfig(w sqlWindow, where int) window.Config {
	c := window.Config{Sources: []window.SourceRule{{AllowedLateness: featurestore.Hour}}}
	for i, a := range sqlAggregates {
		f := w.feature
		f.Name, f.Call, f.Input, f.Where, f.Second, f.By = fmt.Sprint("f", i), a.call, a.input, where, -1, -1
		c.Features = append(c.Features, f)
	}
	return c
}

// compareSQL reads one window for the whole spine.
func compareSQL(t *testing.T, db *sql.DB, c window.Config, w sqlWindow, rows [][]window.Row, at [][]featurestore.Instant) {
	t.Helper()
	plan, err := window.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	filter := ""
	if c.Features[0].Where >= 0 {
		filter = " AND keep"
	}
	selected := "spine.entity, t"
	for _, a := range sqlAggregates {
		selected += ", CAST(" + a.sql + " AS VARCHAR)"
	}
	query := fmt.Sprintf("SELECT %s FROM spine LEFT JOIN events e ON e.entity = spine.entity AND e.ts >= %s AND e.ts < %s%s GROUP BY id, spine.entity, t ORDER BY spine.entity, t, id",
		selected, w.start, w.end, filter)
	found, err := db.QueryContext(context.Background(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := found.Close(); err != nil {
			t.Error(err)
		}
	}()
	n := 0
	for entity := range rows {
		fold := &window.State{}
		done := 0
		judged := oracle.Judge(c, rows[entity])
		slices.Sort(at[entity])
		for _, instant := range at[entity] {
			for ; done < len(rows[entity]) && int64(rows[entity][done].Time) < int64(instant); done++ {
				plan.Apply(fold, &rows[entity][done])
			}
			plan.Settle(fold)
			folded := make([]featurestore.Cell, len(c.Features))
			plan.Read(fold, instant, folded)
			want, err := judged.Read(oracle.Reading{At: instant})
			if err != nil {
				t.Fatal(err)
			}
			texts := nextRow(t, found, entity, instant)
			for i, f := range plan.Features() {
				known := folded[i].Status == want[i].Status && folded[i].Value.Equal(want[i].Value)
				if text := want[i].Value.Text(f.Type); !known || want[i].Status == featurestore.Overflow && inRange(texts[i]) || want[i].Status != featurestore.Overflow && text != texts[i] {
					t.Errorf("%s over kind %d, entity %d at %d: sql %s, oracle %s %s, fold %s %s", f.Call.Func, f.Kind, entity, instant,
						texts[i], text, want[i].Status, folded[i].Value.Text(f.Type), folded[i].Status)
				}
			}
			n++
		}
	}
	if found.Next() || n == 0 {
		t.Errorf("after %d reads SQL has more", n)
	}
}

// nextRow reads the texts of one row, "null" for null.
func nextRow(t *testing.T, found *sql.Rows, entity int, instant featurestore.Instant) []string {
	t.Helper()
	texts := make([]sql.NullString, len(sqlAggregates))
	var e, at int64
	into := []any{&e, &at}
	for i := range texts {
		into = append(into, &texts[i])
	}
	if !found.Next() {
		t.Fatalf("SQL ends: %v", found.Err())
	}
	if err := found.Scan(into...); err != nil || int(e) != entity || at != int64(instant) {
		t.Fatalf("entity %d at %d, want %d at %d: %v", e, at, entity, instant, err)
	}
	var out []string
	for _, text := range texts {
		if !text.Valid {
			text.String = "null"
		}
		out = append(out, text.String)
	}
	return out
}

// inRange reports whether an integer of SQL is an int64.
func inRange(text string) bool {
	var n int64
	_, err := fmt.Sscan(text, &n)
	return err == nil
}
