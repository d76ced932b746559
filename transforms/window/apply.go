package window

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
)

// Apply admits one row and folds it. Rows of one partition come in ascending
// offset; a row whose offset is not above the applied entry of its partition is
// a replay: it changes nothing and is reported as Duplicate. The row's memory is
// not kept. Its Source must be one of the plan's.
func (p *Plan) Apply(s *State, r *Row) Verdict {
	s.bind(p)
	entry := s.Applied.Find(r.PartitionID)
	if entry != nil && r.Offset <= entry.Offset {
		return Duplicate
	}
	rule := &p.sources[r.Source]
	e, a := int64(r.Time), int64(r.LogTime)
	if e < a-int64(rule.AllowedLateness) {
		return Late
	}
	if e > a+int64(featurestore.AheadLimit) {
		return Ahead
	}
	duplicate := rule.HasEventID && r.ID != "" && !s.claim(p, entry, r)
	reached := a
	if entry != nil {
		entry.Offset = r.Offset
		entry.MaxLogTime = max(entry.MaxLogTime, r.LogTime)
		reached = int64(entry.MaxLogTime)
	} else {
		s.Applied = s.Applied.Add(r.Position, r.LogTime)
	}
	s.order = agg.Order{Time: r.Time, Sequence: r.Sequence, Position: r.Position}
	verdict := Folded
	switch {
	case e > reached:
		s.hold(&s.order, duplicate, r.Inputs)
		verdict = Pending
	case duplicate:
		s.newest = max(s.newest, e)
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
	e := int64(o.Time)
	s.newest = max(s.newest, e)
	p := s.plan
	if len(p.latest) > 0 {
		s.latest.take(p, o, inputs)
	}
	if len(p.ladder.sizes) == 0 || !p.layout.Wants(inputs) {
		return
	}
	if e < s.edges.drop {
		return // its tile ends at the drop edge or before: no window can reach it any more
	}
	s.touch(e)
	s.cells.Add(s.tile(e), o, inputs)
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
