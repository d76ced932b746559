package pit

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// findView gives a stored view of a project with the names of its features in
// order; nil where there is none.
func findView(p *definition.Project, name string) (view any, features []string) {
	for _, v := range p.StreamViews {
		if v.Name == name {
			for i := range v.Features {
				features = append(features, v.Features[i].Name)
			}
			return v, features
		}
	}
	for _, v := range p.BatchViews {
		if v.Name == name {
			for i := range v.Features {
				features = append(features, v.Features[i].Name)
			}
			return v, features
		}
	}
	return nil, nil
}

func meta(view any) *definition.Meta {
	if v, ok := view.(*definition.StreamView); ok {
		return &v.Meta
	}
	return &view.(*definition.BatchView).Meta
}

// keyTypes are the types of an entity's keys.
func keyTypes(e *definition.Entity) []featurestore.Type {
	out := make([]featurestore.Type, len(e.Keys))
	for i, k := range e.Keys {
		out[i] = k.Type
	}
	return out
}
