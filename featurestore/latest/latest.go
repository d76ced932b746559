// Package latest reads a batch view's row at an instant: one rule for lookups
// and training sets.
package latest

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/ondemand"
)

// Row is the greatest row of an entity that may be seen; Values are the view's
// features in order.
type Row struct {
	Time   featurestore.EventTime
	Values []featurestore.Value
}

// Cells fills out with the view's features at t. A nil row is NOT_FOUND; a row
// at or after t counts as none; past the view's ttl everything is EXPIRED, a
// null is EMPTY, and declared defaults replace null last.
func Cells(v *definition.BatchView, row *Row, t featurestore.Instant, out []featurestore.Cell) {
	status := featurestore.Present
	switch {
	case row == nil || int64(row.Time) >= int64(t):
		status = featurestore.NotFound
	case v.TTL > 0 && int64(row.Time) < int64(t)-int64(v.TTL):
		status = featurestore.Expired
	}
	for i := range out {
		c := featurestore.Cell{Status: status}
		if status == featurestore.Present {
			c.Value = row.Values[i]
			if c.Value.IsNull() {
				c.Status = featurestore.Empty
			}
		}
		out[i] = ondemand.WithDefault(c, v.Features[i].Default)
	}
}
