package pit

import (
	"sort"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/latest"
)

// candidate is a row of an entity; candidates ascend in the order of batch rows.
// values are those of the BatchEvaluator.
type candidate struct {
	time      featurestore.EventTime
	available featurestore.LogTime
	values    []featurestore.Value
}

// cut says which rows count: those before end that were available at known. at is
// where windows end.
type cut struct {
	end   featurestore.EventTime
	known featurestore.LogTime
	at    featurestore.Instant
}

func (c *cut) takes(r *candidate) bool { return r.time < c.end && r.available <= c.known }

// cutFold makes rows of an entity's candidates at one cut after another. Cuts
// mostly grow, and rows mostly become available in their order, so that one fold
// goes along; where a row came late it starts anew.
type cutFold struct {
	fold  *BatchFold
	rows  []candidate // of the entity
	done  int         // rows that were looked at
	last  cut
	least featurestore.LogTime // of those that did not count, the first to be available
	out   []featurestore.Value
}

func newCutFold(v *definition.BatchView) *cutFold {
	return &cutFold{fold: NewBatchFold(v), out: make([]featurestore.Value, len(v.Features)+len(v.Aggregates))}
}

const neverAvailable = featurestore.LogTime(forever)

// entity begins another entity.
func (f *cutFold) entity(rows []candidate) {
	f.rows = rows
	f.restart()
}

func (f *cutFold) restart() {
	f.fold.Reset()
	f.done, f.last, f.least = 0, cut{end: featurestore.EventTime(featurestore.MinInstant), known: featurestore.LogTime(featurestore.MinInstant)}, neverAvailable
}

// row is what a run at the cut keeps; nil where no row counts. It is valid until
// the next call.
func (f *cutFold) row(c cut) *latest.Row {
	i := sort.Search(len(f.rows), func(i int) bool { return f.rows[i].time >= c.end }) - 1
	for i >= 0 && !c.takes(&f.rows[i]) {
		i--
	}
	if i < 0 {
		return nil
	}
	if late := f.least != neverAvailable && f.least <= c.known; late || c.end < f.last.end || c.known < f.last.known {
		f.restart()
	}
	f.last = c
	for ; f.done <= i; f.done++ {
		r := &f.rows[f.done]
		if c.takes(r) {
			f.fold.Add(r.time, r.values)
		} else {
			f.least = min(f.least, r.available)
		}
	}
	f.fold.Read(c.at, f.rows[i].values, f.out)
	return &latest.Row{Time: f.rows[i].time, Values: f.out}
}
