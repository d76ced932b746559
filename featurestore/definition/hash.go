package definition

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/expr"
	"github.com/freshet/freshet/transforms/window"
)

// StateVersion is the version of fold and codec: it is part of every hash, so
// that a change of either makes new generations.
const StateVersion = 4

// meaning collects what changes a definition's values, unambiguously: every text
// is preceded by its length. Names of files, comments, owners, descriptions and
// topics never enter it.
type meaning []byte

func (m *meaning) text(s string) {
	*m = binary.AppendUvarint(*m, uint64(len(s)))
	*m = append(*m, s...)
}

func (m *meaning) number(n int64) { *m = binary.AppendVarint(*m, n) }

func (m *meaning) length(d featurestore.Duration) { m.number(int64(d)) }

func (m *meaning) typ(t featurestore.Type) { m.text(t.String()) }

func (m *meaning) flag(b bool) {
	if b {
		m.number(1)
	} else {
		m.number(0)
	}
}

func (m *meaning) value(v featurestore.Value, t featurestore.Type) {
	m.number(int64(v.Kind()))
	m.text(v.Exact(t))
}

// program adds an expression, with the types of what it reads.
func (m *meaning) program(p *expr.Program, fields []Field) {
	if p == nil {
		m.number(-1)
		return
	}
	m.typ(p.Type())
	m.text(p.Canonical())
	m.number(int64(len(p.Slots())))
	for _, slot := range p.Slots() {
		m.text(fields[slot].Name)
		m.typ(fields[slot].Type)
		m.path(&fields[slot])
	}
}

func (m *meaning) programs(list []*expr.Program, fields []Field) {
	m.number(int64(len(list)))
	for _, p := range list {
		m.program(p, fields)
	}
}

func (m *meaning) timeSpec(t *TimeSpec) {
	if t == nil {
		m.number(-1)
		return
	}
	m.number(int64(t.Origin))
	m.text(t.Name)
	m.number(int64(t.Format))
	m.text(t.Layout)
	m.text(zoneName(t.Zone))
}

func zoneName(zone *time.Location) string {
	if zone == nil {
		return ""
	}
	return zone.String()
}

func (m *meaning) fieldAt(i int, fields []Field) {
	if i < 0 {
		m.number(-1)
		return
	}
	m.text(fields[i].Name)
	m.typ(fields[i].Type)
	m.path(&fields[i])
}

// path adds where a record has a field, where that is not under its name.
func (m *meaning) path(f *Field) {
	if len(f.Path) == 0 || len(f.Path) == 1 && f.Path[0] == f.Name {
		return
	}
	m.text("\x00path")
	m.number(int64(len(f.Path)))
	for _, name := range f.Path {
		m.text(name)
	}
}

func (m *meaning) entity(e *Entity) {
	m.number(int64(len(e.Keys)))
	for _, k := range e.Keys {
		m.text(k.Name)
		m.typ(k.Type)
	}
}

func (m *meaning) sum() (h codec.Hash) {
	whole := sha256.Sum256(*m)
	copy(h[:], whole[:])
	return h
}

func newMeaning(kind string) *meaning {
	m := &meaning{}
	m.text(kind)
	m.number(StateVersion)
	return m
}

func (m *meaning) streamSource(s *StreamSource) {
	m.text(s.Name) // names order the events of an instant
	m.text(s.Format)
	m.timeSpec(&s.Timestamp)
	if i := fieldIndex(s.Fields, s.Timestamp.Name); i >= 0 && s.Timestamp.Origin == TimeField {
		m.path(&s.Fields[i])
	}
	m.fieldAt(s.EventID, s.Fields)
	m.fieldAt(s.Sequence, s.Fields)
	m.length(s.AllowedLateness)
	m.length(s.ApplyDelay)
	m.program(s.Where, s.Fields)
	m.history(s.History)
}

// history adds what the files say of their rows; where they are parted from the
// topic only if they are, so that older definitions keep their hash.
func (m *meaning) history(h *History) {
	if h == nil {
		m.timeSpec(nil)
		return
	}
	m.timeSpec(h.AvailableAt)
	if h.Cutover != nil {
		m.text("\x00cutover")
		m.number(int64(*h.Cutover))
	}
	if h.Positions != nil {
		m.text("\x00positions")
		m.text(h.Positions.Partition)
		m.text(h.Positions.Offset)
	}
}

// call adds an aggregate; caps as they run, written out or not.
func (m *meaning) call(c *agg.Call) {
	m.text(c.Func)
	m.typ(c.Input)
	m.typ(c.Second)
	m.number(c.N)
	m.number(c.Max)
	m.number(c.Share.Unscaled)
	m.number(int64(c.Share.Digits))
	m.length(c.HalfLife)
	m.flag(c.RespectNulls)
	m.typ(c.By)
	m.number(c.MaxKeys)
}

