package files

import (
	"encoding/base64"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// fromText reads a cell of text as a value of type t; a timestamp has the form
// of the source's times. NaN and infinities are no numbers in text, and a number
// out of range is refused, never rounded away.
func fromText(t featurestore.Type, times *definition.TimeSpec, s string) (featurestore.Value, error) {
	switch t.Kind {
	case featurestore.KindBool:
		return boolFromText(s)
	case featurestore.KindInt64:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return featurestore.Null, fmt.Errorf("%q is not an int64", s)
		}
		return featurestore.Int64Value(n), nil
	case featurestore.KindDouble:
		return doubleFromText(s)
	case featurestore.KindString:
		if !utf8.ValidString(s) {
			return featurestore.Null, fmt.Errorf("%q is not UTF-8", s)
		}
		return featurestore.StringValue(s), nil
	case featurestore.KindBytes:
		b, err := base64.StdEncoding.Strict().DecodeString(s)
		if err != nil {
			return featurestore.Null, fmt.Errorf("%q is not base64", s)
		}
		return featurestore.BytesValue(string(b)), nil
	case featurestore.KindTimestamp:
		at, err := parseTime(times, s)
		if err != nil {
			return featurestore.Null, err
		}
		return featurestore.TimestampValue(at), nil
	case featurestore.KindDecimal:
		n, err := exactDecimal(s, t.Precision, t.Scale)
		if err != nil {
			return featurestore.Null, err
		}
		return featurestore.DecimalValue(n), nil
	case featurestore.KindList, featurestore.KindMap:
		return featurestore.ParseJSON(s, t)
	default:
		return featurestore.Null, fmt.Errorf("type %s is not read from text", t)
	}
}

func boolFromText(s string) (featurestore.Value, error) {
	switch s {
	case "true", "True", "TRUE":
		return featurestore.BoolValue(true), nil
	case "false", "False", "FALSE":
		return featurestore.BoolValue(false), nil
	default:
		return featurestore.Null, fmt.Errorf("%q is not true or false", s)
	}
}

func doubleFromText(s string) (featurestore.Value, error) {
	if s == "" || strings.Trim(s, "0123456789+-.eE") != "" {
		return featurestore.Null, fmt.Errorf("%q is not a double", s)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) {
		return featurestore.Null, fmt.Errorf("%q is not a double in range", s)
	}
	return featurestore.DoubleValue(f), nil
}

// exactDecimal reads a decimal exactly, also with an exponent.
func exactDecimal(s string, precision, scale int) (int64, error) {
	at := strings.IndexAny(s, "eE")
	if at < 0 {
		return featurestore.ParseDecimal(s, precision, scale)
	}
	number, ok := new(big.Rat).SetString(s[:at])
	exponent, err := strconv.Atoi(s[at+1:])
	if !jsonNumber(s) || !ok || err != nil || exponent > 100 || exponent < -100 {
		return 0, fmt.Errorf("%q is not a decimal(%d,%d)", s, precision, scale)
	}
	number.Mul(number, new(big.Rat).SetFrac(pow10(exponent+scale), pow10(-exponent-scale)))
	if !number.IsInt() || number.Num().CmpAbs(pow10(precision)) >= 0 {
		return 0, fmt.Errorf("%q is not exact as a decimal(%d,%d)", s, precision, scale)
	}
	return number.Num().Int64(), nil
}

// jsonNumber reports whether s is a number by the grammar of JSON.
func jsonNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole := digits(s)
	if whole == 0 || (whole > 1 && s[0] == '0') {
		return false
	}
	s = s[whole:]
	if frac, ok := strings.CutPrefix(s, "."); ok {
		n := digits(frac)
		if n == 0 {
			return false
		}
		s = frac[n:]
	}
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		s = s[1:]
		if s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		n := digits(s)
		return n > 0 && n == len(s)
	}
	return s == ""
}

// digits counts the leading decimal digits of s.
func digits(s string) int {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return i
		}
	}
	return len(s)
}

// texts cuts strings out of shared blocks, which are never written again: one
// allocation for many short texts, and no text changes under its reader.
type texts struct{ block strings.Builder }

const textBlock = 16 << 10

func (t *texts) add(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if t.block.Cap()-t.block.Len() < len(b) {
		t.block.Reset()
		t.block.Grow(max(textBlock, len(b)))
	}
	start := t.block.Len()
	t.block.Write(b)
	return t.block.String()[start:]
}
