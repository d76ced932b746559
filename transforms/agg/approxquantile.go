package agg

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
	"github.com/freshet/freshet/transforms/exact"
	"github.com/freshet/freshet/transforms/sketch/ddsketch"
)

// approx_quantile(x, p) is the value with the rank floor((n - 1) * p) among the n
// non-null x in ascending order, as a DDSketch estimates it (package ddsketch).
// It is one number for any order and any tree of merges, and PRESENT: the
// estimate is what was asked for. An int64 or a decimal counts as the nearest
// double.
//
// State: up to 32 KiB; 1 to 3 bytes a bin in use in bytes. Error: 1 % of the
// value. Retraction: rebuilt, since what was collapsed cannot be told apart.

var specApproxQuantile = &spec{
	name:  "approx_quantile",
	takes: takesShare,
	gate:  gateValue,
	check: checkQuantile,
	needs: func(*Call) []need { return []need{{quantity: ddSketch}} },
	read: func(f *Finisher, c *Cells, s Slot, _ readAt) featurestore.Cell {
		p := f.call.Share
		return double(cellOf[bins](c, f.partials[0], s).sketch.Quantile(uint64(p.Unscaled), p.denominator()))
	},
}

func checkQuantile(c *Call) (featurestore.Type, error) {
	if err := wantNumeric(c); err != nil {
		return featurestore.Type{}, err
	}
	return featurestore.Double, c.Share.check()
}

var ddSketch = &quantity{"DDSketch", newCells[bins]}

// bins are a DDSketch.
type bins struct {
	sketch ddsketch.Sketch
	in     featurestore.Type
}

func (c *bins) reset(p *partial) {
	c.sketch.Reset()
	c.in = p.in
}

func (c *bins) add(_ *Order, x *featurestore.Value) {
	if c.in.Kind == featurestore.KindDouble {
		c.sketch.Add(x.Double())
	} else {
		c.sketch.Add(nearestDouble(x.Int64(), unit(c.in)))
	}
}

func (c *bins) merge(o *bins)                     { c.sketch.Merge(&o.sketch) }
func (c *bins) append(dst []byte, _ int64) []byte { return c.sketch.Append(dst) }

func (c *bins) decode(r *pack.Reader, _ int64) {
	if c.sketch.Decode(r); c.sketch.Count() == 0 && r.Err() == nil {
		r.Failf("a DDSketch of events without a value")
	}
}

// nearestDouble is v / unit rounded once.
func nearestDouble(v int64, unit uint64) float64 {
	if unit == 1 {
		return float64(v)
	}
	var s exact.Int128
	s.Add(v)
	return s.Mean(1, unit)
}
