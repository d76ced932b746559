package skew

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/pit"
)

// Schema names what logged rows hold. It is shared by rows.
type Schema struct {
	Entities []string
	Request  []string
	Columns  []string
	Roles    []Role
}

// Role is one use of a view. Sources are the names behind the source indexes of
// applied lists.
type Role struct {
	Prefix  string
	View    string
	Sources []string
}

// Row is one row of a logged lookup; its slices are parallel to the schema's.
type Row struct {
	Schema    *Schema
	RequestID string
	Number    int64 // of the row within its request
	Revision  int64
	ReadTime  featurestore.Instant
	AsOf      bool // the read time was given, not the clock's

	Entities []featurestore.Value
	Request  []featurestore.Value
	Cells    []featurestore.Cell
	States   []State
}

// State is what one role of the row was read from.
type State struct {
	Applied      featurestore.Applied
	Run          string
	Watermark    featurestore.Instant
	HasWatermark bool
}

// Record is a logged row as a join of mode exact takes it: keys and request data
// parallel to the service's.
type Record struct {
	pit.ExactRow
	Keys    []featurestore.Value
	Request []featurestore.Value
}

// Binding finds the parts of a service in the rows of one schema: by name, since
// a log outlives the order in which a service names things.
type Binding struct {
	entities, request, columns, roles []int
	sources                           [][]int // a role, a source of the schema: its index in the view
}

// Bind binds a schema to a service of a project. An error of kind ErrInvalid says
// what the rows do not hold.
func Bind(p *definition.Project, s *definition.Service, schema *Schema) (*Binding, error) {
	b := &Binding{}
	missing := func(what, name string) error {
		return featurestore.Invalidf("the logged rows of service %s have no %s %q: they were logged under another definition", s.Name, what, name)
	}
	for _, f := range s.Entities {
		i := slices.Index(schema.Entities, f.Name)
		if i < 0 {
			return nil, missing("entity column", f.Name)
		}
		b.entities = append(b.entities, i)
	}
	for _, f := range s.Request {
		i := slices.Index(schema.Request, f.Name)
		if i < 0 {
			return nil, missing("request data", f.Name)
		}
		b.request = append(b.request, i)
	}
	for _, c := range s.Columns {
		b.columns = append(b.columns, slices.Index(schema.Columns, c.Name))
	}
	for _, r := range s.Roles {
		i := slices.IndexFunc(schema.Roles, func(x Role) bool { return x.Prefix == r.Prefix && x.View == r.View })
		if i < 0 {
			return nil, missing("role", r.Prefix)
		}
		b.roles = append(b.roles, i)
		sources, err := sourcesOf(p, r.View, schema.Roles[i].Sources)
		if err != nil {
			return nil, err
		}
		b.sources = append(b.sources, sources)
	}
	return b, nil
}

// sourcesOf gives the indexes of logged sources among those of a view.
func sourcesOf(p *definition.Project, view string, names []string) ([]int, error) {
	v := p.StreamView(view)
	if v == nil {
		return nil, nil
	}
	var out []int
	for _, name := range names {
		i := slices.IndexFunc(v.Bindings, func(x definition.Binding) bool { return x.Source.Name == name })
		if i < 0 {
			return nil, featurestore.Invalidf("view %s has no source %q, from which logged values came: they were logged under another definition", view, name)
		}
		out = append(out, i)
	}
	return out, nil
}

// Record gives a row of the bound schema as the join takes it.
func (b *Binding) Record(r *Row) Record {
	rec := Record{ExactRow: pit.ExactRow{ReadTime: r.ReadTime, Applied: make([]featurestore.Applied, len(b.roles)), Runs: make([]string, len(b.roles))}}
	for _, i := range b.entities {
		rec.Keys = append(rec.Keys, r.Entities[i])
	}
	for _, i := range b.request {
		rec.Request = append(rec.Request, r.Request[i])
	}
	for k, i := range b.roles {
		rec.Runs[k] = r.States[i].Run
		rec.Applied[k] = b.applied(k, r.States[i].Applied)
	}
	return rec
}

// applied gives a list with the view's source indexes, in their order.
func (b *Binding) applied(role int, list featurestore.Applied) featurestore.Applied {
	out := slices.Clone(list)
	for i := range out {
		out[i].Source = uint16(b.sources[role][out[i].Source])
	}
	slices.SortFunc(out, func(x, y featurestore.AppliedEntry) int { return x.PartitionID.Compare(y.PartitionID) })
	return out
}
