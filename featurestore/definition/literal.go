package definition

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/freshet/freshet/featurestore"
)

// literal reads a value and reports one that does not fit; what names it. A list
// and a mapping are read part by part, each with its own place.
func (l *loader) literal(n *node, t featurestore.Type, what string) (featurestore.Value, bool) {
	switch {
	case n.bad:
		return featurestore.Null, false
	case t.Kind == featurestore.KindList && n.form == formList:
		return l.listLiteral(n, t, what)
	case t.Kind == featurestore.KindMap && n.form == formObject:
		return l.mapLiteral(n, t, what)
	}
	v, err := literal(n, t)
	if err == nil {
		return v, true
	}
	message, hint := splitHint(err)
	if hint == "" {
		hint = literalHint(n, t)
	}
	l.problem(n, hint, "%s: %s", what, message)
	return v, false
}

func (l *loader) listLiteral(n *node, t featurestore.Type, what string) (featurestore.Value, bool) {
	elems, ok := make([]featurestore.Value, len(n.items)), true
	for i, item := range n.items {
		var fits bool
		elems[i], fits = l.literal(item, *t.Elem, "an item of "+what)
		ok = ok && fits
	}
	return featurestore.ListValue(elems), ok
}

// mapLiteral puts the keys, which YAML has in any order, in theirs.
func (l *loader) mapLiteral(n *node, t featurestore.Type, what string) (featurestore.Value, bool) {
	keys, values, ok := make([]string, len(n.keys)), make([]featurestore.Value, len(n.keys)), true
	for i, k := range n.keys {
		var fits bool
		keys[i] = k.text
		values[i], fits = l.literal(n.items[i], *t.Elem, fmt.Sprintf("%s of %s", quoted(keys[i]), what))
		ok = ok && fits
	}
	v, err := featurestore.MapOf(keys, values)
	return v, ok && err == nil // keys that stand twice were reported
}

func literalHint(n *node, t featurestore.Type) string {
	switch t.Kind {
	case featurestore.KindBool:
		return "write true or false"
	case featurestore.KindInt64:
		return "write plain decimal digits, as 12"
	case featurestore.KindDouble:
		return "write a number, as 1.5"
	case featurestore.KindBytes:
		return "write base64 in quotes"
	case featurestore.KindTimestamp:
		return "write as \"2013-01-01T12:00:00Z\""
	case featurestore.KindDecimal:
		return fmt.Sprintf("write a number of at most %d fraction digits", t.Scale)
	}
	switch {
	case t.Kind == featurestore.KindList:
		return "write a list, as [1, 2]"
	case t.Kind == featurestore.KindMap:
		return "write a mapping, as {key: 1}"
	case n.form == formScalar:
		return "write it in quotes: " + quoted(n.text)
	}
	return "write text"
}

// literal reads a YAML scalar as a value of a type; null is null. Nothing is
// converted: text is no number, and a number no text.
func literal(n *node, t featurestore.Type) (featurestore.Value, error) {
	if n.form != formScalar {
		return featurestore.Null, fmt.Errorf("%s is not a value of type %s", describe(n), t)
	}
	if n.tag == tagNull {
		return featurestore.Null, nil
	}
	tags := map[featurestore.Kind][]string{
		featurestore.KindBool: {tagBool}, featurestore.KindInt64: {tagInt}, featurestore.KindDouble: {tagInt, tagFloat},
		featurestore.KindString: {tagString}, featurestore.KindBytes: {tagString}, featurestore.KindTimestamp: {tagString, tagTimestamp},
		featurestore.KindDecimal: {tagString, tagInt, tagFloat},
	}[t.Kind]
	if !slices.Contains(tags, n.tag) {
		return featurestore.Null, fmt.Errorf("%s is not a value of type %s", describe(n), t)
	}
	v, err := scalarLiteral(n.text, t)
	if err != nil {
		return featurestore.Null, fmt.Errorf("%s is not a value of type %s: %w", quoted(n.text), t, err)
	}
	return v, nil
}

func scalarLiteral(text string, t featurestore.Type) (featurestore.Value, error) {
	switch t.Kind {
	case featurestore.KindBool:
		return featurestore.BoolValue(strings.EqualFold(text, "true")), nil
	case featurestore.KindInt64:
		if !decimalDigits(text) {
			return featurestore.Null, fmt.Errorf("write plain decimal digits")
		}
		n, err := strconv.ParseInt(text, 10, 64)
		return featurestore.Int64Value(n), err
	case featurestore.KindDouble:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) || strings.ContainsAny(text, "_xXoObB") {
			return featurestore.Null, fmt.Errorf("write a finite decimal number")
		}
		return featurestore.DoubleValue(f), nil
	case featurestore.KindBytes:
		b, err := base64.StdEncoding.DecodeString(text)
		return featurestore.BytesValue(string(b)), err
	case featurestore.KindTimestamp:
		at, err := featurestore.ParseInstant(text)
		return featurestore.TimestampValue(at), err
	case featurestore.KindDecimal:
		d, err := featurestore.ParseDecimal(text, t.Precision, t.Scale)
		return featurestore.DecimalValue(d), err
	}
	return featurestore.StringValue(text), nil
}

// decimalDigits reports an integer without a leading zero, underscore or base.
func decimalDigits(text string) bool {
	digits := strings.TrimPrefix(text, "-")
	return digits == "0" || digits != "" && digits[0] != '0' && strings.Trim(digits, "0123456789") == ""
}
