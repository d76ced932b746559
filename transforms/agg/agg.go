// Package agg is the algebra of aggregates: one small file each, with the five
// operations identity, add, merge, read and bytes, and its line in the table of
// spec.go. It knows nothing of windows, tiles, keys or stores.
//
// What is stored is split from what is asked. A partial is what a tile keeps
// (an exact sum, a least value, a set of hashes); a finisher turns merged
// partials into a feature's value. Features that need the same partial of the
// same input under the same condition share one cell: sum(x), avg(x) and
// stddev_pop(x) keep one sum and one count between them. Every partial is a
// commutative monoid with canonical bytes, so that neither the order of events
// nor the tree of merges can show. The bytes are specified in
// docs/formats/cells-v2.md.
//
// Retractions: a partial whose cell can also take a contribution away exactly
// has a method remove; the others are rebuilt from the events that remain
// (Retraction says which way an aggregate has).
package agg

import (
	"fmt"

	"github.com/freshet/freshet/featurestore"
)

// Bounds of the parameters of calls.
const (
	DefaultDistinctMax = 1000 // hashes that a cell of count_distinct keeps
	MinDistinctMax     = 2    // one hash gives no estimate
	MaxDistinctMax     = 100_000

	MaxN      = 10_000 // n of first_n, last_n, last_distinct_n, lag, top_n and bottom_n
	MaxListed = 10_000 // max of distinct and histogram

	DefaultMaxKeys = 100 // keys that a cell of `by` keeps
	MaxMaxKeys     = 10_000

	MaxVector      = 4096   // elements of a list<double>; a longer one counts as null
	MaxExactValues = 10_000 // values up to which quantile and median are exact

	MinHalfLife = featurestore.Second
	MaxHalfLife = 365_250 * featurestore.Day
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

// Check says whether the call means something, and the type of its value. The
// error says why not (sum of strings, an n out of range).
func Check(c Call) (featurestore.Type, error) {
	none := featurestore.Type{}
	s, err := lookup(c.Func)
	if err != nil {
		return none, err
	}
	if err := s.checkParameters(&c); err != nil {
		return none, err
	}
	t, err := s.check(&c)
	if err != nil {
		return none, err
	}
	if c.By.Kind == featurestore.KindNull {
		if c.MaxKeys != 0 {
			return none, fmt.Errorf("max_keys without by: it is the cap of the keys of by")
		}
		return t, nil
	}
	return checkBy(&c, t)
}

// Retraction says how the aggregate takes back an event that a change record
// retracts: "subtracted" where its cells take a contribution away exactly,
// "rebuilt" where the touched tile is made again from the events that remain.
// It is "" for a call that Check refuses.
func Retraction(c Call) string {
	l := &Layout{}
	if _, err := l.place(&Use{Call: c, Input: -1, Second: -1, By: -1, Where: -1}, false); err != nil {
		return ""
	}
	if l.seal(); l.Subtractable() {
		return "subtracted"
	}
	return "rebuilt"
}
