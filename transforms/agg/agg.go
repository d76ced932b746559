// Package agg is the algebra of aggregates: one small file each, with the five
// operations identity, add, merge, read and bytes. It knows nothing of windows,
// tiles, keys or stores.
//
// What is stored is split from what is asked. A Partial is what a tile keeps
// (an exact sum, a least value, a set of hashes); a finisher turns merged
// partials into a feature's value. Features that need the same partial of the
// same input under the same condition share one cell: sum(x), avg(x) and
// stddev_pop(x) keep one sum and one count between them. Every partial is a
// commutative monoid with canonical bytes, so that neither the order of events
// nor the tree of merges can show.
package agg

import (
	"errors"
	"fmt"

	"github.com/freshet/freshet/featurestore"
)

// ErrUnsupported is the error of an aggregate of the language that this version
// does not run.
var ErrUnsupported = errors.New("not supported yet")

// The cap of count_distinct: how many hashes a cell keeps.
const (
	DefaultDistinctMax = 1000
	MinDistinctMax     = 2 // one hash gives no estimate
	MaxDistinctMax     = 100_000
)

// Call is an aggregate as a definition asks for it: avg(dep_delay) is
// {Func: "avg", Input: double}. Two calls that mean the same are equal by ==,
// but for their types, which Type.Equal compares.
type Call struct {
	Func         string            // the name in the definition language
	Input        featurestore.Type // type of x; the zero Type where there is none
	Second       featurestore.Type // type of y: min_by, max_by
	N            int64             // n: first_n, last_n, last_distinct_n, lag, top_n, bottom_n
	Max          int64             // the cap: count_distinct (0 for the default), distinct, histogram
	Share        Share             // p: quantile, approx_quantile
	HalfLife     featurestore.Duration
	RespectNulls bool              // first, last: nulls: respect
	By           featurestore.Type // type of the field of `by`; the zero Type for none
	MaxKeys      int64             // by: the cap of keys, 0 for the default
}

// Share is a number from 0 to 1 as it is written in decimal: Unscaled / 10^Digits,
// without trailing zeros, so that equal numbers are equal Shares.
type Share struct {
	Unscaled int64
	Digits   uint8 // at most 18
}

// Check says whether the engine runs the call, and the type of its value. The
// error is ErrUnsupported for an aggregate of the language that this version
// does not run, and another for a call that means nothing (sum of strings).
func Check(c Call) (featurestore.Type, error) {
	none := featurestore.Type{}
	f, err := lookup(c.Func)
	if err != nil {
		return none, err
	}
	if c.RespectNulls && f != fnFirst && f != fnLast {
		return none, fmt.Errorf("%s cannot have nulls: respect: only first and last can", c.Func)
	}
	if c.Max != 0 && f != fnCountDistinct {
		return none, fmt.Errorf("%s takes no max: only count_distinct does", c.Func)
	}
	if c.Max != 0 && (c.Max < MinDistinctMax || c.Max > MaxDistinctMax) {
		return none, fmt.Errorf("max of count_distinct is %d: write %d to %d", c.Max, MinDistinctMax, MaxDistinctMax)
	}
	if err := checkInput(c, f); err != nil {
		return none, err
	}
	return resultType(f, c.Input), nil
}

func checkInput(c Call, f function) error {
	kind := c.Input.Kind
	switch f {
	case fnCount:
		return nil
	case fnSinceLast:
		if kind != featurestore.KindNull {
			return fmt.Errorf("%s takes no argument", c.Func)
		}
		return nil
	}
	if kind == featurestore.KindNull {
		return fmt.Errorf("%s needs an argument: write %s(x)", c.Func, c.Func)
	}
	composite := kind == featurestore.KindList || kind == featurestore.KindMap
	numeric := kind == featurestore.KindInt64 || kind == featurestore.KindDouble || kind == featurestore.KindDecimal
	switch f {
	case fnMin, fnMax, fnFirst, fnLast, fnCountDistinct:
		if composite {
			return fmt.Errorf("%s of %s is %w", c.Func, c.Input, ErrUnsupported)
		}
		if kind == featurestore.KindStruct {
			return fmt.Errorf("%s of %s has no meaning: name one of its fields", c.Func, c.Input)
		}
	default:
		if composite && c.Input.Elem != nil && c.Input.Elem.Kind == featurestore.KindDouble && (f == fnSum || f == fnAvg) {
			return fmt.Errorf("%s of %s is %w", c.Func, c.Input, ErrUnsupported)
		}
		if !numeric {
			return fmt.Errorf("%s of %s has no meaning: its argument must be int64, double or decimal", c.Func, c.Input)
		}
	}
	return nil
}

func resultType(f function, in featurestore.Type) featurestore.Type {
	switch f {
	case fnCount, fnCountDistinct:
		return featurestore.Int64
	case fnSum:
		if in.Kind == featurestore.KindDecimal {
			return featurestore.Decimal(featurestore.MaxDecimalPrecision, in.Scale)
		}
		return in
	case fnMin, fnMax, fnFirst, fnLast:
		return in
	default:
		return featurestore.Double
	}
}
