package conformance

import (
	"bytes"
	"encoding/json"

	"github.com/freshet/freshet/featurestore"
)

// wire is the record as a source would send it: an object of the key columns,
// the fields, and the event time under "ts"; a change is Debezium's envelope of
// two such objects.
func (c *Case) wire(e *Event, r *record) ([]byte, error) {
	if !r.change {
		return json.Marshal(c.object(e, r.after))
	}
	envelope := map[string]any{"before": nil, "after": nil, "ts_ms": int64(e.LogTime) / 1000}
	envelope["source"] = map[string]any{"ts_ms": r.mutated / 1000, "ts_us": r.mutated, "ts_ns": r.mutated * 1000}
	op := "u"
	switch {
	case r.before == nil:
		op = "c"
	case r.after == nil:
		op = "d"
	}
	envelope["op"] = op
	if r.before != nil {
		envelope["before"] = c.object(e, r.before)
	}
	if r.after != nil {
		envelope["after"] = c.object(e, r.after)
	}
	return json.Marshal(envelope)
}

func (c *Case) object(e *Event, j *imageJSON) map[string]any {
	object := map[string]any{}
	for i, k := range c.Key {
		object[k.Name] = "u1" // the default entity
		if j.Entity != nil {
			object[k.Name] = j.Entity[i]
		}
	}
	for _, col := range c.Columns {
		object[col.Name] = wireValue(j.Fields[col.Name], col.Type)
	}
	object["ts"] = j.E
	if t, bad, err := instant(j.E); bad == "" && err == nil && c.Sources[e.PartitionID.Source].TextTime {
		object["ts"] = t.String()
	}
	return object
}

// wireValue is a field as a JSON record carries it. JSON has no NaN and no
// infinity: such a value goes as null.
func wireValue(raw json.RawMessage, t featurestore.Type) json.RawMessage {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return json.RawMessage("null")
	}
	text := literal(raw)
	switch t.Kind {
	case featurestore.KindDouble:
		if v, err := parseText(text, t); err != nil || v.IsNull() {
			return json.RawMessage("null")
		}
		return json.RawMessage(text)
	case featurestore.KindInt64:
		return json.RawMessage(text)
	case featurestore.KindList:
		return wireComposite[[]json.RawMessage](raw, *t.Elem)
	case featurestore.KindMap:
		return wireComposite[map[string]json.RawMessage](raw, *t.Elem)
	}
	return raw
}

func wireComposite[C []json.RawMessage | map[string]json.RawMessage](raw json.RawMessage, elem featurestore.Type) json.RawMessage {
	var values C
	if err := json.Unmarshal(raw, &values); err != nil {
		return raw // which parseValue has refused
	}
	switch v := any(values).(type) {
	case []json.RawMessage:
		for i := range v {
			v[i] = wireValue(v[i], elem)
		}
	case map[string]json.RawMessage:
		for k := range v {
			v[k] = wireValue(v[k], elem)
		}
	}
	out, err := json.Marshal(values)
	if err != nil {
		return raw
	}
	return out
}
