package pit

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/ondemand"
)

// LatestRow is the row of a batch view that stands for an entity at an instant;
// its values are in the order of the view's features.
type LatestRow struct {
	Time   featurestore.EventTime
	Values []featurestore.Value
}

// BatchCells gives the values of a batch view at t from the entity's row, nil
// where there is none: NOT_FOUND without a row, EXPIRED past the ttl, EMPTY for a
// null, with defaults applied. Lookups and training sets share it.
func BatchCells(v *definition.BatchView, row *LatestRow, t featurestore.Instant, out []featurestore.Cell) {
	expired := row != nil && v.TTL > 0 && int64(row.Time) < int64(t)-int64(v.TTL)
	for i := range v.Features {
		c := featurestore.Cell{Status: featurestore.NotFound}
		switch {
		case row == nil:
		case expired:
			c.Status = featurestore.Expired
		case row.Values[i].IsNull():
			c.Status = featurestore.Empty
		default:
			c = featurestore.Cell{Value: row.Values[i], Status: featurestore.Present}
		}
		out[i] = ondemand.WithDefault(c, v.Features[i].Default)
	}
}

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
