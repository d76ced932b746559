package pit

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// disordered sweeps mode available where log times are a producer's and do not
// ascend with the offsets: a record may become visible after one that stands
// behind it in its partition. A state is a function of the set of its records,
// so it is folded anew, in the order of positions, whenever that happens.
type disordered struct {
	*answers
	fold
	reached map[featurestore.PartitionID]int64 // the greatest offset that was folded
}

func newDisordered(a *answers) *disordered {
	return &disordered{answers: a, fold: fold{plan: a.s.view.Plan}, reached: map[featurestore.PartitionID]int64{}}
}

// entity answers the reads of one entity; rows ascend by visibility.
func (d *disordered) entity(rows []buffer, reads []read) {
	d.reset()
	clear(d.reached)
	taken := 0
	for i := range reads {
		r := &reads[i]
		from := taken
		for taken < len(rows) && rows[taken].visible < r.at {
			taken++
		}
		if d.ordered(rows[from:taken]) {
			for k := from; k < taken; k++ {
				d.apply(&rows[k].Row)
			}
		} else {
			d.refold(rows[:taken])
		}
		newest, seen := d.read(r.at, d.cells)
		d.s.o.set(r.role, r.row, d.cells, newest, seen)
	}
}

// ordered reports whether rows only go on from what was folded, partition by
// partition.
func (d *disordered) ordered(rows []buffer) bool {
	ok := true
	for i := range rows {
		high, found := d.reached[rows[i].PartitionID]
		if found && rows[i].Offset < high {
			ok = false
			continue
		}
		d.reached[rows[i].PartitionID] = rows[i].Offset
	}
	return ok
}

func (d *disordered) refold(rows []buffer) {
	d.reset()
	sorted := make([]*window.Row, len(rows))
	for i := range rows {
		sorted[i] = &rows[i].Row
	}
	slices.SortFunc(sorted, func(a, b *window.Row) int { return a.Position.Compare(b.Position) })
	for _, r := range sorted {
		d.apply(r)
	}
}
