package worker

import (
	"slices"

	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/online"
)

// holding is what a fill has folded and not written yet. A history has many runs, and
// an entity rows in each of them: to write it with each costs the store more than to
// fold costs us. So runs of a partition are folded onto what is cached, and written
// with the last of them, or once they are many or the cache is full. Lanes stand
// meanwhile where the store has them: whatever comes between, what is held is given
// up, and its rows are read again.
type holding struct {
	on      bool // what is folded now is held
	some    bool // runs are held
	id      online.Partition
	through int64       // of the last of them
	runs    int         // so many
	lanes   [][]*entity // of each lane, those that the store has otherwise
}

// mostHeld is how many runs are held at most: they are what a crash costs, and no
// progress is seen before they are written.
const mostHeld = 8

// mostHeld is how many runs a view holds: of schedules few, so that some follow on
// others.
func (v *View) mostHeld() int {
	if v.stepwise {
		return 2
	}
	return mostHeld
}

// heldEntity is what the store is known to hold of an entity whose parts were folded
// on since.
type heldEntity struct {
	expect []byte // the applied prefix; nil where it holds nothing
	closed bool   // the closed part is another than the store's
}

// expect is the applied prefix of what the store holds, nil where it holds nothing.
func (e *entity) expect() []byte {
	if e.held != nil {
		return e.held.expect
	}
	prefix, err := codec.AppliedPrefix(e.open)
	if err != nil {
		return nil // there are no bytes: others are not cached
	}
	return prefix
}

// hold keeps what was folded of works of a lane.
func (v *View) hold(lane uint16, works []*work) {
	h := &v.held
	if h.lanes == nil {
		h.lanes = make([][]*entity, len(v.lanes.marks))
	}
	for _, w := range works {
		e := w.entity
		if e.held == nil {
			e.held = &heldEntity{expect: slices.Clone(e.expect())}
			h.lanes[lane] = append(h.lanes[lane], e)
		}
		v.cache.stored(e, w.blob, w.closed)
		e.held.closed = e.held.closed || w.closed != nil
		w.done = true
	}
}

// joinHeld adds the entities that a lane holds, and that have no rows in the chunk, to
// its works.
func (v *View) joinHeld(lane uint16) {
	if v.held.on || !v.holds(lane) {
		return
	}
	f := &v.fold
	p := &f.parts[lane]
	for _, e := range v.held.lanes[lane] {
		if e.chunk != f.chunk {
			e.chunk, e.work = f.chunk, p.newWork(e.key, lane)
			p.works[e.work].entity = e
		}
	}
}

// holds reports whether a lane holds entities.
func (v *View) holds(lane uint16) bool {
	return int(lane) < len(v.held.lanes) && len(v.held.lanes[lane]) > 0
}

// asHeld makes a work, to which the chunk adds nothing, one that writes what is held;
// false where nothing is, or what is goes on to be.
func (v *View) asHeld(w *work) bool {
	e := w.entity
	if e.held == nil || v.held.on {
		return false
	}
	w.blob, w.closed, w.named = e.open, nil, codec.ClosedOf(e.closed)
	if e.held.closed {
		w.closed = orEmpty(e.closed)
	}
	return true
}

// wrote says that the store has accepted what a lane held.
func (v *View) wrote(lane uint16) {
	if !v.holds(lane) {
		return
	}
	for _, e := range v.held.lanes[lane] {
		e.held = nil
	}
	v.held.lanes[lane] = v.held.lanes[lane][:0]
}

// dropHeld gives up what is held.
func (v *View) dropHeld() {
	for lane, held := range v.held.lanes {
		for _, e := range held {
			e.held = nil
			if v.cache.get(uint16(lane), e.key) == e {
				v.cache.drop(e)
			}
		}
	}
	v.held = holding{}
}

// took notes that a run is held.
func (h *holding) took(c *Chunk) {
	h.some, h.id, h.through, h.runs = true, c.Partition, c.Through, h.runs+1
}

// upTo reports whether a fill's runs up to an offset are held, as it left them.
func (h *holding) upTo(id online.Partition, through int64) bool {
	return h.some && h.id == id && h.through == through
}
