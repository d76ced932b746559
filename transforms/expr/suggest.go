package expr

import (
	"fmt"
	"strings"
)

// unknownVar is the hint for a name that no field has.
func unknownVar(name string, vars []Var) string {
	names := make([]string, len(vars))
	for i, v := range vars {
		names[i] = v.Name
	}
	if near := nearest(name, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if _, isFunction := functions(name); isFunction {
		return fmt.Sprintf("%q is a function: write %s(...)", name, name)
	}
	switch {
	case len(names) == 0:
		return "no fields are declared here"
	case len(names) > 12:
		return fmt.Sprintf("the fields are %s and %d more", strings.Join(names[:12], ", "), len(names)-12)
	}
	return "the fields are " + strings.Join(names, ", ")
}

// unknownFunc is the hint for a name that is no function.
func unknownFunc(name string) string {
	if own := foreign(name); own != "" {
		return "write " + own
	}
	if near := nearest(name, functionNames()); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "the functions are listed in docs/expressions.md"
}

// foreign translates the names of other languages, of CEL and SQL first.
func foreign(name string) string {
	switch strings.ToLower(name) {
	case "gethours", "extract", "date_part":
		return `hour(time, "America/New_York")`
	case "getdayofweek", "weekday", "dayofweek", "dow", "isodow":
		return `day_of_week(time, "America/New_York")`
	case "len", "length", "count", "cardinality":
		return "size(x)"
	case "ifnull", "nvl", "isnull", "default":
		return "coalesce(a, b), or has(x) for not null"
	case "is_null", "isnan", "is_nan", "isinf", "is_inf", "isfinite":
		return "has(x): NaN and infinities are null already"
	case "loweras", "lowerascii", "tolower", "lcase", "to_lower":
		return "lower(text)"
	case "upperascii", "toupper", "ucase", "to_upper":
		return "upper(text)"
	case "ln":
		return "log(x)"
	case "log10", "log2":
		return "log(x) / log(10.0)"
	case "power":
		return "pow(x, y)"
	case "if", "iff", "case":
		return "condition ? a : b"
	case "float", "float64", "to_double", "number":
		return "double(x)"
	case "long", "integer", "uint", "to_int", "cast":
		return "int64(x), double(x) or string(x)"
	case "str", "to_string", "tostring", "text":
		return "string(x)"
	case "greatest", "least":
		return "max(a, b) or min(a, b)"
	case "clamp":
		return "clip(x, lo, hi)"
	case "mod":
		return "a % b"
	case "concat":
		return "a + b"
	case "like", "regexp", "regex", "rlike":
		return `matches(text, "pattern")`
	case "substr", "mid", "left", "right":
		return "substring(text, start, end)"
	case "datediff", "duration", "timediff", "age":
		return "seconds_between(from, to)"
	}
	return ""
}

// forbidden names would make a value depend on when or where it is computed.
func forbidden(name string) bool {
	switch strings.ToLower(name) {
	case "now", "today", "current_timestamp", "current_date", "current_time", "getdate", "sysdate", "time", "clock",
		"random", "rand", "randn", "randint", "uuid", "gen_random_uuid", "uuid4", "env", "getenv", "locale":
		return true
	}
	return false
}

// later names belong to the language and wait for features that make maps and
// vectors.
func later(name string) bool {
	switch name {
	case "entropy", "most_frequent", "share", "cosine":
		return true
	}
	return false
}

// comprehension names are CEL's loops.
func comprehension(name string) bool {
	switch name {
	case "all", "exists", "exists_one", "map", "filter", "reduce", "sum", "sort", "sortBy", "transformList", "transformMap":
		return true
	}
	return false
}

// nearest gives the candidate that is few edits away, or "".
func nearest(name string, candidates []string) string {
	best, distance := "", max(1, len(name)/3)+1
	if len(name) > 64 {
		return ""
	}
	for _, c := range candidates {
		if d := edits(strings.ToLower(name), strings.ToLower(c)); d < distance {
			best, distance = c, d
		}
	}
	return best
}

// edits is the distance of two names: letters put in, left out, changed, or
// two neighbours swapped.
func edits(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
