package window

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
)

// Apply admits one row and folds it. Rows of one partition come in ascending
// offset; a row whose offset is not above the applied entry of its partition is
// a replay: it changes nothing and is reported as Duplicate. The two events of
// one change record share an offset: they come one directly behind the other,
// before the state is settled. The row's memory is not kept. Its Source must be
// one of the plan's.
func (p *Plan) Apply(s *State, r *Row) Verdict {
	s.bind(p)
	entry := s.Applied.Find(r.PartitionID)
	if entry != nil && r.Offset <= entry.Offset && !s.half.completes(r) {
		return Duplicate
	}
	rule := &p.sources[r.Source]
	a, visible := int64(r.LogTime), int64(r.Time)
	switch { // as Event.Late and Event.Visible
	case r.Change != featurestore.NoChange:
		visible = max(visible, int64(r.Mutated))
	case visible < a-int64(rule.AllowedLateness):
		return Late
	}
	if visible > a+int64(featurestore.AheadLimit) {
		return Ahead
	}
	// A change is known by the row that it changes: its id says nothing.
	duplicate := rule.HasEventID && r.ID != "" && r.Change == featurestore.NoChange && !s.claim(p, entry, r)
	reached := a
	if entry != nil {
		entry.Offset = r.Offset
		entry.MaxLogTime = max(entry.MaxLogTime, r.LogTime)
		reached = int64(entry.MaxLogTime)
	} else {
		s.Applied = s.Applied.Add(r.Position, r.LogTime)
	}
	retraction := r.Change == featurestore.Retracted
	s.half = half{open: retraction, partition: r.PartitionID, offset: r.Offset}
	s.order = agg.Order{Time: r.Time, Sequence: r.Sequence, Position: r.Position}
	verdict := Folded
	switch {
	case visible > reached:
		s.hold(pendingRow{order: s.order, duplicate: duplicate, retraction: retraction, visible: visible}, r.Inputs)
		verdict = Pending
	case duplicate:
		s.newest = max(s.newest, int64(r.Time))
	case retraction:
		s.retract(&s.order, r.Inputs)
	default:
		s.fold(&s.order, r.Inputs)
	}
	if duplicate {
		return Duplicate
	}
	return verdict
}

// fold counts an event whose time has come.
func (s *State) fold(o *agg.Order, inputs []featurestore.Value) {
	s.newest = max(s.newest, int64(o.Time))
	if s.plan.raw {
		s.net.add(o, inputs, false)
	}
	if !s.net.stale {
		s.derive(o, inputs)
	}
}

// derive counts an event in everything that is folded from events.
func (s *State) derive(o *agg.Order, inputs []featurestore.Value) {
	p := s.plan
	if len(p.latest) > 0 {
		s.latest.take(p, o, inputs)
	}
	if p.tiled.layout != nil && p.tiled.layout.Wants(inputs) {
		if slot, ok := s.tile(int64(o.Time)); ok {
			s.cells.Add(slot, o, inputs)
			if s.cells.Owing() {
				s.dropBlank(int64(o.Time)) // a retraction of the row came before it
			}
		}
	}
	if p.lifetime.layout != nil {
		s.life.Add(lifetimeSlot, o, inputs)
	}
	for i := range s.sessions {
		s.sessions[i].fold(&p.sessions[i], o, inputs)
	}
	for i := range s.lists {
		p.lists[i].fold(&s.lists[i], o, inputs)
	}
}

// take keeps the row if it is the greatest so far.
func (l *latestRow) take(p *Plan, o *agg.Order, inputs []featurestore.Value) {
	if l.has && l.at.Compare(o) > 0 {
		return
	}
	l.has = true
	l.at.Set(o)
	for i, f := range p.latest {
		l.values[i].Set(&inputs[p.features[f].Input])
	}
}
