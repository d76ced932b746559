package agg

import (
	"math"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
	"github.com/freshet/freshet/transforms/exact"
)

// time_since_last is the seconds from the newest event of the window to the read
// time, time_since_first those from its oldest event, as a double: the exact
// count of microseconds divided by a million and rounded once.
//
// State: 8 bytes. Error: half a unit in the last place. Retraction: rebuilt,
// since the next event is not kept.

var (
	specSinceLast  = since("time_since_last", &quantity{"newest event", newCells[newest]}, newestOf)
	specSinceFirst = since("time_since_first", &quantity{"oldest event", newCells[oldest]}, oldestOf)
)

func since(name string, q *quantity, event func(c *Cells, partial int, s Slot) int64) *spec {
	return &spec{
		name:  name,
		gate:  gateAll,
		check: giving(wantNone, featurestore.Double),
		needs: func(*Call) []need { return []need{{quantity: q}} },
		read: func(f *Finisher, c *Cells, s Slot, at readAt) featurestore.Cell {
			var since exact.Int128
			since.Add(int64(at.t))
			since.Sub(event(c, f.partials[0], s))
			return double(since.Mean(int64(featurestore.Second), 1), true)
		},
	}
}

func newestOf(c *Cells, partial int, s Slot) int64 { return cellOf[newest](c, partial, s).e }
func oldestOf(c *Cells, partial int, s Slot) int64 { return cellOf[oldest](c, partial, s).e }

// newest is the greatest event time.
type newest struct{ e int64 }

func (c *newest) reset(*partial)                      { c.e = math.MinInt64 }
func (c *newest) add(o *Order, _ *featurestore.Value) { c.e = max(c.e, int64(o.Time)) }
func (c *newest) merge(o *newest)                     { c.e = max(c.e, o.e) }

func (c *newest) append(dst []byte, origin int64) []byte { return pack.AppendInt(dst, c.e-origin) }
func (c *newest) decode(r *pack.Reader, origin int64)    { c.e = r.Int() + origin }

// oldest is the least event time.
type oldest struct{ e int64 }

func (c *oldest) reset(*partial)                      { c.e = math.MaxInt64 }
func (c *oldest) add(o *Order, _ *featurestore.Value) { c.e = min(c.e, int64(o.Time)) }
func (c *oldest) merge(o *oldest)                     { c.e = min(c.e, o.e) }

func (c *oldest) append(dst []byte, origin int64) []byte { return pack.AppendInt(dst, c.e-origin) }
func (c *oldest) decode(r *pack.Reader, origin int64)    { c.e = r.Int() + origin }
