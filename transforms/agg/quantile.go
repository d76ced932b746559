package agg

import "github.com/freshet/freshet/featurestore"

// quantile(x, p) is the value between the ranks of the n non-null x in ascending
// order at the rank (n - 1) * p, linear between two (type 7 of Hyndman and Fan,
// "Sample quantiles in statistical packages", 1996), with p the decimal as it is
// written, computed exactly and rounded once to the nearest double. median is
// quantile(x, 0.5). Above MaxExactValues values it is that of approx_quantile
// over all of them, with the status APPROXIMATE.
//
// State: 8 bytes a value up to MaxExactValues, then that of approx_quantile.
// Error: half a unit in the last place; above the cap 1 % of the value.
// Retraction: rebuilt, since the DDSketch cannot tell what it was made of.

var specQuantile = &spec{
	name:  "quantile",
	takes: takesShare,
	gate:  gateValue,
	check: checkQuantile,
	needs: needValues,
	read: func(f *Finisher, c *Cells, s Slot, _ readAt) featurestore.Cell {
		return f.readQuantile(c, s, f.call.Share)
	},
}

var specMedian = &spec{
	name:  "median",
	gate:  gateValue,
	check: giving(wantNumeric, featurestore.Double),
	needs: needValues,
	read: func(f *Finisher, c *Cells, s Slot, _ readAt) featurestore.Cell {
		return f.readQuantile(c, s, Share{Unscaled: 5, Digits: 1})
	},
}

func needValues(c *Call) []need {
	if c.Input.Kind == featurestore.KindDouble {
		return []need{{quantity: valuesOfDoubles, size: MaxExactValues}}
	}
	return []need{{quantity: valuesOfInts, size: MaxExactValues}}
}

func (f *Finisher) readQuantile(c *Cells, s Slot, p Share) featurestore.Cell {
	num, den := uint64(p.Unscaled), p.denominator()
	if f.call.Input.Kind == featurestore.KindDouble {
		return cellOf[sample[real]](c, f.partials[0], s).read(num, den)
	}
	return cellOf[sample[integer]](c, f.partials[0], s).read(num, den)
}

var (
	valuesOfInts    = &quantity{"values", newCells[sample[integer]]}
	valuesOfDoubles = &quantity{"values", newCells[sample[real]]}
)
