package pit

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/transforms/expr"
)

// BatchEvaluator evaluates a batch view's programs over the fields of its source:
// its latest values, in the order of their features, then the inputs of its
// aggregates.
type BatchEvaluator struct {
	keys, values []*expr.Program
}

// NewBatchEvaluator is an evaluator of a view.
func NewBatchEvaluator(v *definition.BatchView) *BatchEvaluator {
	e := &BatchEvaluator{keys: v.Keys}
	for i := range v.Features {
		if p := v.Features[i].Expr; p != nil {
			e.values = append(e.values, p)
		}
	}
	e.values = append(e.values, v.Inputs...)
	return e
}

// Fields are the indexes of the source's fields that the view reads, ascending.
func (e *BatchEvaluator) Fields() []int {
	out := []int{}
	for _, programs := range [][]*expr.Program{e.keys, e.values} {
		for _, p := range programs {
			out = append(out, p.Slots()...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Columns are what Values writes, as columns of a sort.
func (e *BatchEvaluator) Columns() []frame.Field {
	out := make([]frame.Field, len(e.values))
	for i, p := range e.values {
		out[i] = frame.Field{Name: "value", Type: p.Type()}
	}
	return out
}

// Keys writes the entity's keys; a program that fails gives null.
func (e *BatchEvaluator) Keys(fields, out []featurestore.Value) {
	for i, p := range e.keys {
		out[i] = evalOrNull(p, fields)
	}
}

// Values writes the values; a program that fails gives null.
func (e *BatchEvaluator) Values(fields, out []featurestore.Value) {
	for i, p := range e.values {
		out[i] = evalOrNull(p, fields)
	}
}