func (m *meaning) feature(f *window.Feature) {
	m.text(f.Name)
	m.number(int64(f.Kind))
	m.call(&f.Call)
	m.typ(f.Type)
	for _, input := range []int{f.Input, f.Second, f.By, f.Where} {
		m.number(int64(input))
	}
	for _, d := range []featurestore.Duration{f.Width, f.Offset, f.Step, f.Tile} {
		m.length(d)
	}
	m.number(f.Count)
	m.flag(f.Exact)
	m.number(f.MaxRows)
	m.number(int64(f.Unit))
	m.text(zoneName(f.Zone))
	m.flag(f.Complete)
	m.value(f.Default, f.Type)
	m.flag(f.EmptyNull)
}

func hashStreamView(v *StreamView) codec.Hash {
	m := newMeaning(kindStreamView)
	m.entity(v.Entity)
	m.number(int64(len(v.Bindings)))
	for _, b := range v.Bindings {
		m.streamSource(b.Source)
		m.program(b.Where, b.Source.Fields)
		m.programs(b.Keys, b.Source.Fields)
		m.programs(b.Inputs, b.Source.Fields)
	}
	m.number(int64(len(v.Features)))
	latest := false
	for i := range v.Features {
		m.feature(&v.Features[i])
		latest = latest || v.Features[i].Kind == window.Latest
	}
	if latest { // nothing else looks at it
		m.length(v.TTL)
	}
	return m.sum()
}

func hashBatchView(v *BatchView) codec.Hash {
	m := newMeaning(kindBatchView)
	m.entity(v.Entity)
	s := v.Source
	m.text(s.Name)
	m.timeSpec(&s.Timestamp)
	m.timeSpec(s.AvailableAt)
	m.length(s.Delay)
	m.programs(v.Keys, s.Fields)
	if len(v.Aggregates) < len(v.Features) { // aggregates do not look at it
		m.length(v.TTL)
	}
	m.text(v.Schedule.Text)
	m.number(int64(len(v.Features)))
	for _, f := range v.Features {
		m.text(f.Name)
		m.typ(f.Type)
		m.program(f.Expr, s.Fields)
		m.value(f.Default, f.Type)
	}
	if len(v.Aggregates) > 0 {
		m.programs(v.Inputs, s.Fields)
		for i := range v.Aggregates {
			m.feature(&v.Aggregates[i])
		}
	}
	return m.sum()
}

// hashOnDemandView includes the views that it reads: their meaning is part of
// its own.
func (p *Project) hashOnDemandView(v *OnDemandView) codec.Hash {
	m := newMeaning(kindOnDemandView)
	m.number(int64(len(v.Inputs)))
	for _, in := range v.Inputs {
		m.text(in.Ref.View)
		m.text(in.Ref.Feature)
		m.text(in.As)
		m.typ(in.Type)
		m.view(p, in.Ref.View)
	}
	fields := v.variables()
	m.number(int64(len(v.Features)))
	for _, f := range v.Features {
		m.text(f.Name)
		m.typ(f.Type)
		m.program(f.Expr, fields)
		m.value(f.Default, f.Type)
	}
	return m.sum()
}

func (m *meaning) view(p *Project, name string) {
	switch {
	case p.StreamView(name) != nil:
		*m = append(*m, p.StreamView(name).Hash[:]...)
	case p.BatchView(name) != nil:
		*m = append(*m, p.BatchView(name).Hash[:]...)
	case p.OnDemandView(name) != nil:
		*m = append(*m, p.OnDemandView(name).Hash[:]...)
	}
}

func (p *Project) hashService(s *Service) codec.Hash {
	m := newMeaning(kindFeatureService)
	m.number(int64(len(s.Roles)))
	for _, r := range s.Roles {
		m.text(r.Prefix)
		m.text(r.View)
		m.number(int64(len(r.Keys)))
		for _, k := range r.Keys {
			m.text(k)
		}
		m.view(p, r.View)
	}
	m.number(int64(len(s.Columns)))
	for _, c := range s.Columns {
		m.text(c.Name)
		m.text(c.Ref.View)
		m.text(c.Ref.Feature)
		m.number(int64(c.Role))
		m.typ(c.Type)
		m.view(p, c.Ref.View)
	}
	m.length(s.MaxAge)
	m.number(int64(s.OnStale))
	return m.sum()
}

// hash gives every view and service its semantic hash; the lists are sorted.
func (p *Project) hash() {
	for _, v := range p.StreamViews {
		v.Hash = hashStreamView(v)
	}
	for _, v := range p.BatchViews {
		v.Hash = hashBatchView(v)
	}
	for _, v := range p.OnDemandViews {
		v.Hash = p.hashOnDemandView(v)
	}
	for _, s := range p.Services {
		s.Hash = p.hashService(s)
	}
}
