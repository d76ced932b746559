package agg

import (
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
	"github.com/freshet/freshet/transforms/exact"
)

// ewm_sum(x, half_life) is the sum of the non-null x, each weighed by a half for
// every half-life that its event lies before the read time t: the sum of
// x * 2^(-(t - e) / half_life). ewm_count(half_life) is that of 1 over all
// events, ewm_avg(x, half_life) the sum divided by the count over the events
// whose x is not null. The weight of an event depends on the read time alone, so
// that a window only decides which events count.
//
// A cell sums x * 2^(e / half_life) against the fixed landmark 1970 (Cormode,
// Shkapenyuk, Srivastava, Xu, "Forward decay", 2009; package exact, Decayed):
// each term is rounded once, their sum is exact, and reading multiplies once.
// Terms more than two eras of 1,024 half-lives behind the newest are dropped:
// they weigh less than 2^-1,024 of it.
//
// State: 3 sums of 64 bytes and up; in bytes mostly one of them. Error: half a
// unit in the last place of each term, and half a unit of the result; ewm_avg is
// the correctly rounded quotient of the two sums. OVERFLOW beyond the range of
// double. Retraction: rebuilt, since a dropped term may have to come back.

var specEwmSum = &spec{
	name:  "ewm_sum",
	takes: takesHalfLife,
	gate:  gateValue,
	empty: emptySum,
	check: func(c *Call) (featurestore.Type, error) { return checkDecay(c, wantNumeric) },
	needs: func(c *Call) []need { return []need{{quantity: decayOfValues, halfLife: c.HalfLife}} },
	read:  readDecayed,
}

var specEwmCount = &spec{
	name:  "ewm_count",
	takes: takesHalfLife,
	gate:  gateAll,
	empty: emptyZero,
	check: func(c *Call) (featurestore.Type, error) { return checkDecay(c, wantNone) },
	needs: func(c *Call) []need { return []need{{quantity: decayOfOnes, halfLife: c.HalfLife}} },
	read:  readDecayed,
}

var specEwmAvg = &spec{
	name:  "ewm_avg",
	takes: takesHalfLife,
	gate:  gateValue,
	check: func(c *Call) (featurestore.Type, error) { return checkDecay(c, wantNumeric) },
	needs: func(c *Call) []need {
		return []need{{quantity: decayOfValues, halfLife: c.HalfLife}, {quantity: decayOfOnes, halfLife: c.HalfLife}}
	},
	read: func(f *Finisher, c *Cells, s Slot, _ readAt) featurestore.Cell {
		sum, count := cellOf[decay](c, f.partials[0], s), cellOf[decay](c, f.partials[1], s)
		return double(sum.sum.Ratio(&count.sum))
	},
}

func checkDecay(c *Call, want func(*Call) error) (featurestore.Type, error) {
	if err := want(c); err != nil {
		return featurestore.Type{}, err
	}
	if c.HalfLife < MinHalfLife || c.HalfLife > MaxHalfLife {
		return featurestore.Type{}, fmt.Errorf("half_life of %s is %s: write %s to %s", c.Func, c.HalfLife, MinHalfLife, MaxHalfLife)
	}
	return featurestore.Double, nil
}

func readDecayed(f *Finisher, c *Cells, s Slot, at readAt) featurestore.Cell {
	w := exact.NewWeight(-int64(at.t), int64(f.call.HalfLife))
	return double(cellOf[decay](c, f.partials[0], s).sum.Value(&w))
}

var (
	decayOfValues = &quantity{"decaying sum", newCells[decay]}
	decayOfOnes   = &quantity{"decaying count", newCells[decay]}
)

// decay is a decaying sum of values, or of ones.
type decay struct {
	sum  exact.Decayed
	half int64
	in   featurestore.Type
	ones bool
}

func (c *decay) reset(p *partial) {
	c.sum.Reset()
	c.half, c.in, c.ones = int64(p.halfLife), p.in, p.quantity == decayOfOnes
}

func (c *decay) add(o *Order, x *featurestore.Value) {
	w := exact.NewWeight(int64(o.Time), c.half)
	switch {
	case c.ones:
		c.sum.Add(1, &w)
	case c.in.Kind == featurestore.KindDouble:
		c.sum.Add(x.Double(), &w)
	default:
		c.sum.AddInt(x.Int64(), unit(c.in), &w)
	}
}

func (c *decay) merge(o *decay)                    { c.sum.Merge(&o.sum) }
func (c *decay) append(dst []byte, _ int64) []byte { return c.sum.Append(dst) }

func (c *decay) decode(r *pack.Reader, _ int64) {
	if r.Continue(c.sum.Decode(r.Rest())); c.sum.IsEmpty() && r.Err() == nil {
		r.Failf("a decaying sum of events without a term")
	}
}
