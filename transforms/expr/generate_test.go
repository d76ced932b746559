package expr

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
)

// genVars are the variables of generated expressions.
func genVars() []Var {
	return []Var{{"a", featurestore.Int64}, {"b", featurestore.Int64}, {"x", featurestore.Double}, {"y", featurestore.Double},
		{"p", featurestore.Bool}, {"q", featurestore.Bool}, {"s", featurestore.String}, {"t", featurestore.String}}
}

// generator writes random expressions. celOnly keeps to what means the same in
// plain CEL as long as no operand is null and no double leaves its range.
type generator struct {
	t       *rapid.T
	celOnly bool
}

func (g generator) pick(options ...string) string {
	return rapid.SampledFrom(options).Draw(g.t, "pick")
}

func (g generator) expr(kind featurestore.Kind, depth int) string {
	if depth <= 0 {
		return g.leaf(kind)
	}
	sub := func(k featurestore.Kind) string { return g.expr(k, depth-1) }
	paren := func(text string) string {
		if rapid.Bool().Draw(g.t, "paren") {
			return "(" + text + ")"
		}
		return text
	}
	if rapid.IntRange(0, 5).Draw(g.t, "cond") == 0 {
		return "(" + sub(featurestore.KindBool) + " ? " + sub(kind) + " : " + sub(kind) + ")"
	}
	if !g.celOnly && rapid.IntRange(0, 7).Draw(g.t, "coalesce") == 0 {
		return "coalesce(" + sub(kind) + ", " + sub(kind) + ")"
	}
	switch kind {
	case featurestore.KindInt64:
		if !g.celOnly {
			switch g.pick("op", "op", "min", "clip", "abs") {
			case "min":
				return g.pick("min", "max") + "(" + sub(kind) + ", " + sub(kind) + ")"
			case "clip":
				return "clip(" + sub(kind) + ", " + sub(kind) + ", " + sub(kind) + ")"
			case "abs":
				return "abs(" + sub(kind) + ")"
			}
		}
		// Operands on either side may need parentheses or not: both are drawn.
		return paren(paren(sub(kind)) + " " + g.pick("+", "-", "*", "/", "%") + " " + paren(sub(kind)))
	case featurestore.KindDouble:
		ops := []string{"+", "-", "*"}
		if !g.celOnly {
			ops = append(ops, "/")
		}
		return paren(paren(sub(kind)) + " " + g.pick(ops...) + " " + paren(sub(kind)))
	case featurestore.KindString:
		return paren(sub(kind) + " + " + sub(kind))
	}
	of := rapid.SampledFrom([]featurestore.Kind{featurestore.KindInt64, featurestore.KindDouble, featurestore.KindString}).Draw(g.t, "of")
	switch g.pick("compare", "logic", "not", "text", "in", "has") {
	case "logic":
		return paren(paren(sub(kind)) + " " + g.pick("&&", "||") + " " + paren(sub(kind)))
	case "not":
		return "!(" + sub(kind) + ")"
	case "text":
		return "(" + sub(featurestore.KindString) + ")." + g.pick("contains", "startsWith", "endsWith") + "(" + sub(featurestore.KindString) + ")"
	case "in":
		return "(" + sub(featurestore.KindInt64) + " in [1, 2, -3])"
	case "has":
		if !g.celOnly {
			return "has(" + sub(of) + ")"
		}
	}
	return "(" + sub(of) + " " + g.pick("==", "!=", "<", "<=", ">", ">=") + " " + sub(of) + ")"
}

func (g generator) leaf(kind featurestore.Kind) string {
	switch kind {
	case featurestore.KindInt64:
		return g.pick("a", "b", "1", "2", "-3", "7", "9223372036854775807", "-9223372036854775808")
	case featurestore.KindDouble:
		return g.pick("x", "y", "0.5", "2.0", "-3.25", "1e3")
	case featurestore.KindString:
		return g.pick("s", "t", `"a"`, `"ab"`, `"日"`)
	}
	return g.pick("p", "q", "true", "false")
}

// genRow draws a row of genVars.
func genRow(t *rapid.T, nulls bool) []featurestore.Value {
	ints := rapid.SampledFrom([]int64{0, 1, -1, 2, 7, -3, 1 << 62, -1 << 63, 1<<63 - 1})
	doubles := rapid.SampledFrom([]float64{0, 1, -1, 0.5, 1e3, -3.25})
	texts := rapid.SampledFrom([]string{"", "a", "ab", "日本"})
	var r []featurestore.Value
	for i, v := range genVars() {
		cell := featurestore.Null
		switch {
		case nulls && rapid.IntRange(0, 3).Draw(t, fmt.Sprint("null", i)) == 0:
		case v.Type.Kind == featurestore.KindInt64:
			cell = featurestore.Int64Value(ints.Draw(t, v.Name))
		case v.Type.Kind == featurestore.KindDouble:
			cell = featurestore.DoubleValue(doubles.Draw(t, v.Name))
		case v.Type.Kind == featurestore.KindString:
			cell = featurestore.StringValue(texts.Draw(t, v.Name))
		default:
			cell = featurestore.BoolValue(rapid.Bool().Draw(t, v.Name))
		}
		r = append(r, cell)
	}
	return r
}

func genKind(t *rapid.T) featurestore.Kind {
	return rapid.SampledFrom([]featurestore.Kind{featurestore.KindBool, featurestore.KindInt64, featurestore.KindDouble, featurestore.KindString}).Draw(t, "kind")
}

// refusedConstant reports the refusal of a part that no row can save.
func refusedConstant(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "on every row") || strings.Contains(err.Error(), "division by zero"))
}
