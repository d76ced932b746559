package pit

import (
	"github.com/freshet/freshet/featurestore"
)

// exact sweeps mode exact: for each read the state is folded up to the applied
// list that the lookup recorded. The lists of an entity mostly grow with the
// read time, so one state goes along; where a list goes back, it starts anew.
type exact struct {
	*answers
	fold
	parts []partRows
}

// partRows are the records of one partition, and how many of them are folded.
type partRows struct {
	id    featurestore.PartitionID
	rows  []buffer
	taken int
}

func newExact(a *answers) *exact {
	return &exact{answers: a, fold: fold{plan: a.s.view.Plan}}
}

// entity answers the reads of one entity; rows ascend by position.
func (x *exact) entity(rows []buffer, reads []read) {
	x.split(rows)
	x.reset()
	for i := range reads {
		r := &reads[i]
		list := x.s.r.Exact[r.row].Applied[r.role]
		x.advance(list)
		newest, seen := x.read(r.at, x.cells)
		if x.plan.TooOld(&x.state, r.at) { // a lookup as of an instant that the state had passed
			for c := range x.cells {
				x.cells[c] = featurestore.Cell{Status: featurestore.TooOld}
			}
		}
		x.s.o.set(r.role, r.row, x.cells, newest, seen)
		if !sameList(x.state.Applied, list) {
			x.s.o.miss(r.row)
		}
	}
}

func (x *exact) split(rows []buffer) {
	x.parts = x.parts[:0]
	for lo := 0; lo < len(rows); {
		hi := lo
		for hi < len(rows) && rows[hi].PartitionID == rows[lo].PartitionID {
			hi++
		}
		x.parts = append(x.parts, partRows{id: rows[lo].PartitionID, rows: rows[lo:hi]})
		lo = hi
	}
}

// advance folds up to a list, from the start where the list goes back.
func (x *exact) advance(list featurestore.Applied) {
	for i := range x.parts {
		p := &x.parts[i]
		if p.taken > 0 && p.rows[p.taken-1].Offset > through(list, p.id) {
			x.reset()
			for k := range x.parts {
				x.parts[k].taken = 0
			}
			break
		}
	}
	for i := range x.parts {
		p := &x.parts[i]
		for end := through(list, p.id); p.taken < len(p.rows) && p.rows[p.taken].Offset <= end; p.taken++ {
			x.apply(&p.rows[p.taken].Row)
		}
	}
}

// through is the last offset that a list applied of a partition, -1 for none.
func through(list featurestore.Applied, id featurestore.PartitionID) int64 {
	if e := list.Find(id); e != nil {
		return e.Offset
	}
	return -1
}

func sameList(a, b featurestore.Applied) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
