package agg

import (
	"math"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
	"github.com/freshet/freshet/transforms/exact"
)

// time_since_last is the seconds from the newest event of the window to the read
// time, as a double: the exact count of microseconds divided by a million and
// rounded once.
//
// State: 8 bytes. Error: half a unit in the last place.

// newest is the greatest event time.
type newest struct{ e int64 }

func (c *newest) reset(*partial)                      { c.e = math.MinInt64 }
func (c *newest) add(o *Order, _ *featurestore.Value) { c.e = max(c.e, int64(o.Time)) }
func (c *newest) merge(o *newest)                     { c.e = max(c.e, o.e) }

func (c *newest) append(dst []byte, origin int64) []byte { return pack.AppendInt(dst, c.e-origin) }
func (c *newest) decode(r *pack.Reader, origin int64)    { c.e = r.Int() + origin }

func (f *Finisher) readSince(c *Cells, s Slot, t featurestore.Instant) featurestore.Cell {
	var since exact.Int128
	since.Add(int64(t))
	since.Sub(c.cols[f.partials[0]].(*cells[newest, *newest]).at[s].e)
	return double(since.Mean(int64(featurestore.Second), 1), true)
}
