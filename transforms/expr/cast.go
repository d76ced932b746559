package expr

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/freshet/freshet/featurestore"
)

// compileCast compiles int64(x), double(x), string(x), bool(x) and bytes(x). A
// value that the type cannot hold, or a text that does not spell one, fails.
func compileCast(n *node, x code) code {
	from := n.args[0].typ
	if from.Kind == n.typ.Kind {
		return x
	}
	switch n.typ.Kind {
	case featurestore.KindInt64:
		return code{i: toInt(from, x)}
	case featurestore.KindDouble:
		return code{d: toDouble(from, x)}
	case featurestore.KindBool:
		return code{b: toBool(x)}
	case featurestore.KindBytes:
		return x
	}
	return code{s: toText(from, x)}
}

// partial applies a function that may fail.
func partial[T, U any](x fn[T], f func(T) (U, bool)) fn[U] {
	return func(r row) (u U, s state) {
		a, s := x(r)
		if s != stOK {
			return u, s
		}
		u, fits := f(a)
		if !fits {
			return u, stFailed
		}
		return u, stOK
	}
}

func toInt(from featurestore.Type, x code) fn[int64] {
	switch from.Kind {
	case featurestore.KindDouble:
		return partial(x.d, func(d float64) (int64, bool) {
			if d < math.MinInt64 || d >= 1<<63 {
				return 0, false
			}
			return int64(d), true // towards zero
		})
	case featurestore.KindDecimal:
		unit := pow10(from.Scale)
		return mapped(x.i, func(u int64) int64 { return u / unit })
	case featurestore.KindBool:
		return mapped(x.b, func(b bool) int64 {
			if b {
				return 1
			}
			return 0
		})
	}
	return partial(x.s, func(text string) (int64, bool) {
		v, err := strconv.ParseInt(text, 10, 64)
		return v, err == nil && text[0] != '+'
	})
}

func toDouble(from featurestore.Type, x code) fn[float64] {
	switch from.Kind {
	case featurestore.KindInt64:
		return mapped(x.i, func(v int64) float64 { return float64(v) })
	case featurestore.KindDecimal:
		return decimalToDouble(from.Scale, x.i)
	case featurestore.KindBool:
		return mapped(x.b, func(b bool) float64 {
			if b {
				return 1
			}
			return 0
		})
	}
	return partial(x.s, parseDouble)
}

// parseDouble reads a plain or scientific decimal; no hexadecimal, no
// underscores, no infinity.
func parseDouble(text string) (float64, bool) {
	if strings.Trim(text, "0123456789.eE+-") != "" || strings.HasPrefix(text, "+") {
		return 0, false
	}
	d, err := strconv.ParseFloat(text, 64)
	return d + 0, err == nil
}

// decimalToDouble rounds once: both operands of the division are exact up to
// 2^53, and larger ones are read from their text.
func decimalToDouble(scale int, x fn[int64]) fn[float64] {
	unit := float64(pow10(scale))
	return mapped(x, func(u int64) float64 {
		if u > -1<<53 && u < 1<<53 {
			return float64(u) / unit
		}
		d, _ := strconv.ParseFloat(featurestore.FormatDecimal(u, scale), 64) // always a number
		return d
	})
}

func toBool(x code) fn[bool] {
	if x.i != nil {
		return partial(x.i, func(v int64) (bool, bool) { return v == 1, v == 0 || v == 1 })
	}
	return partial(x.s, func(text string) (bool, bool) { return text == "true", text == "true" || text == "false" })
}

// toText writes a value as Value.Text does; bytes must be UTF-8.
func toText(from featurestore.Type, x code) fn[string] {
	switch from.Kind {
	case featurestore.KindBytes:
		return partial(x.s, func(b string) (string, bool) { return b, utf8.ValidString(b) })
	case featurestore.KindBool:
		return mapped(x.b, strconv.FormatBool)
	case featurestore.KindDouble:
		return mapped(x.d, func(d float64) string { return featurestore.DoubleValue(d).Text(from) })
	case featurestore.KindDecimal:
		return mapped(x.i, func(u int64) string { return featurestore.FormatDecimal(u, from.Scale) })
	case featurestore.KindTimestamp:
		return mapped(x.i, func(t int64) string { return featurestore.Instant(t).String() })
	}
	return mapped(x.i, func(v int64) string { return strconv.FormatInt(v, 10) })
}
