package skew

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// group is the rows of one revision while they are compared.
type group struct {
	project  *definition.Project
	service  *definition.Service
	bindings map[*Schema]*Binding
	columns  []columnInfo // parallel to the service's columns
	examples int          // of a feature
}

// columnInfo is what a comparison needs to know of a column.
type columnInfo struct {
	roles    []int // of the service, that it is made from
	stream   int   // the role whose staleness touches it; -1 for none
	fallback featurestore.Value
}

func newGroup(p *definition.Project, s *definition.Service, examples int) *group {
	g := &group{project: p, service: s, examples: examples, bindings: map[*Schema]*Binding{}}
	for _, c := range s.Columns {
		g.columns = append(g.columns, g.infoOf(c))
	}
	return g
}

func (g *group) infoOf(c definition.ServiceColumn) columnInfo {
	info := columnInfo{stream: -1}
	if c.Role < 0 {
		for _, in := range g.project.OnDemandView(c.Ref.View).Inputs {
			base := func(r definition.Role) bool { return r.View == in.Ref.View && r.Prefix == in.Ref.View }
			if i := slices.IndexFunc(g.service.Roles, base); i >= 0 && !slices.Contains(info.roles, i) {
				info.roles = append(info.roles, i)
			}
		}
		return info
	}
	info.roles = []int{c.Role}
	if v := g.project.StreamView(g.service.Roles[c.Role].View); v != nil {
		info.stream = c.Role
		for i := range v.Features {
			if v.Features[i].Name == c.Ref.Feature {
				info.fallback = v.Features[i].Default
			}
		}
	}
	return info
}

func (g *group) binding(s *Schema) (*Binding, error) {
	if b := g.bindings[s]; b != nil {
		return b, nil
	}
	b, err := Bind(g.project, g.service, s)
	if err != nil {
		return nil, err
	}
	g.bindings[s] = b
	return b, nil
}

// compare judges one cell. The recomputed one is what history says; what serving
// makes of a stale view is applied to it first.
func (g *group) compare(f *Feature, column int, r *Row, recomputed featurestore.Cell, incomplete bool) {
	b := g.bindings[r.Schema]
	at := b.columns[column]
	if at < 0 {
		return // the revision's rows do not hold it: nothing was served
	}
	f.Rows++
	if incomplete {
		f.Incomplete++
		return
	}
	served := r.Cells[at]
	expected, defaulted := recomputed, false
	if g.stale(column, b, r) {
		if g.service.OnStale == definition.StaleDefault && !expected.Status.HidesDefault() {
			expected.Value, defaulted = g.columns[column].fallback, true
		}
		expected.Status = min(expected.Status, featurestore.Stale)
	}
	switch {
	case served.Status == expected.Status && served.Value.Equal(expected.Value):
		if defaulted {
			f.Defaulted++
			return
		}
		f.Matches++
		if served.Status == featurestore.Stale {
			f.Stale++
		}
	case unserved(served.Status) || g.inputUnserved(column, b, r):
		f.unserved(served.Status)
	default:
		f.Mismatches++
		if len(f.Examples) < g.examples {
			f.Examples = append(f.Examples, g.example(f, r, served, expected))
		}
	}
}

// stale works out whether the view behind a column was stale, as serving does.
func (g *group) stale(column int, b *Binding, r *Row) bool {
	role := g.columns[column].stream
	if role < 0 || g.service.MaxAge == 0 || r.AsOf {
		return false
	}
	s := &r.States[b.roles[role]]
	return !s.HasWatermark || featurestore.Duration(r.ReadTime-s.Watermark) > g.service.MaxAge
}

// unserved reports whether serving says that it did not look at the state.
func unserved(s featurestore.Status) bool {
	return s == featurestore.Rebuilding || s == featurestore.TooOld || s == featurestore.StatusError
}

// inputUnserved reports whether an on-demand value was made from a view that
// serving did not look at, as far as the row's other columns show it.
func (g *group) inputUnserved(column int, b *Binding, r *Row) bool {
	if g.service.Columns[column].Role >= 0 {
		return false
	}
	for c, other := range g.service.Columns {
		if at := b.columns[c]; at >= 0 && slices.Contains(g.columns[column].roles, other.Role) && unserved(r.Cells[at].Status) {
			return true
		}
	}
	return false
}
