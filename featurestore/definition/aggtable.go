package definition

import (
	"fmt"
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
)

// parameter is what an aggregate takes at one place. least and most bound a
// whole number.
type parameter struct {
	name        string
	kind        parameterKind
	optional    bool
	least, most int64
}

type parameterKind uint8

const (
	paramExpression parameterKind = iota
	paramCount                    // a whole number
	paramShare                    // a number from 0 to 1
	paramLength                   // a duration
)

// aggregates is every aggregate of the language with its parameters.
func aggregates() map[string][]parameter {
	x, y := parameter{name: "x"}, parameter{name: "y"}
	p, half := parameter{name: "p", kind: paramShare}, parameter{name: "half_life", kind: paramLength}
	count := func(name string, least, most int64) parameter {
		return parameter{name: name, kind: paramCount, least: least, most: most}
	}
	n, most := count("n", 1, agg.MaxN), count("max", 1, agg.MaxListed)
	hashes := count("max", agg.MinDistinctMax, agg.MaxDistinctMax)
	maybeX := x
	maybeX.optional, hashes.optional = true, true
	table := map[string][]parameter{
		"count": {maybeX}, "time_since_last": nil, "time_since_first": nil,
		"min_by": {x, y}, "max_by": {x, y}, "count_distinct": {x, hashes}, "distinct": {x, most}, "histogram": {x, most},
		"quantile": {x, p}, "approx_quantile": {x, p}, "ewm_sum": {x, half}, "ewm_count": {half}, "ewm_avg": {x, half},
		"lag": {x, count("n", 0, agg.MaxN)},
	}
	for _, name := range []string{"count_null", "sum", "avg", "min", "max", "var_pop", "var_samp", "stddev_pop", "stddev_samp", "skew", "kurtosis",
		"first", "last", "approx_count_distinct", "median"} {
		table[name] = []parameter{x}
	}
	for _, name := range []string{"first_n", "last_n", "last_distinct_n", "top_n", "bottom_n"} {
		table[name] = []parameter{x, n}
	}
	return table
}

func aggregateNames() []string {
	var all []string
	for name := range aggregates() {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// usage writes how a function is called.
func usage(function string, parameters []parameter) string {
	var b strings.Builder
	b.WriteString(function + "(")
	for i, p := range parameters {
		sep, end := "", ""
		if i > 0 {
			sep = ", "
		}
		if p.optional {
			sep, end = "["+sep, "]"
		}
		name := p.name
		if p.kind == paramCount && p.name == "max" {
			name = "max: 1000"
		}
		b.WriteString(sep + name + end)
	}
	return b.String() + ")"
}

// inputRule is what an aggregate takes at x: the kinds, nil for any; vectors
// says that it also takes list<double>, element by element.
func inputRule(function string) (kinds []featurestore.Kind, vectors bool) {
	switch function {
	case "count", "count_null", "first", "last", "lag", "min_by", "max_by":
		return nil, false
	case "sum", "avg":
		return numericKinds(), true
	case "min", "max":
		return scalarKinds(), true
	case "first_n", "last_n", "last_distinct_n", "top_n", "bottom_n", "count_distinct", "approx_count_distinct", "distinct":
		return scalarKinds(), false
	case "histogram":
		return keyedKinds(), false
	}
	return numericKinds(), false
}

func numericKinds() []featurestore.Kind {
	return []featurestore.Kind{featurestore.KindInt64, featurestore.KindDouble, featurestore.KindDecimal}
}

func scalarKinds() []featurestore.Kind {
	return []featurestore.Kind{featurestore.KindBool, featurestore.KindInt64, featurestore.KindDouble, featurestore.KindString,
		featurestore.KindBytes, featurestore.KindTimestamp, featurestore.KindDecimal}
}

// keyedKinds are the types whose values have a text that is a key of a map.
func keyedKinds() []featurestore.Kind {
	return []featurestore.Kind{featurestore.KindString, featurestore.KindInt64, featurestore.KindBool, featurestore.KindTimestamp, featurestore.KindDecimal}
}

func isVector(t featurestore.Type) bool {
	return t.Kind == featurestore.KindList && t.Elem.Kind == featurestore.KindDouble
}

func isComposite(t featurestore.Type) bool {
	return t.Kind == featurestore.KindList || t.Kind == featurestore.KindMap
}

// misfit says why an argument means nothing to an aggregate, "" where it fits,
// and the way out.
func misfit(function, name string, t featurestore.Type) (why, way string) {
	kinds, vectors := inputRule(function)
	if name == "y" {
		kinds, vectors = scalarKinds(), false
	}
	if kinds == nil || slices.Contains(kinds, t.Kind) || vectors && isVector(t) {
		return "", ""
	}
	takes := kindList(kinds)
	if vectors {
		takes = strings.ReplaceAll(takes, " or ", ", ") + " or list<double>"
	}
	switch {
	case t.Kind == featurestore.KindBool && slices.Contains(kinds, featurestore.KindInt64):
		way = "write it as a number, as paid ? 1 : 0"
	case t.Kind == featurestore.KindString:
		way = "convert it, as double(x), or count it with count_distinct(x)"
	case t.Kind == featurestore.KindTimestamp:
		way = "convert it, as int64(x), which is microseconds"
	case t.Kind == featurestore.KindDouble:
		way = "make classes of it with bucketize(x, [...]), or convert it, as int64(x)"
	case t.Kind == featurestore.KindMap:
		way = `name one of its entries, as x["key"], or take the whole with last(x)`
	case isComposite(t):
		way = "name a part of it, as x[0], or take the whole with last(x)"
	}
	if name != "x" {
		return fmt.Sprintf("%s by %s has no meaning: its %q must be %s", function, t, name, takes), way
	}
	return fmt.Sprintf("%s of %s has no meaning: its argument must be %s", function, t, takes), way
}

// resultOf is the type of an aggregate's value, without by.
func resultOf(c agg.Call) featurestore.Type {
	switch c.Func {
	case "count", "count_null", "count_distinct", "approx_count_distinct":
		return featurestore.Int64
	case "sum":
		if c.Input.Kind == featurestore.KindDecimal {
			return featurestore.Decimal(featurestore.MaxDecimalPrecision, c.Input.Scale)
		}
		return c.Input
	case "min", "max", "first", "last", "lag", "min_by", "max_by":
		return c.Input
	case "first_n", "last_n", "last_distinct_n", "top_n", "bottom_n", "distinct":
		return featurestore.List(c.Input)
	case "histogram":
		return featurestore.Map(featurestore.Int64)
	case "avg":
		if isVector(c.Input) {
			return c.Input
		}
	}
	return featurestore.Double
}
