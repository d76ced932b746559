package oracle_test

import (
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

var (
	caseCount = flag.Int("oracle.cases", defaultCases, "number of random cases")
	shrinks   = flag.Bool("oracle.shrink", true, "look for a smaller case that fails")
	firstSeed = flag.Uint64("oracle.seed", 1, "seed of the first case; each next one adds 1")
)

// TestFoldEqualsOracle feeds random logs to the fold, in random batches and
// interleavings, through the codec, and compares every cell of every read with
// the oracle, bit for bit. A case is one view, one log and two feedings.
func TestFoldEqualsOracle(t *testing.T) {
	results := make(chan outcome, 64)
	var workers sync.WaitGroup
	n := uint64(runtime.GOMAXPROCS(0))
	stop := make(chan struct{})
	for w := range n {
		workers.Go(func() {
			for i := w; i < uint64(*caseCount); i += n {
				select {
				case <-stop:
					return
				case results <- try(*firstSeed + i):
				}
			}
		})
	}
	go func() {
		workers.Wait()
		close(results)
	}()
	var sum tally
	for o := range results {
		sum.add(o)
		if o.problem == "" {
			continue
		}
		t.Errorf("seed %d: %s\nagain: go test ./transforms/oracle -run TestFoldEqualsOracle -oracle.cases 1 -oracle.seed %d", o.seed, o.problem, o.seed)
		if sum.failures++; sum.failures == 3 {
			close(stop)
		}
	}
	t.Logf("%d cases from seed %d, %d reads, %d cells", sum.cases, *firstSeed, sum.reads, sum.cells)
	sum.check(t)
}

// The engine rebuilds what the generator thinks it does, and subtracts the rest:
// a log of what cannot be subtracted may hold retractions of rows that never were.
func TestSubtractedOrRebuilt(t *testing.T) {
	for _, function := range functions {
		cols := takes(function)
		if cols == nil {
			cols = []int{-1}
		}
		for _, col := range cols {
			g := &viewGen{gen: newGen(1)}
			f := window.Feature{Kind: window.Trailing, By: -1}
			g.parameters(&f, function)
			if f.Input = col; col >= 0 {
				f.Call.Input = columns[col]
			}
			if got := agg.Retraction(f.Call); got == "" || (got == "subtracted") != subtracts(&f) {
				t.Errorf("%s(%s): %q", function, f.Call.Input, got)
			}
		}
	}
}

// tally is what was tried, over all cases.
type tally struct {
	cases, reads, cells, failures int
	statuses                      map[string]int // by kind of window and aggregate: cells with a value
}

func (s *tally) add(o outcome) {
	if s.statuses == nil {
		s.statuses = map[string]int{}
	}
	s.cases++
	s.reads += o.reads
	s.cells += o.cells
	for name, n := range o.valued {
		s.statuses[name] += n
	}
}

// check demands that nothing was left out in silence: each aggregate had values
// in each kind of window.
func (s *tally) check(t *testing.T) {
	if s.cases < 20_000 {
		return
	}
	for _, function := range functions {
		for _, kind := range []window.Kind{window.Trailing, window.Lifetime, window.Rows, window.Session, window.Tumbling, window.Hopping, window.Calendar} {
			if name := fmt.Sprintf("%s over kind %d", function, kind); s.statuses[name] < 100 {
				t.Errorf("%s: %d values in %d cases", name, s.statuses[name], s.cases)
			}
		}
	}
}

// outcome is that of one case.
type outcome struct {
	seed         uint64
	problem      string // with a reproduction
	reads, cells int
	valued       map[string]int
}

// try runs the case of a seed.
func try(seed uint64) outcome {
	g := newGen(seed)
	s := g.scenario()
	o := outcome{seed: seed, valued: map[string]int{}}
	r := &run{scenario: s}
	o.problem = r.check()
	o.reads, o.cells, o.valued = r.reads, r.cells, r.valued
	if o.problem != "" && *shrinks {
		small, problem := shrink(s, o.problem)
		o.problem = problem + "\n" + describe(small)
	}
	return o
}

// shrink looks for a smaller case that fails too: fewer features, then fewer
// records, until nothing can be left out.
func shrink(s *scenario, problem string) (*scenario, string) {
	for {
		small, p := smaller(s)
		if p == "" {
			return s, problem
		}
		s, problem = small, p
	}
}

// smaller leaves something out so that the rest fails too: a feature, half of a
// partition, a record.
func smaller(s *scenario) (*scenario, string) {
	for i := range s.config.Features {
		next := *s
		next.config.Features = slices.Delete(slices.Clone(s.config.Features), i, i+1)
		if len(next.config.Features) > 0 {
			if p := next.fails(); p != "" {
				return &next, p
			}
		}
	}
	for p := range s.parts {
		n := len(s.parts[p])
		for size := (n + 1) / 2; size > 0; size /= 2 {
			for from := 0; from+size <= n; from += size {
				next := *s
				next.parts = slices.Clone(s.parts)
				next.parts[p] = slices.Delete(slices.Clone(s.parts[p]), from, from+size)
				if problem := next.fails(); problem != "" {
					return &next, problem
				}
			}
		}
	}
	return nil, ""
}

// fails tries some orders of feeding and read times; it keeps the seed of one
// that fails.
func (s *scenario) fails() string {
	for i := range uint64(12) {
		next := *s
		next.seed += i
		r := &run{scenario: &next}
		if problem := r.check(); problem != "" {
			s.seed = next.seed
			return problem
		}
	}
	return ""
}

// describe prints the case for whoever has to find out which side is wrong.
func describe(s *scenario) string {
	var b strings.Builder
	fmt.Fprintf(&b, "sources %+v, ttl %s\n", s.config.Sources, s.config.TTL)
	for i := range s.config.Features {
		f := &s.config.Features[i]
		c := &f.Call
		fmt.Fprintf(&b, "  %s: kind %d %s(%s", f.Name, f.Kind, c.Func, c.Input)
		for _, p := range []struct {
			name string
			v    any
			set  bool
		}{
			{"y", c.Second, c.Second.Kind != 0}, {"n", c.N, c.N != 0}, {"max", c.Max, c.Max != 0}, {"p", c.Share, c.Share != agg.Share{}}, {"half life", c.HalfLife, c.HalfLife != 0},
			{"respect", "nulls", c.RespectNulls}, {"by", c.By, c.By.Kind != 0}, {"max keys", c.MaxKeys, c.MaxKeys != 0}, {"columns", []int{f.Input, f.Second, f.By}, true},
			{"where", f.Where, f.Where >= 0}, {"width", f.Width, f.Width != 0}, {"offset", f.Offset, f.Offset != 0}, {"step", f.Step, f.Step != 0}, {"count", f.Count, f.Count != 0},
			{"exact", f.MaxRows, f.Exact}, {"unit", f.Unit, f.Unit != 0}, {"zone", f.Zone, f.Zone != nil}, {"complete", true, f.Complete}, {"tile", f.Tile, f.Tile != 0},
			{"default", f.Default.Text(f.Type), !f.Default.IsNull()}, {"empty", "null", f.EmptyNull},
		} {
			if p.set {
				fmt.Fprintf(&b, ", %s %v", p.name, p.v)
			}
		}
		b.WriteString(")\n")
	}
	for _, part := range s.parts {
		for _, rec := range part {
			for _, row := range rec {
				b.WriteString("  " + rowText(s, &row) + "\n")
			}
		}
	}
	return b.String()
}

func rowText(s *scenario, row *window.Row) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v e %d a %d", row.Position, row.Time, row.LogTime)
	if row.Change != featurestore.NoChange {
		fmt.Fprintf(&b, " %s at %d", []string{"", "added", "retracted"}[row.Change], row.Mutated)
	}
	if !row.Sequence.IsNull() {
		fmt.Fprintf(&b, " seq %d", row.Sequence.Int64())
	}
	if row.ID != "" {
		fmt.Fprintf(&b, " id %q", row.ID)
	}
	b.WriteString(":")
	for i, v := range row.Inputs {
		fmt.Fprintf(&b, " %s", v.Text(s.inputs[i]))
	}
	return b.String()
}
