package featurestore

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind is the shape of a value, without its parameters.
type Kind uint8

// The kinds of the definition language. KindNull is the kind of a missing
// value and of no declared type.
const (
	KindNull Kind = iota
	KindBool
	KindInt64
	KindDouble
	KindString
	KindBytes
	KindTimestamp
	KindDecimal
	KindList
	KindMap
	KindStruct
)

var kindNames = [...]string{"null", "bool", "int64", "double", "string", "bytes", "timestamp", "decimal", "list", "map", "struct"}

// String gives the kind's name in the definition language.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// Type is a declared type. Elem is the element of a list and the value of a
// map (whose keys are strings); Precision and Scale belong to a decimal. The
// zero Type is no type.
type Type struct {
	Kind      Kind
	Precision int
	Scale     int
	Elem      *Type
}

// The types without parameters.
var (
	Bool      = Type{Kind: KindBool}
	Int64     = Type{Kind: KindInt64}
	Double    = Type{Kind: KindDouble}
	String    = Type{Kind: KindString}
	Bytes     = Type{Kind: KindBytes}
	Timestamp = Type{Kind: KindTimestamp}
)

// MaxDecimalPrecision is the widest decimal: its unscaled value fits an int64.
const MaxDecimalPrecision = 18

// Decimal is the type decimal(precision, scale).
func Decimal(precision, scale int) Type {
	return Type{Kind: KindDecimal, Precision: precision, Scale: scale}
}

// List is the type list<elem>.
func List(elem Type) Type { return Type{Kind: KindList, Elem: &elem} }

// Map is the type map<string, elem>.
func Map(elem Type) Type { return Type{Kind: KindMap, Elem: &elem} }

// Equal reports whether two types are the same, parameters included.
func (t Type) Equal(o Type) bool {
	if t.Kind != o.Kind || t.Precision != o.Precision || t.Scale != o.Scale || (t.Elem == nil) != (o.Elem == nil) {
		return false
	}
	return t.Elem == nil || t.Elem.Equal(*o.Elem)
}

// String writes the type as a definition does.
func (t Type) String() string {
	switch t.Kind {
	case KindDecimal:
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	case KindList:
		return "list<" + t.Elem.String() + ">"
	case KindMap:
		return "map<string," + t.Elem.String() + ">"
	default:
		return t.Kind.String()
	}
}

// ParseType reads a type as definitions write it: "int64", "decimal(10,2)",
// "list<double>", "map<string,int64>".
func ParseType(s string) (Type, error) {
	s = strings.TrimSpace(s)
	for k := KindBool; k <= KindTimestamp; k++ {
		if s == k.String() {
			return Type{Kind: k}, nil
		}
	}
	if inner, ok := enclosed(s, "decimal(", ")"); ok {
		return parseDecimal(s, inner)
	}
	if inner, ok := enclosed(s, "list<", ">"); ok {
		elem, err := ParseType(inner)
		if err != nil {
			return Type{}, err
		}
		return List(elem), nil
	}
	if inner, ok := enclosed(s, "map<", ">"); ok {
		key, value, found := strings.Cut(inner, ",")
		if !found || strings.TrimSpace(key) != "string" {
			return Type{}, fmt.Errorf("type %q: a map is map<string,T>", s)
		}
		elem, err := ParseType(value)
		if err != nil {
			return Type{}, err
		}
		return Map(elem), nil
	}
	return Type{}, fmt.Errorf("unknown type %q: use bool, int64, double, string, bytes, timestamp, decimal(p,s), list<T> or map<string,T>", s)
}

func enclosed(s, open, end string) (string, bool) {
	if strings.HasPrefix(s, open) && strings.HasSuffix(s, end) {
		return s[len(open) : len(s)-len(end)], true
	}
	return "", false
}

func parseDecimal(whole, inner string) (Type, error) {
	p, s, found := strings.Cut(inner, ",")
	precision, err1 := strconv.Atoi(strings.TrimSpace(p))
	scale, err2 := strconv.Atoi(strings.TrimSpace(s))
	if !found || err1 != nil || err2 != nil {
		return Type{}, fmt.Errorf("type %q: a decimal is decimal(precision,scale)", whole)
	}
	if precision < 1 || precision > MaxDecimalPrecision || scale < 0 || scale > precision {
		return Type{}, fmt.Errorf("type %q: precision is 1 to %d and scale 0 to the precision", whole, MaxDecimalPrecision)
	}
	return Decimal(precision, scale), nil
}
