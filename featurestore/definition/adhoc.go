package definition

import (
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
)

// AdHoc is a service without a name for a list of references, "view.feature" or
// "view.*": what a lookup or a training set may ask for without declaring a
// service. Names that do not exist are ErrNotFound.
func (p *Project) AdHoc(refs []string) (*Service, error) {
	s := &Service{}
	for _, ref := range refs {
		view, feature, ok := strings.Cut(strings.TrimSpace(ref), ".")
		if !ok {
			return nil, featurestore.NotFoundf("%q is no reference: write view.feature or view.*", ref)
		}
		if err := p.addRef(s, view, feature); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (p *Project) addRef(s *Service, view, feature string) error {
	columns, role, err := p.useView(s, view)
	if err != nil {
		return err
	}
	found := false
	for _, f := range columns {
		if feature != "*" && feature != f.Name {
			continue
		}
		found = true
		name := featurestore.ColumnName(view, f.Name)
		if slices.ContainsFunc(s.Columns, func(c ServiceColumn) bool { return c.Name == name }) {
			continue
		}
		s.Columns = append(s.Columns, ServiceColumn{Name: name, Ref: FeatureRef{View: view, Feature: f.Name}, Role: role, Type: f.Type})
	}
	if !found {
		return featurestore.NotFoundf("view %q has no feature %q; it has %s", view, feature, strings.Join(names(columns), ", "))
	}
	return nil
}

// useView adds what a view needs to a service and gives its columns and role.
func (p *Project) useView(s *Service, view string) (columns []Field, role int, err error) {
	if v := p.OnDemandView(view); v != nil {
		for _, f := range v.Features {
			columns = append(columns, Field{Name: f.Name, Type: f.Type})
		}
		if slices.Contains(s.OnDemand, v) {
			return columns, -1, nil
		}
		s.OnDemand = append(s.OnDemand, v)
		for _, in := range v.Inputs {
			if _, _, err := p.useView(s, in.Ref.View); err != nil {
				return nil, 0, err
			}
		}
		s.Request, err = merge(s.Request, v.Request)
		return columns, -1, err
	}
	switch v := p.StreamView(view); {
	case v != nil:
		for i := range v.Features {
			columns = append(columns, Field{Name: v.Features[i].Name, Type: v.Features[i].Type})
		}
	case p.BatchView(view) != nil:
		for _, f := range p.BatchView(view).Features {
			columns = append(columns, Field{Name: f.Name, Type: f.Type})
		}
	default:
		return nil, 0, featurestore.NotFoundf("there is no view %q", view)
	}
	if at := slices.IndexFunc(s.Roles, func(r Role) bool { return r.View == view }); at >= 0 {
		return columns, at, nil
	}
	keys := p.EntityOf(view).Keys
	s.Roles = append(s.Roles, Role{Prefix: view, View: view, Keys: names(keys)})
	s.Entities, err = merge(s.Entities, keys)
	return columns, len(s.Roles) - 1, err
}

// merge adds fields by name; one name under two types cannot be asked for at once.
func merge(have, add []Field) ([]Field, error) {
	for _, f := range add {
		switch at := fieldIndex(have, f.Name); {
		case at < 0:
			have = append(have, f)
		case !have[at].Type.Equal(f.Type):
			return nil, featurestore.Invalidf("%q would be both %s and %s: ask for the features separately", f.Name, have[at].Type, f.Type)
		}
	}
	return have, nil
}
