package definition

import (
	"cmp"
	"slices"
)

// The definitions by name; nil where there is none.

// Entity gives an entity.
func (p *Project) Entity(name string) *Entity { return named(p.Entities, name) }

// StreamSource gives a stream source.
func (p *Project) StreamSource(name string) *StreamSource { return named(p.StreamSources, name) }

// BatchSource gives a batch source.
func (p *Project) BatchSource(name string) *BatchSource { return named(p.BatchSources, name) }

// StreamView gives a stream view.
func (p *Project) StreamView(name string) *StreamView { return named(p.StreamViews, name) }

// BatchView gives a batch view.
func (p *Project) BatchView(name string) *BatchView { return named(p.BatchViews, name) }

// OnDemandView gives an on-demand view.
func (p *Project) OnDemandView(name string) *OnDemandView { return named(p.OnDemandViews, name) }

// Service gives a feature service.
func (p *Project) Service(name string) *Service { return named(p.Services, name) }

// Test gives a test.
func (p *Project) Test(name string) *Test { return named(p.Tests, name) }

// EntityOf gives the entity of a stored view, nil for any other name.
func (p *Project) EntityOf(view string) *Entity {
	if v := p.StreamView(view); v != nil {
		return v.Entity
	}
	if v := p.BatchView(view); v != nil {
		return v.Entity
	}
	return nil
}

// definitionName is what every definition has through its Meta.
func (m *Meta) definitionName() string { return m.Name }

type nameable interface{ definitionName() string }

// named searches a list that ascends by name.
func named[T interface {
	nameable
	comparable
}](all []T, name string) (none T) {
	i, found := slices.BinarySearchFunc(all, name, func(d T, name string) int { return cmp.Compare(d.definitionName(), name) })
	if !found {
		return none
	}
	return all[i]
}

func sortNamed[T nameable](all []T) {
	slices.SortFunc(all, func(a, b T) int { return cmp.Compare(a.definitionName(), b.definitionName()) })
}

func (p *Project) sort() {
	sortNamed(p.Entities)
	sortNamed(p.StreamSources)
	sortNamed(p.BatchSources)
	sortNamed(p.StreamViews)
	sortNamed(p.BatchViews)
	sortNamed(p.OnDemandViews)
	sortNamed(p.Services)
	sortNamed(p.Tests)
}
