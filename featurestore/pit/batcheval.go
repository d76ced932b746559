package pit

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// BatchEvaluator evaluates a batch view's programs over the fields of its source.
type BatchEvaluator struct {
	v *definition.BatchView
}

// NewBatchEvaluator is an evaluator of a view.
func NewBatchEvaluator(v *definition.BatchView) *BatchEvaluator { return &BatchEvaluator{v: v} }

// Fields are the indexes of the source's fields that the view reads, ascending.
func (e *BatchEvaluator) Fields() []int {
	used := make([]bool, len(e.v.Source.Fields))
	for _, p := range e.v.Keys {
		mark(used, p.Slots())
	}
	for i := range e.v.Features {
		mark(used, e.v.Features[i].Expr.Slots())
	}
	out := []int{}
	for i, u := range used {
		if u {
			out = append(out, i)
		}
	}
	return out
}

func mark(used []bool, slots []int) {
	for _, s := range slots {
		used[s] = true
	}
}

// Keys writes the entity's keys; a program that fails gives null.
func (e *BatchEvaluator) Keys(fields, out []featurestore.Value) {
	for i, p := range e.v.Keys {
		out[i] = evalOrNull(p, fields)
	}
}

// Values writes the features; a program that fails gives null.
func (e *BatchEvaluator) Values(fields, out []featurestore.Value) {
	for i := range e.v.Features {
		out[i] = evalOrNull(e.v.Features[i].Expr, fields)
	}
}
