package agg

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
	"github.com/freshet/freshet/transforms/exact"
)

// skew is m3 / (m2 * sqrt(m2)) and kurtosis is m4 / (m2 * m2) - 3, those of a
// population, where the central moments m2, m3 and m4 of the non-null x are each
// the correctly rounded double of the exact one, and each operation after that
// is rounded (package exact, Powers). Both are null where m2 is zero (an input
// contributed, so the status is PRESENT).
//
// State: that of var_pop and 64 bytes for each of the cubes and the fourth
// powers. Error: some units in the last place (exact.Powers has the bound),
// whatever cancels in the sums. OVERFLOW where a moment or a step leaves the
// range of double. Retraction: subtracted.

var (
	specSkew     = shape("skew", needCubes, (*exact.Powers).Skewness)
	specKurtosis = shape("kurtosis", needFourths, (*exact.Powers).Kurtosis)
)

func shape(name string, needs func(*Call) []need, finish func(*exact.Powers) (v float64, defined, ok bool)) *spec {
	return &spec{
		name:  name,
		gate:  gateValue,
		check: giving(wantNumeric, featurestore.Double),
		needs: needs,
		read: func(f *Finisher, c *Cells, s Slot, at readAt) featurestore.Cell {
			p := f.powers(c, s, at.n)
			v, defined, ok := finish(&p)
			if ok && !defined {
				return undefined()
			}
			return double(v, ok)
		},
	}
}

var (
	cubesOfInts      = &quantity{"sum of cubes", newCells[intCubes]}
	cubesOfDoubles   = &quantity{"sum of cubes", newCells[doubleCubes]}
	fourthsOfInts    = &quantity{"sum of fourth powers", newCells[intFourths]}
	fourthsOfDoubles = &quantity{"sum of fourth powers", newCells[doubleFourths]}
)

func needCubes(c *Call) []need {
	cubes := cubesOfInts
	if c.Input.Kind == featurestore.KindDouble {
		cubes = cubesOfDoubles
	}
	return append(needSum(c), needSquares(c), need{quantity: cubes})
}

func needFourths(c *Call) []need {
	fourths := fourthsOfInts
	if c.Input.Kind == featurestore.KindDouble {
		fourths = fourthsOfDoubles
	}
	return append(needCubes(c), need{quantity: fourths})
}

// powers are the sums of n values in a slot.
func (f *Finisher) powers(c *Cells, s Slot, n int64) exact.Powers {
	p := exact.Powers{N: n, Unit: unit(f.call.Input)}
	if f.call.Input.Kind == featurestore.KindDouble {
		p.Sum = &c.doubleSum(f.partials[0], s).sum
		p.Squares = &cellOf[doubleSquares](c, f.partials[1], s).sum
		p.Cubes = &cellOf[doubleCubes](c, f.partials[2], s).sum
		if len(f.partials) > 3 {
			p.Fourths = &cellOf[doubleFourths](c, f.partials[3], s).sum
		}
		return p
	}
	p.IntSum = c.intSum(f.partials[0], s).sum
	p.Squares = &cellOf[intSquares](c, f.partials[1], s).sum
	p.Cubes = &cellOf[intCubes](c, f.partials[2], s).sum
	if len(f.partials) > 3 {
		p.Fourths = &cellOf[intFourths](c, f.partials[3], s).sum
	}
	return p
}

// intCubes sums the cubes of integers.
type intCubes struct{ sum exact.Float }

func (c *intCubes) reset(*partial)                         { c.sum.Reset() }
func (c *intCubes) add(_ *Order, x *featurestore.Value)    { c.sum.AddCubeInt(x.Int64()) }
func (c *intCubes) remove(_ *Order, x *featurestore.Value) { c.sum.SubCubeInt(x.Int64()) }
func (c *intCubes) isZero() bool                           { return c.sum.IsZero() }
func (c *intCubes) merge(o *intCubes)                      { c.sum.Merge(&o.sum) }
func (c *intCubes) append(dst []byte, _ int64) []byte      { return c.sum.Append(dst) }
func (c *intCubes) decode(r *pack.Reader, _ int64)         { r.Continue(c.sum.Decode(r.Rest())) }

// doubleCubes sums the cubes of doubles.
type doubleCubes struct{ sum exact.Float }

func (c *doubleCubes) reset(*partial)                         { c.sum.Reset() }
func (c *doubleCubes) add(_ *Order, x *featurestore.Value)    { c.sum.AddCube(x.Double()) }
func (c *doubleCubes) remove(_ *Order, x *featurestore.Value) { c.sum.SubCube(x.Double()) }
func (c *doubleCubes) isZero() bool                           { return c.sum.IsZero() }
func (c *doubleCubes) merge(o *doubleCubes)                   { c.sum.Merge(&o.sum) }
func (c *doubleCubes) append(dst []byte, _ int64) []byte      { return c.sum.Append(dst) }
func (c *doubleCubes) decode(r *pack.Reader, _ int64)         { r.Continue(c.sum.Decode(r.Rest())) }

// intFourths sums the fourth powers of integers.
type intFourths struct{ sum exact.Float }

func (c *intFourths) reset(*partial)                         { c.sum.Reset() }
func (c *intFourths) add(_ *Order, x *featurestore.Value)    { c.sum.AddFourthInt(x.Int64()) }
func (c *intFourths) remove(_ *Order, x *featurestore.Value) { c.sum.SubFourthInt(x.Int64()) }
func (c *intFourths) isZero() bool                           { return c.sum.IsZero() }
func (c *intFourths) merge(o *intFourths)                    { c.sum.Merge(&o.sum) }
func (c *intFourths) append(dst []byte, _ int64) []byte      { return c.sum.Append(dst) }
func (c *intFourths) decode(r *pack.Reader, _ int64)         { r.Continue(c.sum.Decode(r.Rest())) }

// doubleFourths sums the fourth powers of doubles.
type doubleFourths struct{ sum exact.Float }

func (c *doubleFourths) reset(*partial)                         { c.sum.Reset() }
func (c *doubleFourths) add(_ *Order, x *featurestore.Value)    { c.sum.AddFourth(x.Double()) }
func (c *doubleFourths) remove(_ *Order, x *featurestore.Value) { c.sum.SubFourth(x.Double()) }
func (c *doubleFourths) isZero() bool                           { return c.sum.IsZero() }
func (c *doubleFourths) merge(o *doubleFourths)                 { c.sum.Merge(&o.sum) }
func (c *doubleFourths) append(dst []byte, _ int64) []byte      { return c.sum.Append(dst) }
func (c *doubleFourths) decode(r *pack.Reader, _ int64)         { r.Continue(c.sum.Decode(r.Rest())) }
