package window

import (
	"math"

	"github.com/freshet/freshet/featurestore"
)

// forever is after every instant.
const forever = math.MaxInt64

// Read computes every feature at t into out, whose length is the number of
// features, with defaults applied. A nil state is an unknown entity (NOT_FOUND).
// t is past every folded event (see TooOld). Reading changes nothing but scratch
// memory, so that a state may be read at any number of instants between rows.
func (p *Plan) Read(s *State, t featurestore.Instant, out []featurestore.Cell) {
	if s == nil || !p.found(s, t) {
		p.readNotFound(out)
	} else {
		p.readFound(s, t, out)
	}
	p.applyDefaults(out)
}

func (p *Plan) applyDefaults(out []featurestore.Cell) {
	for i := range p.features {
		if c := &out[i]; c.Value.IsNull() && !c.Status.HidesDefault() {
			c.Value = p.features[i].Default
		}
	}
}

func (p *Plan) readFound(s *State, t featurestore.Instant, out []featurestore.Cell) {
	v := s
	switch {
	case p.raw:
		if v = s.sight(int64(t)); v == s {
			s.due = nil
		} else {
			v.due = v.held
		}
	case p.changes:
		s.due = s.due[:0:0]
		for i := range s.held {
			if s.held[i].visible < int64(t) {
				s.due = append(s.due, s.held[i])
			}
		}
	default:
		s.due = s.held[:s.heldBefore(int64(t))]
	}
	if p.tiled.layout != nil {
		v.readTiles(t, out)
	}
	if p.lifetime.layout != nil {
		v.readLifetime(t, out)
	}
	for i := range v.sessions {
		v.sessions[i].read(&p.sessions[i], v, t, out)
	}
	for i := range v.lists {
		if v.readers[i] == nil {
			v.readers[i] = p.lists[i].layout.NewCells()
		}
		x := rawReader{state: v, plan: &p.lists[i], list: &v.lists[i], cells: v.readers[i]}
		p.lists[i].read(&x, &s.lists[i], t, out)
	}
	if len(p.latest) > 0 {
		p.readLatest(v, t, out)
	}
	if p.raw {
		p.markMissed(s, t, out)
	}
}

// markMissed marks the values that rows which were dropped for want of room
// could be part of. Where nothing else is, too: nobody knows that it is EMPTY.
func (p *Plan) markMissed(s *State, t featurestore.Instant, out []featurestore.Cell) {
	missed, any := s.net.witness()
	if !any {
		return
	}
	for i := range p.features {
		c := &out[i]
		if (c.Status == featurestore.Present || c.Status == featurestore.Empty) && missed >= p.begin(s, i, t) {
			c.Status = featurestore.Approximate
		}
	}
}

// begin is the start of a feature's window at t: of a series, of its oldest
// element; never for a window without one.
func (p *Plan) begin(s *State, i int, t featurestore.Instant) int64 {
	f := &p.features[i]
	switch {
	case f.Kind == Latest && p.ttl > 0:
		return int64(t) - int64(p.ttl)
	case f.Exact && p.listOf(s, i).reaches(f, t):
		return int64(t) - int64(f.Offset+f.Width)
	case f.Kind == Latest || kinds[f.Kind].spans == nil:
		return never
	}
	start := int64(forever)
	for _, w := range kinds[f.Kind].spans(f) {
		from, _ := w.at(int64(t))
		start = min(start, from)
	}
	return start
}

// approximate weakens a value; no other status is hidden by it.
func approximate(c *featurestore.Cell) {
	if c.Status == featurestore.Present {
		c.Status = featurestore.Approximate
	}
}

// found reports whether an applied event lies within the retention before t. The
// newest event that the read sees decides; duplicates and retractions are
// applied events too.
func (p *Plan) found(s *State, t featurestore.Instant) bool {
	newest, any := p.NewestBefore(s, t)
	return any && (!p.bounded || int64(newest) >= int64(t)-int64(p.keep))
}

// NewestBefore is the greatest event time that a read at t sees, pending rows
// included; ok is false for none. t is past every folded event (see TooOld).
func (p *Plan) NewestBefore(s *State, t featurestore.Instant) (e featurestore.EventTime, ok bool) {
	if s.plan == nil {
		return 0, false
	}
	newest := s.newest
	for i := len(s.held) - 1; i >= 0; i-- {
		if s.held[i].visible < int64(t) {
			newest = max(newest, int64(s.held[i].order.Time))
			break
		}
	}
	return featurestore.EventTime(newest), newest != never
}

