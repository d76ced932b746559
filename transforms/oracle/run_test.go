package oracle_test

import (
	"bytes"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/transforms/oracle"
	"github.com/freshet/freshet/transforms/window"
)

var header = codec.Header{Definition: codec.Hash{7}, Key: []byte("entity")}

// run is one scenario being tried.
type run struct {
	*scenario
	gen
	plan         *window.Plan
	rows         []window.Row // all of the entity
	entity       *oracle.Entity
	reads, cells int
	valued       map[string]int // cells with a value, by aggregate and kind of window
}

// check gives the first difference, "" for none. A panic is one too.
func (r *run) check() (problem string) {
	defer func() {
		if p := recover(); p != nil {
			problem = fmt.Sprintf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	r.gen = newGen(r.seed)
	r.valued = map[string]int{}
	var err error
	if r.plan, err = window.Compile(r.config); err != nil {
		return "compile: " + err.Error()
	}
	for i, f := range r.plan.Features() {
		if !f.Type.Equal(r.config.Features[i].Type) {
			return fmt.Sprintf("%s has the type %s, not %s", f.Name, f.Type, r.config.Features[i].Type)
		}
	}
	r.rows = nil
	for _, part := range r.parts {
		for _, rec := range part {
			r.rows = append(r.rows, rec...)
		}
	}
	r.entity = oracle.Judge(r.config, r.rows)
	first, problem := r.feed(r.interleave(r.parts))
	if problem != "" {
		return problem
	}
	second, problem := r.feed(r.interleave(r.parts))
	if problem != "" {
		return "second feeding: " + problem
	}
	if !bytes.Equal(first, second) {
		return fmt.Sprintf("two feedings of one log leave other bytes:\n%x\n%x", first, second)
	}
	return ""
}

// feed applies records in random batches, reads now and then, and returns the
// bytes of the last state.
func (r *run) feed(records []record) ([]byte, string) {
	state := &window.State{}
	var list featurestore.Applied
	for done := 0; done < len(records); {
		size, often := 1+r.IntN(6), 20
		if r.sparse {
			size, often = 1+r.IntN(500), 10
		}
		size = min(size, len(records)-done)
		for _, rec := range records[done : done+size] {
			var problem string
			if list, problem = r.apply(state, rec, list); problem != "" {
				return nil, problem
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
		if r.chance(often) || done == len(records) {
			if problem := r.read(state, list, done == len(records)); problem != "" {
				return nil, fmt.Sprintf("after %d of %d records: %s", done, len(records), problem)
			}
		}
	}
	return encode(r.plan, state), ""
}

// apply feeds one record, and now and then once more: that changes nothing.
func (r *run) apply(state *window.State, rec record, list featurestore.Applied) (featurestore.Applied, string) {
	for i := range rec {
		row := &rec[i]
		got := r.plan.Apply(state, row)
		if got != window.Late && got != window.Ahead {
			list = list.Add(row.Position, row.LogTime)
		}
		if problem := r.verdict(row, got, list); problem != "" {
			return list, problem
		}
	}
	if r.chance(5) {
		for i := range rec {
			r.plan.Apply(state, &rec[i])
		}
	}
	return list, ""
}

// verdict checks what the fold says of a row; list holds the row if it was
// accepted.
func (r *run) verdict(row *window.Row, got window.Verdict, list featurestore.Applied) string {
	late, visible := int64(row.Time) < int64(row.LogTime)-int64(r.config.Sources[row.Source].AllowedLateness), row.Time
	if row.Change != featurestore.NoChange {
		late, visible = false, max(row.Time, row.Mutated)
	}
	ahead := int64(visible) > int64(row.LogTime)+int64(5*minute)
	want := "folded"
	switch {
	case late:
		want = "late"
	case ahead:
		want = "ahead"
	case got == window.Duplicate && row.Change == featurestore.NoChange:
		return ""
	case list.Find(row.PartitionID) == nil || int64(visible) > int64(list.Find(row.PartitionID).MaxLogTime):
		want = "pending"
	}
	if got.String() != want {
		return fmt.Sprintf("verdict %s, want %s, of %s", got, want, rowText(r.scenario, row))
	}
	return ""
}

// read compares reads at instants past all applied log times. The state must
// equal the exact reading of its applied list; where the whole log is applied,
// also the reading in mode available.
func (r *run) read(state *window.State, list featurestore.Applied, all bool) string {
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
	for _, t := range r.instants(r.scenario, r.rows, least, 6) {
		r.reads++
		r.plan.Read(state, t, got)
		readings := []oracle.Reading{{At: t, Mode: oracle.Exact, Applied: list}}
		if all && allLoggedBefore(r.rows, t) {
			readings = append(readings, oracle.Reading{At: t, Mode: oracle.Available})
		}
		for _, reading := range readings {
			want, err := r.entity.Read(reading)
			if err != nil {
				return err.Error()
			}
			if problem := r.compare(got, want); problem != "" {
				return fmt.Sprintf("read at %d, mode %d, applied %v: %s", t, reading.Mode, list, problem)
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
		f := &r.config.Features[i]
		r.cells++
		if want[i].Status >= featurestore.Approximate {
			r.valued[fmt.Sprintf("%s over kind %d", f.Call.Func, f.Kind)]++
		}
		if got[i].Status != want[i].Status || !got[i].Value.Equal(want[i].Value) {
			problems = append(problems, fmt.Sprintf("%s: fold %s %s, oracle %s %s", f.Name,
				got[i].Value.Text(f.Type), got[i].Status, want[i].Value.Text(f.Type), want[i].Status))
		}
	}
	return strings.Join(problems, "; ")
}
