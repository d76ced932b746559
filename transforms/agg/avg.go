package agg

import "github.com/freshet/freshet/featurestore"

// avg is the exact sum of the non-null x divided by their count, rounded once to
// the nearest double, also for int64 and decimal.
//
// State: that of sum. Error: half a unit in the last place, by the one rounding.

func (f *Finisher) readAvg(c *Cells, s Slot, n int64) featurestore.Cell {
	if f.input.Kind == featurestore.KindDouble {
		return double(c.doubleSum(f.partials[0], s).Mean(n))
	}
	return double(c.intSum(f.partials[0], s).Mean(n, unit(f.input)), true)
}

// unit is how many units of a type's unscaled integer make one: ten to the scale
// of a decimal.
func unit(t featurestore.Type) uint64 {
	u := uint64(1)
	for range t.Scale {
		u *= 10
	}
	return u
}