func (p *Plan) readNotFound(out []featurestore.Cell) {
	for i := range p.features {
		f := &p.features[i]
		switch f.Kind {
		case Latest:
			out[i] = featurestore.Cell{Status: featurestore.NotFound}
		case Series:
			empty := make([]featurestore.Value, f.Count)
			for k := range empty {
				empty[k] = p.finishers[i].Empty(featurestore.NotFound).Value
			}
			out[i] = featurestore.Cell{Value: featurestore.ListValue(empty), Status: featurestore.NotFound}
		default:
			out[i] = p.finishers[i].Empty(featurestore.NotFound)
		}
	}
}

func (s *State) readLifetime(t featurestore.Instant, out []featurestore.Cell) {
	slot := lifetimeSlot
	if len(s.due) > 0 {
		slot = s.life.Alloc()
		s.life.Merge(slot, s.lifetimeSlots())
		for i := range s.due {
			if row := &s.due[i]; !row.duplicate && !row.retraction {
				s.life.Add(slot, &row.order, row.inputs)
			}
		}
		for i := range s.due {
			if row := &s.due[i]; row.retraction {
				s.life.Remove(slot, &row.order, row.inputs)
			}
		}
	}
	for i := range s.plan.lifetime.uses {
		u := &s.plan.lifetime.uses[i]
		u.finisher.ReadTo(&out[u.feature], s.life, slot, t)
	}
	if slot != lifetimeSlot {
		s.life.Free(slot)
	}
}

// readLatest gives the greatest row that a read sees: the folded one, or a
// pending one whose time has come. A pending row that is still ahead of t hides
// nothing.
func (p *Plan) readLatest(s *State, t featurestore.Instant, out []featurestore.Cell) {
	var row *pendingRow
	for n := len(s.due); n > 0 && row == nil; n-- {
		if !s.due[n-1].duplicate {
			row = &s.due[n-1]
		}
	}
	if row != nil && s.latest.has && s.latest.at.Compare(&row.order) > 0 {
		row = nil
	}
	var e featurestore.EventTime
	switch {
	case row != nil:
		e = row.order.Time
	case s.latest.has:
		e = s.latest.at.Time()
	default:
		p.setLatest(out, featurestore.Cell{Status: featurestore.Empty})
		return
	}
	switch {
	case p.raw && p.bounded && int64(e) < int64(t)-int64(p.keep): // the row may not be kept any more
		p.setLatest(out, featurestore.Cell{Status: featurestore.Empty})
		return
	case p.ttl > 0 && int64(e) < int64(t)-int64(p.ttl):
		p.setLatest(out, featurestore.Cell{Status: featurestore.Expired})
		return
	}
	for i, f := range p.latest {
		var v featurestore.Value
		if row != nil {
			v = row.inputs[p.features[f].Input]
		} else {
			v = s.latest.values[i].Get()
		}
		out[f] = featurestore.Cell{Value: v, Status: featurestore.Present}
		if v.IsNull() {
			out[f].Status = featurestore.Empty
		}
	}
}

func (p *Plan) setLatest(out []featurestore.Cell, c featurestore.Cell) {
	for _, f := range p.latest {
		out[f] = c
	}
}

// TooOld reports whether the state has folded an event, or applied a log time,
// at or after t, so that it can no longer be read as of t.
func (p *Plan) TooOld(s *State, t featurestore.Instant) bool {
	return s != nil && p.ReadTime(s) > t
}

// ReadTime is the least instant at which the state may be read, clock apart:
// past the newest folded event and the largest applied log time. It is
// MinInstant for a state without either.
func (p *Plan) ReadTime(s *State) featurestore.Instant {
	if s == nil {
		return featurestore.MinInstant
	}
	e, folded := s.Newest()
	return Header{Applied: s.Applied, Newest: e, Folded: folded}.ReadTime()
}

// ReadTime is Plan.ReadTime of the state with this header.
func (h Header) ReadTime() featurestore.Instant {
	t := featurestore.MinInstant
	if h.Folded {
		t = max(t, featurestore.Instant(h.Newest)+1)
	}
	if a, ok := h.Applied.MaxLogTime(); ok {
		t = max(t, featurestore.Instant(a)+1)
	}
	return t
}
