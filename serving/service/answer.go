package service

import (
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/ondemand"
)

// StaleError refuses a whole request whose service says on_stale: fail.
type StaleError struct {
	View string
	Age  featurestore.Duration
	Max  featurestore.Duration
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("view %q is %s behind, the service allows %s (on_stale: fail)", e.View, e.Age.Std(), e.Max)
}

// Unwrap makes it an ErrUnavailable.
func (e *StaleError) Unwrap() error { return featurestore.ErrUnavailable }

// evaluate computes every on-demand view: per view, row-major.
func (l *lookup) evaluate() [][]featurestore.Cell {
	out := make([][]featurestore.Cell, len(l.plan.onDemand))
	var inputs []featurestore.Cell
	var request, scratch []featurestore.Value
	for i := range l.plan.onDemand {
		o := &l.plan.onDemand[i]
		width := len(o.view.Features)
		out[i] = make([]featurestore.Cell, l.req.Rows*width)
		for row := range l.req.Rows {
			inputs, request = inputs[:0], request[:0]
			for _, in := range o.inputs {
				inputs = append(inputs, l.cells[in.role][row*l.plan.roles[in.role].width+in.feature])
			}
			for _, at := range o.request {
				request = append(request, l.req.Inputs[at][row])
			}
			scratch = ondemand.Eval(o.view, inputs, request, scratch, out[i][row*width:(row+1)*width])
		}
	}
	return out
}

// columns arranges the cells in the order asked for and marks what is stale.
func (l *lookup) columns(onDemand [][]featurestore.Cell) ([]Column, error) {
	out := make([]Column, len(l.plan.columns))
	cells := make([]featurestore.Cell, len(out)*l.req.Rows)
	for i := range out {
		c := &l.plan.columns[i]
		out[i] = Column{Name: c.Name, Type: c.Type, Cells: cells[i*l.req.Rows : (i+1)*l.req.Rows]}
		from, width := l.source(c, onDemand)
		for row := range l.req.Rows {
			out[i].Cells[row] = from[row*width+c.feature]
		}
		if err := l.markStale(c, out[i].Cells); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (l *lookup) source(c *column, onDemand [][]featurestore.Cell) (cells []featurestore.Cell, width int) {
	if c.role >= 0 {
		return l.cells[c.role], l.plan.roles[c.role].width
	}
	return onDemand[c.onDemand], len(l.plan.onDemand[c.onDemand].view.Features)
}

// markStale applies the service's freshness to a column of a stream view.
// STALE takes the place of weaker statuses only; on_stale acts on the fact,
// also where a stronger status hides it.
func (l *lookup) markStale(c *column, cells []featurestore.Cell) error {
	spec := l.plan.Spec
	if !c.stream || spec.MaxAge == 0 || l.req.AsOf != nil {
		return nil
	}
	g := l.gens[c.role]
	for row := range cells {
		age := featurestore.Duration(l.times[row] - g.Watermark)
		if !g.Ready || g.HasWatermark && age <= spec.MaxAge {
			continue
		}
		switch spec.OnStale {
		case definition.StaleFail:
			return &StaleError{View: l.plan.roles[c.role].View, Age: age, Max: spec.MaxAge}
		case definition.StaleDefault:
			if !cells[row].Status.HidesDefault() {
				cells[row].Value = c.fallback
			}
		}
		if cells[row].Status > featurestore.Stale {
			cells[row].Status = featurestore.Stale
		}
	}
	return nil
}
