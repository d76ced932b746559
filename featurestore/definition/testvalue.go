package definition

import (
	"encoding/json"

	"github.com/freshet/freshet/featurestore"
)

// expectedValue reads a value, or {value, status}.
func (l *loader) expectedValue(k, v *node, t featurestore.Type) ExpectedValue {
	e := ExpectedValue{Place: k.place(), Feature: k.text}
	if v.form == formObject && !v.isMapOf(t) {
		l.checkShape(v, expectedShape(), quoted(k.text), "")
		if status := v.get("status"); status != nil {
			e.Status, _ = featurestore.ParseStatus(status.text) // checked by its shape
		}
		if v = v.get("value"); v == nil {
			return e
		}
	}
	e.Value, _ = l.literal(v, t, k.text)
	return e
}

// isMapOf tells the value of a map from {value, status}, which wins where it
// could be both: it has the key value, which is a mapping or null, and at most
// status beside it.
func (n *node) isMapOf(t featurestore.Type) bool {
	if t.Kind != featurestore.KindMap {
		return false
	}
	for _, k := range n.keys {
		if k.text != "value" && k.text != "status" {
			return true
		}
	}
	value := n.get("value")
	return value == nil || value.form != formObject && !value.isNull()
}

func expectedShape() *shape {
	var statuses []string
	for s := featurestore.InvalidKey; s <= featurestore.Present; s++ {
		statuses = append(statuses, s.String())
	}
	return object("a mapping of value and status",
		field{key: "value", shape: anyShape(), need: true, doc: "write {value: null, status: EMPTY}"},
		field{key: "status", shape: wordShape("status", statuses, nil), doc: "The expected status; any where it is missing."})
}

// timeJSON writes a time as it stands: whole numbers as numbers, all else as text.
func timeJSON(n *node) []byte {
	switch {
	case n.form != formScalar:
		return nil
	case n.tag == tagNull:
		return []byte("null")
	case n.tag == tagInt && decimalDigits(n.text):
		return []byte(n.text)
	}
	return textJSON(n.text)
}

func textJSON(text string) []byte {
	out, err := json.Marshal(text)
	if err != nil {
		return nil
	}
	return out
}

// valueJSON writes a value as a topic would hold it.
func valueJSON(v featurestore.Value, t featurestore.Type) []byte {
	return featurestore.AppendJSON(nil, v, t)
}
