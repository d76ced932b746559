package window

import (
	"sort"

	"github.com/freshet/freshet/featurestore"
)

// Read computes every feature at t into out, whose length is the number of
// features, with defaults applied. A nil state is an unknown entity (NOT_FOUND).
// t is past every folded event (see TooOld). Reading changes nothing but scratch
// memory, so that a state may be read at any number of instants between rows.
func (p *Plan) Read(s *State, t featurestore.Instant, out []featurestore.Cell) {
	if s == nil || !p.found(s, t) {
		p.readNotFound(out)
	} else {
		for i := range p.chains {
			p.chains[i].read(p, s, t, out)
		}
		if len(p.latest) > 0 {
			p.readLatest(s, t, out)
		}
	}
	for i := range p.features {
		if c := &out[i]; c.Value.IsNull() && !c.Status.HidesDefault() {
			c.Value = p.features[i].Default
		}
	}
}

// found reports whether an applied event lies within the retention before t. The
// newest event with e < t decides; duplicates are applied events too.
func (p *Plan) found(s *State, t featurestore.Instant) bool {
	if s.plan == nil {
		return false
	}
	newest := s.newest
	if n := s.heldBefore(int64(t)); n > 0 {
		newest = max(newest, int64(s.held[n-1].order.Time))
	}
	return newest != never && (!p.bounded || newest >= int64(t)-int64(p.keep))
}

// heldBefore is how many pending rows have e < x.
func (s *State) heldBefore(x int64) int {
	if len(s.held) == 0 {
		return 0
	}
	return sort.Search(len(s.held), func(i int) bool { return int64(s.held[i].order.Time) >= x })
}

func (p *Plan) readNotFound(out []featurestore.Cell) {
	for i := range p.features {
		if p.features[i].Kind == Latest {
			out[i] = featurestore.Cell{Status: featurestore.NotFound}
		} else {
			out[i] = p.finishers[i].Empty(featurestore.NotFound)
		}
	}
}

// readLatest gives the greatest row with e < t: the folded one, or a pending one
// whose time has come. A pending row that is still ahead of t hides nothing.
func (p *Plan) readLatest(s *State, t featurestore.Instant, out []featurestore.Cell) {
	var row *pendingRow
	for n := s.heldBefore(int64(t)); n > 0 && row == nil; n-- {
		if !s.held[n-1].duplicate {
			row = &s.held[n-1]
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
	if p.ttl > 0 && int64(e) < int64(t)-int64(p.ttl) {
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
	t := featurestore.MinInstant
	if s == nil {
		return t
	}
	if e, ok := s.Newest(); ok {
		t = max(t, featurestore.Instant(e)+1)
	}
	if a, ok := s.Applied.MaxLogTime(); ok {
		t = max(t, featurestore.Instant(a)+1)
	}
	return t
}
