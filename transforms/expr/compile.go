package expr

import (
	"github.com/freshet/freshet/featurestore"
)

// row is what an expression runs over: one cell a variable.
type row = []featurestore.Value

// state says of a result whether it is there. States join by or: a failed
// operand makes a failed result, a null one a null result.
type state uint8

const (
	stOK     state = 0
	stNull   state = 1
	stFailed state = 3
)

// fn is a compiled expression. The value means nothing unless the state is stOK.
type fn[T any] func(row) (T, state)

// code is a compiled expression in the form that its type has: one of the
// fields is set. i also holds timestamps and decimals, s also bytes, v lists
// and maps.
type code struct {
	b fn[bool]
	i fn[int64]
	d fn[float64]
	s fn[string]
	v fn[featurestore.Value]
}

// compile turns a checked tree into closures.
func compile(n *node) code {
	switch n.kind {
	case nodeLiteral:
		return literal(n)
	case nodeVar:
		return load(n.slot, n.typ.Kind)
	}
	args := make([]code, len(n.args))
	for i, a := range n.args {
		args[i] = compile(a)
	}
	switch n.name {
	case opCond, "coalesce", "has", "min", "max", "clip":
		return compileChoice(n, args)
	case opAnd, opOr, opNot:
		return compileLogic(n, args)
	case opEq, opNe, opLt, opLe, opGt, opGe:
		return code{b: compileComparison(n, args)}
	case opAdd, opSub, opMul, opDiv, opMod, opNeg, opNarrow, "abs":
		return compileArithmetic(n, args)
	case "ceil", "floor", "round", "log", "log1p", "exp", "sqrt", "pow":
		return code{d: compileMath(n.name, args)}
	case "int64", "double", "string", "bool", "bytes":
		return compileCast(n, args[0])
	case "hour", "day_of_week", "seconds_between":
		return compileTime(n, args)
	case "hash", "bucketize", "one_hot":
		return compileEncoding(n, args)
	case opIn, opIndex:
		return compileMember(n, args)
	}
	return compileText(n, args)
}

// constantOf is a function of no row.
func constantOf[T any](x T, s state) fn[T] {
	return func(row) (T, state) { return x, s }
}

func literal(n *node) code {
	s := stOK
	if n.value.IsNull() {
		s = stNull
	}
	switch n.typ.Kind {
	case featurestore.KindBool:
		return code{b: constantOf(n.value.Bool(), s)}
	case featurestore.KindDouble:
		return code{d: constantOf(n.value.Double(), s)}
	case featurestore.KindInt64, featurestore.KindTimestamp, featurestore.KindDecimal:
		return code{i: constantOf(n.value.Int64(), s)}
	case featurestore.KindString, featurestore.KindBytes:
		return code{s: constantOf(n.value.Str(), s)}
	}
	return code{v: constantOf(n.value, s)}
}

// load reads a variable. A cell of another kind than declared is null, as a
// missing one is.
func load(slot int, kind featurestore.Kind) code {
	return unpack(kind, func(r row) (featurestore.Value, state) { return r[slot], stOK }, slot)
}

// unpack gives a value the form of its kind. Where slot is not negative the
// value is that cell, which is then read in place.
func unpack(kind featurestore.Kind, f fn[featurestore.Value], slot int) code {
	switch kind {
	case featurestore.KindBool:
		return code{b: unpacked(f, slot, kind, featurestore.Value.Bool)}
	case featurestore.KindDouble:
		if slot >= 0 {
			return code{d: func(r row) (float64, state) {
				if c := &r[slot]; c.Kind() == featurestore.KindDouble {
					return c.Double(), stOK
				}
				return 0, stNull
			}}
		}
		return code{d: unpacked(f, slot, kind, featurestore.Value.Double)}
	case featurestore.KindInt64, featurestore.KindTimestamp, featurestore.KindDecimal:
		if slot >= 0 {
			return code{i: func(r row) (int64, state) {
				if c := &r[slot]; c.Kind() == kind {
					return c.Int64(), stOK
				}
				return 0, stNull
			}}
		}
		return code{i: unpacked(f, slot, kind, featurestore.Value.Int64)}
	case featurestore.KindString, featurestore.KindBytes:
		return code{s: unpacked(f, slot, kind, featurestore.Value.Str)}
	}
	return code{v: unpacked(f, slot, kind, func(v featurestore.Value) featurestore.Value { return v })}
}

func unpacked[T any](f fn[featurestore.Value], slot int, kind featurestore.Kind, get func(featurestore.Value) T) fn[T] {
	if slot >= 0 {
		return func(r row) (x T, s state) {
			if r[slot].Kind() == kind {
				return get(r[slot]), stOK
			}
			return x, stNull
		}
	}
	return func(r row) (x T, s state) {
		v, s := f(r)
		if s == stOK && v.Kind() == kind {
			return get(v), stOK
		}
		return x, s | stNull
	}
}

// wrap turns the code of the whole expression into a function that gives a Value.
func wrap(kind featurestore.Kind, c code) func(row) (featurestore.Value, state) {
	switch kind {
	case featurestore.KindBool:
		return wrapped(c.b, featurestore.BoolValue)
	case featurestore.KindDouble:
		// The two commonest forms do without a call of the constructor.
		f := c.d
		return func(r row) (v featurestore.Value, s state) {
			x, s := f(r)
			if s == stOK {
				v = featurestore.DoubleValue(x)
			}
			return v, s
		}
	case featurestore.KindInt64:
		f := c.i
		return func(r row) (v featurestore.Value, s state) {
			x, s := f(r)
			if s == stOK {
				v = featurestore.Int64Value(x)
			}
			return v, s
		}
	case featurestore.KindDecimal:
		return wrapped(c.i, featurestore.DecimalValue)
	case featurestore.KindTimestamp:
		return wrapped(c.i, func(t int64) featurestore.Value { return featurestore.TimestampValue(featurestore.Instant(t)) })
	case featurestore.KindString:
		return wrapped(c.s, featurestore.StringValue)
	case featurestore.KindBytes:
		return wrapped(c.s, featurestore.BytesValue)
	}
	return wrapped(c.v, func(v featurestore.Value) featurestore.Value { return v })
}

func wrapped[T any](f fn[T], value func(T) featurestore.Value) func(row) (featurestore.Value, state) {
	return func(r row) (featurestore.Value, state) {
		x, s := f(r)
		if s != stOK {
			return featurestore.Null, s
		}
		return value(x), stOK
	}
}
