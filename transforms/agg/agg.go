// Package agg is the algebra of aggregates: one small file each, with the five
// operations identity, add, merge, read and bytes. It knows nothing of windows,
// tiles, keys or stores.
package agg

import "github.com/freshet/freshet/featurestore"

// Call is an aggregate as a definition asks for it: avg(dep_delay) is
// {Func: "avg", Input: double}.
type Call struct {
	Func         string            // the name in the definition language
	Input        featurestore.Type // type of x; the zero Type where there is none
	Max          int64             // count_distinct: the cap, 0 for the default
	RespectNulls bool              // first, last: nulls: respect
}

// Check says whether the engine runs the call, and the type of its value. The
// error is ErrUnsupported for an aggregate of the language that this version
// does not run, and another for a call that means nothing (sum of strings).
func Check(c Call) (featurestore.Type, error) { panic("agg: being built") }
