// Package latest reads what a run made of an entity of a batch view: one rule for
// lookups and training sets.
package latest

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/ondemand"
)

// Row is what a run made of an entity: Time is that of the greatest row that it
// saw, Values are the view's features in order, then the status of each of its
// aggregates (its number).
type Row struct {
	Time   featurestore.EventTime
	Values []featurestore.Value
}

// Types are the types of a row's values.
func Types(v *definition.BatchView) []featurestore.Type {
	out := make([]featurestore.Type, 0, len(v.Features)+len(v.Aggregates))
	for i := range v.Features {
		out = append(out, v.Features[i].Type)
	}
	for range v.Aggregates {
		out = append(out, featurestore.Int64)
	}
	return out
}

// Cells fills out with the view's features at t. A nil row is NOT_FOUND; a row
// at or after t counts as none. Aggregates are as the run left them; past the
// view's ttl latest values are EXPIRED, and a null among them is EMPTY. Declared
// defaults replace null last.
func Cells(v *definition.BatchView, row *Row, t featurestore.Instant, out []featurestore.Cell) {
	status := featurestore.Present
	switch {
	case row == nil || int64(row.Time) >= int64(t):
		status = featurestore.NotFound
	case v.TTL > 0 && int64(row.Time) < int64(t)-int64(v.TTL):
		status = featurestore.Expired
	}
	for i := range out {
		f := &v.Features[i]
		c := featurestore.Cell{Status: status}
		switch {
		case f.Expr == nil && status == featurestore.NotFound:
			c.Value = f.Empty
		case f.Expr == nil:
			c = featurestore.Cell{Value: row.Values[i], Status: featurestore.Status(row.Values[len(out)+f.Aggregate].Int64())}
		case status == featurestore.Present:
			c.Value = row.Values[i]
			if c.Value.IsNull() {
				c.Status = featurestore.Empty
			}
		}
		out[i] = ondemand.WithDefault(c, f.Default)
	}
}
