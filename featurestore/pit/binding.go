package pit

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/transforms/expr"
)

// evaluator turns the events of one binding into rows of the view.
type evaluator struct {
	b      *definition.Binding
	inputs []featurestore.Value // scratch
}

func newEvaluator(b *definition.Binding) *evaluator {
	return &evaluator{b: b, inputs: make([]featurestore.Value, len(b.Inputs))}
}

// fields are the indexes of the source's fields that the view reads.
func (e *evaluator) fields() []int {
	out := []int{}
	for _, programs := range [][]*expr.Program{{e.b.Source.Where, e.b.Where}, e.b.Keys, e.b.Inputs} {
		for _, p := range programs {
			if p != nil {
				out = append(out, p.Slots()...)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// keeps reports whether the event passes the source's and the view's where: a
// where that is null, or fails, is false.
func (e *evaluator) keeps(fields []featurestore.Value) bool {
	for _, where := range []*expr.Program{e.b.Source.Where, e.b.Where} {
		if where == nil {
			continue
		}
		if v, failed := where.Eval(fields); failed || !v.Bool() {
			return false
		}
	}
	return true
}

// keys writes the entity's keys into out.
func (e *evaluator) keys(fields, out []featurestore.Value) {
	for i, p := range e.b.Keys {
		out[i] = evalOrNull(p, fields)
	}
}

// row evaluates the inputs of the aggregates; the slice is valid until the next
// call.
func (e *evaluator) row(fields []featurestore.Value) []featurestore.Value {
	for i, p := range e.b.Inputs {
		e.inputs[i] = evalOrNull(p, fields)
	}
	return e.inputs
}

func evalOrNull(p *expr.Program, row []featurestore.Value) featurestore.Value {
	v, failed := p.Eval(row)
	if failed {
		return featurestore.Null
	}
	return v
}
