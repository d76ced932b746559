package pit

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/ondemand"
)

// output collects the cells of a join. Cells come in the order of entities and
// stand in the order of the spine.
type output struct {
	r          *Request
	rows       int
	roles      []roleOutput // parallel to the service's roles
	incomplete []bool
	misses     int
}

// roleOutput holds the wanted features of one role.
type roleOutput struct {
	view     any      // *definition.StreamView or *definition.BatchView
	features []string // of the view, in its order
	cells    []*Column
	times    frame.Column
}

func newOutput(r *Request) (*output, error) {
	o := &output{r: r, rows: len(r.Spine.Time), roles: make([]roleOutput, len(r.Service.Roles))}
	if r.Mode == Exact {
		if len(r.Exact) != o.rows {
			return nil, featurestore.Invalidf("mode exact needs a recorded lookup for each of the %d spine rows, got %d", o.rows, len(r.Exact))
		}
		o.incomplete = make([]bool, o.rows)
	}
	for i, role := range r.Service.Roles {
		view, features := findView(r.Project, role.View)
		if view == nil {
			return nil, featurestore.NotFoundf("service %s: no view %q", r.Service.Name, role.View)
		}
		times := frame.Column{Field: frame.Field{Name: role.Prefix, Type: featurestore.Timestamp}}
		times.Resize(o.rows)
		o.roles[i] = roleOutput{view: view, features: features, cells: make([]*Column, len(features)), times: times}
	}
	return o, o.want()
}

// want makes columns for the features that the service shows or computes from.
func (o *output) want() error {
	for _, c := range o.r.Service.Columns {
		if c.Role >= 0 {
			if err := o.add(c.Role, c.Ref, c.Type); err != nil {
				return err
			}
		}
	}
	for _, v := range o.r.Service.OnDemand {
		for _, in := range v.Inputs {
			role, err := o.baseRole(in.Ref)
			if err != nil {
				return err
			}
			if err := o.add(role, in.Ref, in.Type); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *output) add(role int, ref definition.FeatureRef, t featurestore.Type) error {
	i := slices.Index(o.roles[role].features, ref.Feature)
	if i < 0 {
		return featurestore.NotFoundf("view %s has no feature %q", ref.View, ref.Feature)
	}
	if o.roles[role].cells[i] == nil {
		o.roles[role].cells[i] = newColumn(ref.Feature, t, o.rows)
	}
	return nil
}

func newColumn(name string, t featurestore.Type, rows int) *Column {
	c := &Column{Column: frame.Column{Field: frame.Field{Name: name, Type: t, Native: t.String()}}, Status: make([]featurestore.Status, rows)}
	c.Resize(rows)
	return c
}

// baseRole is the role that on-demand inputs mean: the view under its own name.
func (o *output) baseRole(ref definition.FeatureRef) (int, error) {
	for i, role := range o.r.Service.Roles {
		if role.View == ref.View && role.Prefix == ref.View {
			return i, nil
		}
	}
	return 0, featurestore.NotFoundf("service %s does not read view %q, an input of an on-demand view", o.r.Service.Name, ref.View)
}

// views are the stored views of the service, each once.
func (o *output) views() []any {
	var out []any
	for i := range o.roles {
		if !slices.Contains(out, o.roles[i].view) {
			out = append(out, o.roles[i].view)
		}
	}
	return out
}

// set writes the cells of one role of one row, the view's features in order.
func (o *output) set(role, row int, cells []featurestore.Cell, newest featurestore.EventTime, seen bool) {
	r := &o.roles[role]
	for i, c := range r.cells {
		if c != nil {
			c.Column.Set(row, cells[i].Value)
			c.Status[row] = cells[i].Status
		}
	}
	if seen {
		r.times.Set(row, featurestore.TimestampValue(featurestore.Instant(newest)))
	}
}

// setInvalid marks the cells of a row whose key has a null.
func (o *output) setInvalid(role, row int) {
	for _, c := range o.roles[role].cells {
		if c != nil {
			c.Status[row] = featurestore.InvalidKey
		}
	}
}

func (o *output) miss(row int) {
	o.misses++
	o.incomplete[row] = true
}

// result computes the on-demand views and puts the columns in order.
func (o *output) result() (*Result, error) {
	computed, err := o.compute()
	if err != nil {
		return nil, err
	}
	out := &Result{Incomplete: o.misses, IncompleteRows: o.incomplete}
	for _, c := range o.r.Service.Columns {
		var from *Column
		if c.Role >= 0 {
			i := slices.Index(o.roles[c.Role].features, c.Ref.Feature)
			from = o.roles[c.Role].cells[i]
		} else if from = computed[c.Ref]; from == nil {
			return nil, featurestore.NotFoundf("service %s: no on-demand feature %s.%s", o.r.Service.Name, c.Ref.View, c.Ref.Feature)
		}
		column := *from
		column.Name = c.Name
		out.Columns = append(out.Columns, column)
	}
	for i := range o.roles {
		out.EventTimes = append(out.EventTimes, RoleTimes{Prefix: o.r.Service.Roles[i].Prefix, Times: o.roles[i].times})
	}
	return out, nil
}

// compute evaluates every on-demand view of the service for every row.
func (o *output) compute() (map[definition.FeatureRef]*Column, error) {
	out := map[definition.FeatureRef]*Column{}
	for _, v := range o.r.Service.OnDemand {
		inputs, request, err := o.operands(v)
		if err != nil {
			return nil, err
		}
		columns := make([]*Column, len(v.Features))
		for i, f := range v.Features {
			columns[i] = newColumn(f.Name, f.Type, o.rows)
			out[definition.FeatureRef{View: v.Name, Feature: f.Name}] = columns[i]
		}
		var scratch []featurestore.Value
		cells, values, results := make([]featurestore.Cell, len(inputs)), make([]featurestore.Value, len(request)), make([]featurestore.Cell, len(columns))
		for row := range o.rows {
			for i, c := range inputs {
				cells[i] = featurestore.Cell{Value: c.Value(row), Status: c.Status[row]}
			}
			for i, c := range request {
				values[i] = c.Value(row)
			}
			scratch = ondemand.Eval(v, cells, values, scratch, results)
			for i, c := range columns {
				c.Column.Set(row, results[i].Value)
				c.Status[row] = results[i].Status
			}
		}
	}
	return out, nil
}

// operands are the columns that a view computes from.
func (o *output) operands(v *definition.OnDemandView) (inputs []*Column, request []*frame.Column, err error) {
	for _, in := range v.Inputs {
		role, err := o.baseRole(in.Ref)
		if err != nil {
			return nil, nil, err
		}
		inputs = append(inputs, o.roles[role].cells[slices.Index(o.roles[role].features, in.Ref.Feature)])
	}
	for _, f := range v.Request {
		c := o.r.Spine.Request[f.Name]
		if c == nil {
			return nil, nil, featurestore.Invalidf("on-demand view %s needs the column %q (%s) in the spine", v.Name, f.Name, f.Type)
		}
		request = append(request, c)
	}
	return inputs, request, nil
}
