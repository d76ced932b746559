package window_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

// wide are the inputs of rows with every kind that an aggregate stores in its own
// way, and two wheres behind them.
var wide = []featurestore.Type{
	featurestore.Int64, featurestore.Decimal(18, 2), featurestore.Timestamp, featurestore.Bool,
	featurestore.Double, featurestore.String, featurestore.Bool, featurestore.Bool,
}

const wideWhere = 6

// trailing draws a view of trailing windows over wide inputs: of one tile size
// or several, of tiles that merge as runs or also of some that do not.
func trailing(t *rapid.T) *window.Plan {
	functions := []string{"sum", "avg", "min", "max", "count"}
	if rapid.Bool().Draw(t, "cell by cell") {
		functions = append(functions, "last", "count_distinct")
	}
	widths := []featurestore.Duration{4 * minute, 30 * minute, 2 * featurestore.Hour, 7 * featurestore.Hour, 2 * featurestore.Day}
	widths = rapid.SampledFrom([][]featurestore.Duration{{2 * featurestore.Hour}, {7 * featurestore.Hour, 8 * featurestore.Hour}, widths}).Draw(t, "widths")
	c := window.Config{Sources: []window.SourceRule{{AllowedLateness: featurestore.Day}}}
	n := rapid.IntRange(1, 8).Draw(t, "features")
	for len(c.Features) < n {
		input := rapid.IntRange(0, wideWhere-1).Draw(t, "input")
		f := window.Feature{Input: input, Where: rapid.SampledFrom([]int{-1, wideWhere, wideWhere + 1}).Draw(t, "where")}
		f.Call = agg.Call{Func: rapid.SampledFrom(functions).Draw(t, "function"), Input: wide[input]}
		if _, err := agg.Check(f.Call); err != nil {
			continue
		}
		f.Width = rapid.SampledFrom(widths).Draw(t, "width")
		f.Offset = rapid.SampledFrom([]featurestore.Duration{0, 0, 0, featurestore.Hour}).Draw(t, "offset")
		c.Features = append(c.Features, f)
	}
	p, err := window.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// crowd makes the rows of one entity: of up to so many in a minute, for so many
// minutes, integers of up to so many bits. With a trend of 1 or -1 each minute is
// above or below the one before, so that the last one counts.
type crowd struct {
	*rand.Rand
	bits, most, minutes int
	trend               int64
}

func (g *crowd) integer(minute int) int64 {
	return g.trend*int64(minute)<<min(g.bits, 48) + int64(g.Uint64()>>1>>(63-g.IntN(g.bits+1))) ^ -int64(g.Uint64()&1)
}

func (g *crowd) values(minute int) []featurestore.Value {
	out := make([]featurestore.Value, len(wide))
	for i, in := range wide {
		if g.IntN(8) == 0 {
			continue
		}
		switch in.Kind {
		case featurestore.KindBool:
			out[i] = featurestore.BoolValue(g.IntN(2) == 0)
		case featurestore.KindInt64:
			out[i] = featurestore.Int64Value(g.integer(minute))
		case featurestore.KindTimestamp:
			out[i] = featurestore.TimestampValue(featurestore.Instant(g.integer(minute)))
		case featurestore.KindDecimal:
			out[i] = featurestore.DecimalValue(g.integer(minute) % 1_000_000_000_000_000_000)
		case featurestore.KindDouble:
			out[i] = featurestore.DoubleValue([]float64{float64(g.integer(minute)), float64(g.IntN(1e6)-5e5) / 100, g.NormFloat64()}[g.IntN(3)])
		default:
			out[i] = featurestore.StringValue(string(rune('a' + g.IntN(9))))
		}
	}
	return out
}

func (g *crowd) rows() []window.Row {
	var rows []window.Row
	start := int64(1_710_000_000)/60*60 + int64(g.IntN(48))*1800
	for m := range g.minutes {
		a := (start + int64(m)*60) * second
		for range g.IntN(g.most + 1) {
			a += int64(g.IntN(100_000))
			e := a - int64(g.IntN(4)/3*g.IntN(600))*second
			row := window.Row{Time: featurestore.EventTime(e), LogTime: featurestore.LogTime(a), Inputs: g.values(m)}
			row.Offset = int64(len(rows))
			rows = append(rows, row)
		}
	}
	return rows
}

// expected adds the rows of a window up one by one.
func expected(t *rapid.T, f *window.Feature, rows []window.Row, at featurestore.Instant) featurestore.Cell {
	layout, finishers, err := agg.Compile([]agg.Use{{Call: f.Call, Input: f.Input, Where: f.Where}})
	if err != nil {
		t.Fatal(err)
	}
	from, to := (at - featurestore.Instant(f.Offset+f.Width)).Floor(f.Tile), at
	if f.Offset > 0 {
		to = (at - featurestore.Instant(f.Offset)).Floor(f.Tile)
	}
	cells := layout.NewCells()
	slot := cells.Alloc()
	for i := range rows {
		if row := &rows[i]; int64(from) <= int64(row.Time) && int64(row.Time) < int64(to) {
			cells.Add(slot, &agg.Order{Time: row.Time, Position: row.Position}, row.Inputs)
		}
	}
	return finishers[0].Read(cells, slot, at)
}

// TestManyPackedTiles stores entities of up to hundreds of tiles and of hundreds
// of events a tile, one after the other through one State and one Scratch, and
// reads each from the bytes, from the State and from a new one. All give what the
// rows add up to.
func TestManyPackedTiles(t *testing.T) {
	most := 0
	check := func(t *rapid.T) {
		p := trailing(t)
		g := &crowd{Rand: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), bits: rapid.SampledFrom([]int{6, 13, 20, 27, 34, 63}).Draw(t, "bits")}
		g.trend = rapid.SampledFrom([]int64{0, 0, 1, -1}).Draw(t, "trend")
		var used window.State
		var sc window.Scratch
		n := len(p.Features())
		packed, again, fresh := make([]featurestore.Cell, n), make([]featurestore.Cell, n), make([]featurestore.Cell, n)
		for range 3 { // entities
			g.most, g.minutes = rapid.SampledFrom([]int{1, 2, 4}).Draw(t, "a minute"), rapid.SampledFrom([]int{5, 60, 500}).Draw(t, "minutes")
			if g.minutes < 100 {
				g.most *= 50
			}
			rows := g.rows()
			var s window.State
			for i := range rows {
				p.Apply(&s, &rows[i])
			}
			if len(rows) == 0 {
				continue
			}
			p.Settle(&s)
			most = max(most, s.Tiles())
			in := window.Packed{Open: p.AppendOpen(nil, &s), Closed: p.AppendClosed(nil, &s), Header: headerOf(&s)}
			if err := p.DecodeState(in.Open, in.Closed, in.Header, &used); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(p.AppendOpen(nil, &used), in.Open) || !bytes.Equal(p.AppendClosed(nil, &used), in.Closed) {
				t.Fatalf("a State that was used before writes other bytes")
			}
			for _, later := range []int64{0, 59 * second, 31 * 60 * second, 6 * 3600 * second} {
				at := p.ReadTime(&s) + featurestore.Instant(later)
				p.Read(&s, at, fresh)
				p.Read(&used, at, again)
				if err := p.ReadPacked(in, at, &sc, packed); err != nil {
					t.Fatal(err)
				}
				for i := range p.Features() {
					f := &p.Features()[i]
					want := expected(t, f, rows, at)
					for how, got := range map[string]featurestore.Cell{"a new State": fresh[i], "a used State": again[i], "the bytes": packed[i]} {
						if !got.Value.Equal(want.Value) || got.Status != want.Status {
							t.Fatalf("%s(%s) over %s, offset %s, where %d: %s gives %v, want %v", f.Call.Func, f.Call.Input, f.Width, f.Offset, f.Where, how, got, want)
						}
					}
				}
			}
		}
	}
	for range 5 { // what is drawn may be small now and then
		if most < 300 {
			rapid.Check(t, check)
		}
	}
	if most < 300 {
		t.Errorf("at most %d tiles: the test shows little", most)
	}
}

// TestTilesStandUpToAnEdge is the ladder's promise for windows that jump: the
// tile of an event is the greatest without an edge inside, also where one lies at
// its start. Of windows of four hours that jump by two, read after the tenth
// hour, the last six hours matter.
func TestTilesStandUpToAnEdge(t *testing.T) {
	p, err := window.Compile(window.Config{
		Sources: []window.SourceRule{{AllowedLateness: featurestore.Hour}},
		Features: []window.Feature{{Kind: window.Hopping, Call: agg.Call{Func: "count"}, Input: -1, Where: -1,
			Width: 4 * featurestore.Hour, Step: 2 * featurestore.Hour, Tile: minute}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var s window.State
	for m := range int64(600) {
		row := window.Row{Time: featurestore.EventTime(m * 60 * second), LogTime: featurestore.LogTime(m * 60 * second)}
		row.Offset = m
		p.Apply(&s, &row)
		p.Settle(&s)
	}
	if n := s.Tiles(); n != 6 {
		t.Errorf("%d tiles, want one for each of six hours", n)
	}
	out := make([]featurestore.Cell, 1)
	if p.Read(&s, p.ReadTime(&s), out); out[0].Value.Int64() != 240 {
		t.Errorf("%v, want 240 events", out)
	}
}
