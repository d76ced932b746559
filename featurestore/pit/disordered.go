package pit

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
)

// disordered sweeps mode available where log times are a producer's and do not
// ascend with the offsets: a record may become visible after one that stands
// behind it in its partition. A state is a function of the set of its records,
// so it is folded anew, in the order of positions, whenever that happens.
type disordered struct {
	*answers
	fold
	admission admission
	order     []*buffer                          // scratch
	reached   map[featurestore.PartitionID]int64 // the greatest offset that was folded
}

func newDisordered(a *answers) *disordered {
	plan := a.s.view.Plan
	return &disordered{answers: a, fold: fold{plan: plan}, admission: admission{fold: fold{plan: plan}}, reached: map[featurestore.PartitionID]int64{}}
}

// entity answers the reads of one entity; rows ascend by visibility.
func (d *disordered) entity(rows []buffer, reads []read) {
	d.order = pointers(d.order, rows)
	slices.SortStableFunc(d.order, byPosition)
	d.admission.admit(d.order)
	accepted := d.admission.accepted
	slices.SortStableFunc(accepted, func(a, b *buffer) int {
		switch {
		case a.visible < b.visible:
			return -1
		case a.visible > b.visible:
			return 1
		}
		return 0
	})
	d.reset()
	clear(d.reached)
	taken := 0
	for i := range reads {
		r := &reads[i]
		from := taken
		for taken < len(accepted) && accepted[taken].visible < r.at {
			taken++
		}
		if d.ordered(accepted[from:taken]) {
			for _, row := range accepted[from:taken] {
				d.apply(&row.Row)
			}
		} else {
			d.refold(accepted[:taken])
		}
		newest, seen := d.read(r.at, d.cells)
		d.admission.correct(d.s.view.Features, r.at, seen, d.cells, func(b *buffer) bool { return b.visible < r.at })
		d.s.o.set(r.role, r.row, d.cells, newest, seen)
	}
}

func byPosition(a, b *buffer) int { return a.Position.Compare(b.Position) }

// ordered reports whether rows only go on from what was folded, partition by
// partition.
func (d *disordered) ordered(rows []*buffer) bool {
	ok := true
	for _, r := range rows {
		high, found := d.reached[r.PartitionID]
		if found && r.Offset < high {
			ok = false
			continue
		}
		d.reached[r.PartitionID] = r.Offset
	}
	return ok
}

func (d *disordered) refold(rows []*buffer) {
	d.reset()
	d.order = append(d.order[:0], rows...)
	slices.SortStableFunc(d.order, byPosition)
	for _, r := range d.order {
		d.apply(&r.Row)
	}
}
