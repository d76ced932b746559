package agg

import "github.com/freshet/freshet/featurestore"

// avg is the exact sum of the non-null x divided by their count, rounded once to
// the nearest double, also for int64 and decimal. Of list<double> it goes
// element by element, each divided by the number of values that it has
// (vectorsum.go).
//
// State: that of sum. Error: half a unit in the last place, by the one rounding.
// Retraction: subtracted.

var specAvg = &spec{
	name: "avg",
	gate: gateElements,
	check: func(c *Call) (featurestore.Type, error) {
		if c.Input.Kind == featurestore.KindList {
			return c.Input, wantSummable(c)
		}
		return featurestore.Double, wantSummable(c)
	},
	needs: needSum,
	read:  readAvg,
}

func readAvg(f *Finisher, c *Cells, s Slot, at readAt) featurestore.Cell {
	switch f.call.Input.Kind {
	case featurestore.KindList:
		return cellOf[vectorSum](c, f.partials[0], s).read(true)
	case featurestore.KindDouble:
		return double(c.doubleSum(f.partials[0], s).sum.Mean(at.n))
	}
	return double(c.intSum(f.partials[0], s).sum.Mean(at.n, unit(f.call.Input)), true)
}

// unit is how many units of a type's unscaled integer make one: ten to the scale
// of a decimal.
func unit(t featurestore.Type) uint64 { return pow10(t.Scale) }
