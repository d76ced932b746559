package oracle_test

import (
	"bytes"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/transforms/oracle"
	"github.com/freshet/freshet/transforms/window"
)

var (
	caseCount = flag.Int("oracle.cases", defaultCases, "number of random cases")
	firstSeed = flag.Uint64("oracle.seed", 1, "seed of the first case; each next one adds 1")
)

var header = codec.Header{Definition: codec.Hash{7}, Key: []byte("entity")}

// TestFoldEqualsOracle feeds random logs to the fold, in random batches and
// interleavings, through the codec, and compares every cell of every read with
// the oracle, bit for bit.
func TestFoldEqualsOracle(t *testing.T) {
	reads, failures := 0, 0
	for seed := *firstSeed; seed < *firstSeed+uint64(*caseCount); seed++ {
		r := &run{gen: newGen(seed)}
		problem := r.check()
		reads += r.reads
		if problem == "" {
			continue
		}
		t.Errorf("seed %d: %s\n%s", seed, problem, r.describe())
		if failures++; failures == 3 {
			t.Fatalf("stopped after %d failures; again: go test -run TestFoldEqualsOracle -oracle.seed %d -oracle.cases 1", failures, seed)
		}
	}
	t.Logf("%d cases from seed %d, %d reads", *caseCount, *firstSeed, reads)
}

// run is one random case.
type run struct {
	gen
	config window.Config
	plan   *window.Plan
	rows   []window.Row // all of the entity, in the first feeding order
	reads  int
}

func (r *run) check() string {
	r.config = r.gen.config()
	var err error
	if r.plan, err = window.Compile(r.config); err != nil {
		return "compile: " + err.Error()
	}
	parts := r.gen.log(r.config)
	r.rows = r.gen.interleave(parts)
	entity := oracle.Judge(r.config, r.rows)
	first, problem := r.feed(r.rows, entity)
	if problem != "" {
		return problem
	}
	second, problem := r.feed(r.gen.interleave(parts), entity)
	if problem != "" {
		return "second feeding: " + problem
	}
	if !bytes.Equal(first, second) {
		return fmt.Sprintf("two feedings of one log leave other bytes:\n%x\n%x", first, second)
	}
	return ""
}

// feed applies rows in random batches, reads now and then, and returns the
// bytes of the last state.
func (r *run) feed(rows []window.Row, entity *oracle.Entity) ([]byte, string) {
	state := &window.State{}
	var list featurestore.Applied
	for done := 0; done < len(rows); {
		size := min(1+r.IntN(6), len(rows)-done)
		for i := range rows[done : done+size] {
			row := &rows[done+i]
			got := r.plan.Apply(state, row)
			if got != window.Late && got != window.Ahead {
				list = list.Add(row.Position, row.LogTime)
			}
			if problem := r.verdict(row, got, list); problem != "" {
				return nil, problem
			}
			if r.chance(5) { // a replay changes nothing
				r.plan.Apply(state, row)
			}
		}
		done += size
		r.plan.Settle(state)
		if !slices.Equal(state.Applied, list) {
			return nil, fmt.Sprintf("applied list %v, want %v", state.Applied, list)
		}
		if r.chance(50) {
			again, problem := r.recode(state)
			if problem != "" {
				return nil, problem
			}
			state = again
		}
		if r.chance(30) || done == len(rows) {
			if problem := r.read(state, list, entity, done == len(rows)); problem != "" {
				return nil, fmt.Sprintf("after %d of %d rows: %s", done, len(rows), problem)
			}
		}
	}
	open, closed := codec.AppendEntity(nil, nil, header, r.plan, state)
	return append(open, closed...), ""
}

// verdict checks what the fold says of a row; list holds the row if it was
// accepted.
func (r *run) verdict(row *window.Row, got window.Verdict, list featurestore.Applied) string {
	late := int64(row.Time) < int64(row.LogTime)-int64(r.config.Sources[row.Source].AllowedLateness)
	ahead := int64(row.Time) > int64(row.LogTime)+int64(5*minute)
	wrong := late != (got == window.Late) || ahead != (got == window.Ahead)
	if !late && !ahead && got != window.Duplicate {
		wrong = wrong || (int64(row.Time) > int64(list.Find(row.PartitionID).MaxLogTime)) != (got == window.Pending)
	}
	if wrong {
		return fmt.Sprintf("verdict %d of e %d, a %d", got, row.Time, row.LogTime)
	}
	return ""
}

func (r *run) recode(state *window.State) (*window.State, string) {
	open, closed := codec.AppendEntity(nil, nil, header, r.plan, state)
	again := &window.State{}
	if err := codec.DecodeEntity(open, closed, header, r.plan, again); err != nil {
		return nil, "decode: " + err.Error()
	}
	if second, secondClosed := codec.AppendEntity(nil, nil, header, r.plan, again); !bytes.Equal(open, second) || !bytes.Equal(closed, secondClosed) {
		return nil, fmt.Sprintf("decode and encode give other bytes:\n%x %x\n%x %x", open, closed, second, secondClosed)
	}
	return again, ""
}

