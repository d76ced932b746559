package decode

import (
	"fmt"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/schema"
	"github.com/freshet/freshet/ingest/logrecord"
)

func changes() *definition.StreamSource {
	return sourceOf("debezium", definition.TimeSpec{Name: "created", Format: definition.FormatUnixUS},
		field("id", featurestore.Int64), field("amount", featurestore.Double), field("note", featurestore.String))
}

func row(id int, amount float64, created int) string {
	return fmt.Sprintf(`{"id":%d,"amount":%g,"note":"n","created":%d}`, id, amount, created)
}

func envelopeOf(op, before, after string) string {
	return fmt.Sprintf(`{"before":%s,"after":%s,"source":{"version":"3","table":"orders","ts_ms":20,"q":{"ts_ms":1}},"transaction":null,"op":%q,"ts_ms":30}`, before, after, op)
}

// seen is an event in short.
func seen(e featurestore.Event) string {
	return fmt.Sprintf("%d %d@%d/%d", e.Change, e.Fields[0].Int64(), e.Time, e.Mutated)
}

func TestDebeziumJSON(t *testing.T) {
	const added, retracted = "1 1@10/20000", "2 1@10/20000"
	wrapped := func(payload string) string {
		return `{"schema":{"type":"struct","fields":[]},"payload":` + payload + `}`
	}
	flat := func(more string) string { return `{"id":1,"amount":2,"note":null,"created":10,` + more + `}` }
	for _, c := range []struct {
		name, json string
		want       []string
		code       Code
		says       string
	}{
		{"create", envelopeOf("c", "null", row(1, 2, 10)), []string{added}, "", ""},
		{"read", envelopeOf("r", "null", row(1, 2, 10)), []string{added}, "", ""},
		{"update", envelopeOf("u", row(1, 2, 10), row(1, 3, 11)), []string{retracted, "1 1@11/20000"}, "", ""},
		{"key changes", envelopeOf("u", row(1, 2, 10), row(2, 2, 10)), []string{retracted, "1 2@10/20000"}, "", ""},
		{"delete", envelopeOf("d", row(1, 2, 10), "null"), []string{retracted}, "", ""},
		{"wrapped", wrapped(envelopeOf("u", row(1, 2, 10), row(1, 3, 11))), []string{retracted, "1 1@11/20000"}, "", ""},
		{"wrapped tombstone", wrapped("null"), nil, "", ""},
		{"flattened create", flat(`"__op":"c","__deleted":"false","__source_ts_ms":20`), []string{added}, "", ""},
		{"flattened delete", flat(`"__op":"d","__deleted":"true","__source_ts_ms":20`), []string{retracted}, "", ""},
		{"flattened, wrapped", wrapped(flat(`"__op":"r","__source_ts_ms":20`)), []string{added}, "", ""},
		{"own time", strings.Replace(envelopeOf("c", "null", row(1, 2, 10)), `"ts_ms":20,`, "", 1), []string{"1 1@10/30000"}, "", ""},
		{"update without before", envelopeOf("u", "null", row(1, 2, 10)), nil, CodeNoBefore, "REPLICA IDENTITY FULL"},
		{"before of the key alone", envelopeOf("u", `{"id":1}`, row(1, 2, 10)), nil, CodeNoBefore, "no column"},
		{"before with nulls", envelopeOf("d", `{"id":1,"amount":null,"note":null,"created":null}`, "null"), nil, CodeNoBefore, `"created"`},
		{"delete without before", envelopeOf("d", "null", "null"), nil, CodeNoBefore, "no before-image"},
		{"create without after", envelopeOf("c", "null", "null"), nil, CodeDebezium, "without the row"},
		{"update without after", envelopeOf("u", row(1, 2, 10), "null"), nil, CodeDebezium, "without the row"},
		{"flattened update", flat(`"__op":"u","__source_ts_ms":20`), nil, CodeNoBefore, "ExtractNewRecordState"},
		{"flattened, no operation", flat(`"x":1`), nil, CodeDebezium, "add.fields"},
		{"flattened, no time", flat(`"__op":"c"`), nil, CodeDebezium, "add.fields"},
		{"truncate", envelopeOf("t", "null", "null"), nil, CodeTruncate, "emptied"},
		{"message", envelopeOf("m", "null", "null"), nil, CodeDebezium, `"m"`},
		{"large value not sent", envelopeOf("u", row(1, 2, 10), strings.Replace(row(1, 2, 10), `"n"`, `"__debezium_unavailable_value"`, 1)), nil, CodeNoBefore, "not sent"},
		{"bad before", envelopeOf("u", `{"id":"x"}`, row(1, 2, 10)), nil, CodeType, "id"},
		{"before is no row", envelopeOf("u", `7`, row(1, 2, 10)), nil, CodeJSON, "object"},
		{"no time of the row", envelopeOf("c", "null", `{"id":1}`), nil, CodeNoTime, "created"},
		{"member twice", `{"op":"c","op":"d"}`, nil, CodeDuplicate, "twice"},
		{"cut", `{"op":"c",`, nil, CodeJSON, "ends"},
		{"not JSON", `c`, nil, CodeJSON, "object"},
		{"empty", ``, nil, CodeEmpty, "no value"},
		{"row ahead", envelopeOf("c", "null", row(1, 2, 400_000_000)), nil, CodeAhead, "after the log time"},
		{"change ahead", strings.Replace(envelopeOf("c", "null", row(1, 2, 10)), `"ts_ms":20`, `"ts_ms":400000`, 1), nil, CodeAhead, "after the log time"},
		{"no such time", strings.Replace(envelopeOf("c", "null", row(1, 2, 10)), `"ts_ms":20`, `"ts_ms":9223372036854775807`, 1), nil, CodeTime, "no time"},
	} {
		value := []byte(c.json)
		if c.json == "" {
			value = []byte{}
		}
		events, err := decodeAll(t, changes(), logrecord.Record{LogTime: second, Value: value}, Options{})
		if c.code != "" {
			wantCode(t, c.name, err, c.code, c.says)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []string
		for _, e := range events {
			got = append(got, seen(e))
		}
		if strings.Join(got, ", ") != strings.Join(c.want, ", ") {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestTombstone(t *testing.T) {
	d, err := New(changes(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	if err := d.Append(&b, &logrecord.Record{LogTime: second, Key: []byte("k")}, featurestore.PartitionID{}); err != nil || len(b.Events) != 0 || b.Tombstones != 1 {
		t.Errorf("%v, %+v", err, b)
	}
	_, err = decodeAll(t, sourceOf("json", unixMS), logrecord.Record{LogTime: second}, Options{})
	wantCode(t, "in a stream of events", err, CodeEmpty, "no value")
}

// TestChangeTime: where the event time is that of the change, rows can be added
// and nothing can be taken back.
func TestChangeTime(t *testing.T) {
	src := changes()
	src.Timestamp = definition.TimeSpec{Name: definition.ChangeTime, Format: definition.FormatUnixMS}
	events, err := decodeAll(t, src, logrecord.Record{LogTime: second, Value: []byte(envelopeOf("c", "null", row(1, 2, 10)))}, Options{})
	if err != nil || len(events) != 1 || seen(events[0]) != "1 1@20000/20000" {
		t.Errorf("%v, %v", events, err)
	}
	_, err = decodeAll(t, src, logrecord.Record{LogTime: second, Value: []byte(envelopeOf("u", row(1, 2, 10), row(1, 3, 10)))}, Options{})
	wantCode(t, "update", err, CodeDebezium, "declare a timestamp of the row")
}

// TestReplayedChanges: what is replayed is what was.
func TestReplayedChanges(t *testing.T) {
	for _, src := range []*definition.StreamSource{changes(), func() *definition.StreamSource {
		s := changes()
		s.Timestamp = definition.TimeSpec{Name: definition.ChangeTime, Format: definition.FormatUnixMS}
		return s
	}()} {
		e, err := NewEncoder(src)
		if err != nil {
			t.Fatal(err)
		}
		ev := featurestore.Event{
			Time: 10, LogTime: second, Change: featurestore.Retracted, Mutated: 777, Position: featurestore.Position{Offset: 5},
			Fields: []featurestore.Value{featurestore.Int64Value(1), featurestore.DoubleValue(2), featurestore.Null},
		}
		value, err := e.AppendValue(nil, &ev)
		if err != nil {
			t.Fatal(err)
		}
		events, err := decodeAll(t, src, logrecord.Record{LogTime: 0, Value: value, Headers: e.AppendHeaders(nil, &ev)}, Options{Replay: true})
		if err != nil || len(events) != 1 || seen(events[0]) != "2 1@10/777" || events[0].Offset != 5 || events[0].LogTime != second {
			t.Errorf("%+v, %v", events, err)
		}
	}
}

const envelopeAvro = `{"type":"record","name":"Envelope","namespace":"db","fields":[
 {"name":"before","type":["null",{"type":"record","name":"Value","fields":[{"name":"id","type":"long"},{"name":"amount","type":["null","double"]},{"name":"note","type":["null","string"]},{"name":"created","type":"long"}]}]},
 {"name":"after","type":["null","Value"]},
 {"name":"source","type":{"type":"record","name":"Source","fields":[{"name":"version","type":"string"},{"name":"ts_ms","type":"long"},{"name":"snapshot","type":["string","null"]}]}},
 {"name":"op","type":"string"},{"name":"ts_ms","type":["null","long"]},
 {"name":"transaction","type":["null",{"type":"record","name":"block","fields":[{"name":"id","type":"string"}]}]}]}`

const flatAvro = `{"type":"record","name":"Value","fields":[{"name":"id","type":"long"},{"name":"amount","type":["null","double"]},{"name":"created","type":"long"},
 {"name":"__op","type":["null","string"]},{"name":"__source_ts_ms","type":["null","long"]},{"name":"__deleted","type":["null","string"]}]}`

func TestDebeziumAvro(t *testing.T) {
	value := func(id int64, amount float64, created int64) any {
		return map[string]any{"id": id, "amount": amount, "note": "n", "created": created}
	}
	whole := func(op string, before, after any) []byte {
		return avroBytes(t, envelopeAvro, map[string]any{"before": before, "after": after, "source": map[string]any{"version": "3", "ts_ms": int64(20), "snapshot": nil}, "op": op, "ts_ms": int64(30), "transaction": nil})
	}
	flat := func(op, deleted string) []byte {
		return avroBytes(t, flatAvro, map[string]any{"id": int64(1), "amount": 2.0, "created": int64(10), "__op": op, "__source_ts_ms": int64(20), "__deleted": deleted})
	}
	for _, c := range []struct {
		name, schema string
		value        []byte
		want         string
		code         Code
	}{
		{"create", envelopeAvro, whole("c", nil, value(1, 2, 10)), "1 1@10/20000", ""},
		{"update", envelopeAvro, whole("u", value(1, 2, 10), value(1, 3, 11)), "2 1@10/20000, 1 1@11/20000", ""},
		{"delete", envelopeAvro, whole("d", value(1, 2, 10), nil), "2 1@10/20000", ""},
		{"no before", envelopeAvro, whole("u", nil, value(1, 2, 10)), "", CodeNoBefore},
		{"truncate", envelopeAvro, whole("t", nil, nil), "", CodeTruncate},
		{"cut", envelopeAvro, whole("c", nil, value(1, 2, 10))[:9], "", CodeAvro},
		{"flattened create", flatAvro, flat("c", "false"), "1 1@10/20000", ""},
		{"flattened delete", flatAvro, flat("d", "true"), "2 1@10/20000", ""},
		{"flattened update", flatAvro, flat("u", "false"), "", CodeNoBefore},
	} {
		src := changes()
		parsed, err := schema.ParseAvro(c.schema)
		if err != nil {
			t.Fatal(err)
		}
		src.Schema = &definition.SchemaRef{File: "x.avsc", Avro: parsed}
		events, err := decodeAll(t, src, logrecord.Record{LogTime: second, Value: c.value}, Options{})
		if c.code != "" {
			wantCode(t, c.name, err, c.code, "")
			continue
		}
		var got []string
		for _, e := range events {
			got = append(got, seen(e))
		}
		if err != nil || strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %v, %v; want %s", c.name, got, err, c.want)
		}
	}
}
