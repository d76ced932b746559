package service

import (
	"fmt"
	"slices"
	"sync"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/latest"
)

// Compiled is the plan of one service: immutable, safe for concurrent use.
type Compiled struct {
	Name     string
	Spec     *definition.Service
	Entities []definition.Field // columns of Request.Entities
	Inputs   []definition.Field // columns of Request.Inputs

	roles    []role
	onDemand []onDemand
	columns  []column
	home     *home
}

// role is one stored view that is read, under one set of keys. Exactly one of
// stream and batch is set.
type role struct {
	definition.Role
	stream     *definition.StreamView
	batch      *definition.BatchView
	keys       []int // indexes into Entities
	types      []featurestore.Type
	batchTypes []featurestore.Type
	width      int // features of the view
	sources    []string
	scratch    *sync.Pool // of *window.Scratch; only of a stream view
}

// onDemand is a view that is computed at the end; its row is inputs, then
// request data.
type onDemand struct {
	view    *definition.OnDemandView
	inputs  []cellRef
	request []int // indexes into Inputs
}

// cellRef points at a feature of a role.
type cellRef struct{ role, feature int }

// column is a column of the answer: of a role, or of an on-demand view.
type column struct {
	definition.ServiceColumn
	role, onDemand int // the other is -1
	feature        int
	fallback       featurestore.Value // the declared default
	stream         bool
}

func (c *Catalog) compile(s *definition.Service) (*Compiled, error) {
	p := &Compiled{Name: s.Name, Spec: s, Entities: s.Entities, Inputs: s.Request, home: c.home}
	for _, r := range s.Roles {
		compiled, err := c.compileRole(s, r)
		if err != nil {
			return nil, err
		}
		p.roles = append(p.roles, compiled)
	}
	for _, o := range s.OnDemand {
		compiled, err := p.compileOnDemand(o)
		if err != nil {
			return nil, err
		}
		p.onDemand = append(p.onDemand, compiled)
	}
	for _, col := range s.Columns {
		compiled, err := p.compileColumn(col)
		if err != nil {
			return nil, err
		}
		p.columns = append(p.columns, compiled)
	}
	return p, nil
}

func (c *Catalog) compileRole(s *definition.Service, r definition.Role) (role, error) {
	out := role{Role: r}
	var entity *definition.Entity
	if v := c.Project.StreamView(r.View); v != nil {
		out.stream, entity, out.width = v, v.Entity, len(v.Features)
		out.scratch = c.scratch[v]
		for _, b := range v.Bindings {
			out.sources = append(out.sources, b.Source.Name)
		}
	} else if v := c.Project.BatchView(r.View); v != nil {
		out.batch, entity, out.width = v, v.Entity, len(v.Features)
		out.batchTypes = latest.StoredTypes(v)
	} else {
		return role{}, fmt.Errorf("service %q: role %q names no stored view %q", s.Name, r.Prefix, r.View)
	}
	for i, name := range r.Keys {
		at := slices.IndexFunc(s.Entities, func(f definition.Field) bool { return f.Name == name })
		if at < 0 {
			return role{}, fmt.Errorf("service %q: role %q takes its key from %q, which is no entity column", s.Name, r.Prefix, name)
		}
		out.keys = append(out.keys, at)
		out.types = append(out.types, entity.Keys[i].Type)
	}
	return out, nil
}

// baseRole is the base use of a view: on-demand inputs always mean it.
func (p *Compiled) baseRole(view string) int {
	return slices.IndexFunc(p.roles, func(r role) bool { return r.View == view && r.Prefix == view })
}

func (p *Compiled) compileOnDemand(v *definition.OnDemandView) (onDemand, error) {
	out := onDemand{view: v}
	for _, in := range v.Inputs {
		at := p.baseRole(in.Ref.View)
		if at < 0 {
			return onDemand{}, fmt.Errorf("service %q: on-demand view %q reads %q, which is not among its roles", p.Name, v.Name, in.Ref.View)
		}
		feature := p.roles[at].feature(in.Ref.Feature)
		if feature < 0 {
			return onDemand{}, fmt.Errorf("service %q: view %q has no feature %q", p.Name, in.Ref.View, in.Ref.Feature)
		}
		out.inputs = append(out.inputs, cellRef{at, feature})
	}
	for _, f := range v.Request {
		at := slices.IndexFunc(p.Inputs, func(i definition.Field) bool { return i.Name == f.Name })
		if at < 0 {
			return onDemand{}, fmt.Errorf("service %q: request data %q is not declared", p.Name, f.Name)
		}
		out.request = append(out.request, at)
	}
	return out, nil
}

func (p *Compiled) compileColumn(c definition.ServiceColumn) (column, error) {
	out := column{ServiceColumn: c, role: c.Role, onDemand: -1}
	if c.Role >= 0 {
		r := &p.roles[c.Role]
		out.feature = r.feature(c.Ref.Feature)
		out.stream = r.stream != nil
		if out.feature >= 0 {
			out.fallback = r.defaultOf(out.feature)
		}
	} else {
		out.onDemand = slices.IndexFunc(p.onDemand, func(o onDemand) bool { return o.view.Name == c.Ref.View })
		out.feature = -1
		if out.onDemand >= 0 {
			out.feature = slices.IndexFunc(p.onDemand[out.onDemand].view.Features, func(f definition.OnDemandFeature) bool { return f.Name == c.Ref.Feature })
		}
	}
	if out.feature < 0 {
		return column{}, fmt.Errorf("service %q: column %q names no feature %s.%s", p.Name, c.Name, c.Ref.View, c.Ref.Feature)
	}
	return out, nil
}

func (r *role) feature(name string) int {
	if r.stream != nil {
		for i := range r.stream.Features {
			if r.stream.Features[i].Name == name {
				return i
			}
		}
		return -1
	}
	for i := range r.batch.Features {
		if r.batch.Features[i].Name == name {
			return i
		}
	}
	return -1
}

func (r *role) defaultOf(feature int) featurestore.Value {
	if r.stream != nil {
		return r.stream.Features[feature].Default
	}
	return r.batch.Features[feature].Default
}
