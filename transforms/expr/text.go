package expr

import (
	"strings"
	"unicode/utf8"

	"github.com/freshet/freshet/featurestore"
)

func compileText(n *node, args []code) code {
	x := args[0].s
	switch n.name {
	case "lower":
		return code{s: mapped(x, strings.ToLower)}
	case "upper":
		return code{s: mapped(x, strings.ToUpper)}
	case "trim":
		return code{s: mapped(x, strings.TrimSpace)}
	case "contains":
		return code{b: related(x, args[1].s, strings.Contains)}
	case "startsWith":
		return code{b: related(x, args[1].s, strings.HasPrefix)}
	case "endsWith":
		return code{b: related(x, args[1].s, strings.HasSuffix)}
	case "matches":
		return code{b: mapped(x, n.pattern.MatchString)}
	case "size":
		return code{i: compileSize(n, args[0])}
	case "split":
		return code{v: split(x, n.args[1].value.Str())}
	}
	return code{s: substring(args)}
}

// mapped applies a function that has a value for every value.
func mapped[T, U any](x fn[T], f func(T) U) fn[U] {
	return func(r row) (u U, s state) {
		a, s := x(r)
		if s != stOK {
			return u, s
		}
		return f(a), stOK
	}
}

func related(x, y fn[string], f func(a, b string) bool) fn[bool] {
	return func(r row) (bool, state) {
		a, s := x(r)
		b, t := y(r)
		if s |= t; s != stOK {
			return false, s
		}
		return f(a, b), stOK
	}
}

// concat joins two texts; one beyond maxText fails, so that no expression can
// grow its input without a bound.
func concat(x, y fn[string]) fn[string] {
	return func(r row) (string, state) {
		a, s := x(r)
		b, t := y(r)
		if s |= t; s != stOK {
			return "", s
		}
		if len(a)+len(b) > maxText {
			return "", stFailed
		}
		return a + b, stOK
	}
}

// compileSize counts a string's code points, the bytes of bytes, the elements
// of a list and the entries of a map.
func compileSize(n *node, x code) fn[int64] {
	switch n.args[0].typ.Kind {
	case featurestore.KindString:
		return mapped(x.s, func(text string) int64 { return int64(utf8.RuneCountInString(text)) })
	case featurestore.KindBytes:
		return mapped(x.s, func(b string) int64 { return int64(len(b)) })
	}
	return mapped(x.v, func(v featurestore.Value) int64 { return int64(len(v.Elems())) })
}

func split(x fn[string], sep string) fn[featurestore.Value] {
	return func(r row) (featurestore.Value, state) {
		text, s := x(r)
		if s != stOK {
			return featurestore.Null, s
		}
		count := strings.Count(text, sep) + 1
		if count > maxParts {
			return featurestore.Null, stFailed
		}
		parts := make([]featurestore.Value, 0, count)
		for part := range strings.SplitSeq(text, sep) {
			parts = append(parts, featurestore.StringValue(part))
		}
		return featurestore.ListValue(parts), stOK
	}
}

// substring cuts by code points; what lies outside of the text is not there.
func substring(args []code) fn[string] {
	x, from := args[0].s, args[1].i
	to, open := constantOf(int64(0), stOK), len(args) < 3
	if !open {
		to = args[2].i
	}
	return func(r row) (string, state) {
		text, s := x(r)
		i, t := from(r)
		j, u := to(r)
		if s |= t | u; s != stOK {
			return "", s
		}
		start := pointAt(text, i)
		if open {
			return text[start:], stOK
		}
		return text[start:max(start, pointAt(text, j))], stOK
	}
}

// pointAt is the byte offset of the n-th code point, within the text.
func pointAt(text string, n int64) int {
	if n <= 0 {
		return 0
	}
	for i := range text {
		if n == 0 {
			return i
		}
		n--
	}
	return len(text)
}