// read compares reads at instants past all applied log times. The state must
// equal the exact reading of its applied list; where the whole log is applied,
// also the reading in mode available.
func (r *run) read(state *window.State, list featurestore.Applied, entity *oracle.Entity, all bool) string {
	least := featurestore.Instant(0)
	if newest, any := list.MaxLogTime(); any {
		least = featurestore.Instant(newest) + 1
		if got := r.plan.ReadTime(state); got != least {
			return fmt.Sprintf("read time %d, want %d", got, least)
		}
		if !r.plan.TooOld(state, least-1) || r.plan.TooOld(state, least) {
			return fmt.Sprintf("too old at %d: %v, at %d: %v", least-1, r.plan.TooOld(state, least-1), least, r.plan.TooOld(state, least))
		}
	}
	got := make([]featurestore.Cell, len(r.config.Features))
	for _, t := range r.instants(r.config, r.rows, least) {
		r.reads++
		r.plan.Read(state, t, got)
		readings := []oracle.Reading{{At: t, Mode: oracle.Exact, Applied: list}}
		if all && allLoggedBefore(r.rows, t) {
			readings = append(readings, oracle.Reading{At: t, Mode: oracle.Available})
		}
		for _, reading := range readings {
			want, err := entity.Read(reading)
			if err != nil {
				return err.Error()
			}
			if problem := r.compare(got, want); problem != "" {
				return fmt.Sprintf("read at %d, mode %d: %s", t, reading.Mode, problem)
			}
		}
	}
	return ""
}

func allLoggedBefore(rows []window.Row, t featurestore.Instant) bool {
	return !slices.ContainsFunc(rows, func(row window.Row) bool { return int64(row.LogTime) >= int64(t) })
}

func (r *run) compare(got, want []featurestore.Cell) string {
	var problems []string
	for i := range want {
		if got[i].Status != want[i].Status || !got[i].Value.Equal(want[i].Value) {
			f := r.config.Features[i]
			problems = append(problems, fmt.Sprintf("%s: fold %s %s, oracle %s %s", f.Name,
				got[i].Value.Text(f.Type), got[i].Status, want[i].Value.Text(f.Type), want[i].Status))
		}
	}
	return strings.Join(problems, "; ")
}

// describe prints the case for whoever has to find out which side is wrong.
func (r *run) describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "sources %+v, ttl %s\n", r.config.Sources, r.config.TTL)
	for _, f := range r.config.Features {
		fmt.Fprintf(&b, "  %s: kind %d %s(%s, max %d, respect %v) input %d where %d width %s offset %s tile %s default %s emptynull %v\n", f.Name, f.Kind,
			f.Call.Func, f.Call.Input, f.Call.Max, f.Call.RespectNulls, f.Input, f.Where, f.Width, f.Offset, f.Tile, f.Default.Text(f.Type), f.EmptyNull)
	}
	for _, row := range r.rows {
		fmt.Fprintf(&b, "  %v e %d a %d seq %s id %q:", row.Position, row.Time, row.LogTime, row.Sequence.Text(featurestore.Int64), row.ID)
		for i, v := range row.Inputs {
			fmt.Fprintf(&b, " %s", v.Text(inputs[i]))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// A duplicate that was pending is still an applied event once its time has
// come: it alone keeps the entity found here. Random logs hardly ever get there.
func TestPendingDuplicateIsApplied(t *testing.T) {
	c := view("count", featurestore.Int64)
	c.Sources[0].HasEventID = true
	ms := func(e, a, offset int64, id string) window.Row {
		row := at(0, offset, featurestore.Int64Value(1))
		row.Time, row.LogTime, row.ID = featurestore.EventTime(e*1000), featurestore.LogTime(a*1000), id
		return row
	}
	rows := []window.Row{ms(100, 100, 0, "k"), ms(900, 100, 1, "k"), ms(0, 900, 2, "l")}
	r := &run{gen: newGen(1), config: c, rows: rows}
	var err error
	if r.plan, err = window.Compile(c); err != nil {
		t.Fatal(err)
	}
	var state window.State
	for i := range rows {
		r.plan.Apply(&state, &rows[i])
	}
	r.plan.Settle(&state)
	keep := featurestore.Instant(minute + minute + hour)
	for _, x := range []struct {
		at     featurestore.Instant
		status featurestore.Status
	}{{keep + 900_000, featurestore.Empty}, {keep + 900_001, featurestore.NotFound}} {
		got := make([]featurestore.Cell, 1)
		r.plan.Read(&state, x.at, got)
		want, err := oracle.Read(c, rows, oracle.Reading{At: x.at})
		if err != nil {
			t.Fatal(err)
		}
		if problem := r.compare(got, want); problem != "" || want[0].Status != x.status {
			t.Errorf("at %d: %s, want status %s", x.at, problem, x.status)
		}
	}
}
