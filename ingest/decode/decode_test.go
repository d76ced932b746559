package decode

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/logrecord"
)

// source has a field of every type; the time is not among the fields.
func source() *definition.StreamSource {
	return &definition.StreamSource{
		Meta:      definition.Meta{Name: "s"},
		Timestamp: definition.TimeSpec{Name: "ts"},
		EventID:   -1, Sequence: -1,
		Fields: []definition.Field{
			{Name: "b", Type: featurestore.Bool},
			{Name: "i", Type: featurestore.Int64},
			{Name: "d", Type: featurestore.Double},
			{Name: "s", Type: featurestore.String},
			{Name: "x", Type: featurestore.Bytes},
			{Name: "t", Type: featurestore.Timestamp},
			{Name: "m", Type: featurestore.Decimal(10, 2)},
			{Name: "secret", Type: featurestore.Int64, PII: true},
			{Name: "born", Type: featurestore.Timestamp, PII: true},
		},
	}
}

const (
	logTime = featurestore.LogTime(1_357_017_420_000_000) // 2013-01-01T05:17:00Z
	ts      = `"ts":"2013-01-01T05:17:00Z"`
)

func decodeOne(t testing.TB, src *definition.StreamSource, rec logrecord.Record, o Options) (featurestore.Event, error) {
	t.Helper()
	d, err := New(src, o)
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	if err := d.Append(&b, &rec, featurestore.PartitionID{Source: 3, Generation: 1, Partition: 7}); err != nil {
		if len(b.Events) != 0 || len(b.values) != 0 {
			t.Errorf("a bad record left %d events, %d values", len(b.Events), len(b.values))
		}
		return featurestore.Event{}, err
	}
	return b.Events[0], nil
}

func TestGoodRecord(t *testing.T) {
	e, err := decodeOne(t, source(), logrecord.Record{Offset: 42, LogTime: logTime, Value: []byte(` {
		"unknown": {"a": [1, {"b": null}], "c": "\ud83d\ude00"},
		"b": true, "i": -9223372036854775808, "d": 1e-7, "s": "a\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00é",
		"x": "AAH/", "t": "2013-03-10T02:30:00.5-05:00", "m": -12.3, "secret": null,
		"ts": "2013-01-01T00:17:00.000001-05:00" } `)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []featurestore.Value{
		featurestore.BoolValue(true), featurestore.Int64Value(-1 << 63), featurestore.DoubleValue(1e-7),
		featurestore.StringValue("a\"\\/\b\f\n\r\tAé😀é"), featurestore.BytesValue("\x00\x01\xff"),
		featurestore.TimestampValue(1_362_900_600_500_000), featurestore.DecimalValue(-1230), featurestore.Null, featurestore.Null,
	}
	for i := range want {
		if !e.Fields[i].Equal(want[i]) {
			t.Errorf("field %s is %v, want %v", source().Fields[i].Name, e.Fields[i], want[i])
		}
	}
	if e.Time != featurestore.EventTime(logTime)+1 || e.LogTime != logTime || e.Offset != 42 || e.Partition != 7 || e.Source != 3 || e.Generation != 1 {
		t.Errorf("event %+v", e)
	}
}

// TestBadRecords: every class of bad record has its code, and says what and where.
func TestBadRecords(t *testing.T) {
	for _, c := range []struct {
		name, json string
		code       Code
		says       string
	}{
		{"nothing", ``, CodeEmpty, "no value"},
		{"spaces", `   `, CodeJSON, "object"},
		{"array", `[]`, CodeJSON, "object"},
		{"string", `"a"`, CodeJSON, "object"},
		{"null", `null`, CodeJSON, "object"},
		{"number", `1`, CodeJSON, "object"},
		{"cut", `{"i": 1`, CodeJSON, "ends at byte 7"},
		{"cut in a name", `{"i`, CodeJSON, "ends"},
		{"cut in a string", `{"s": "abc`, CodeJSON, "ends"},
		{"cut in an escape", `{"s": "abc\`, CodeJSON, "ends"},
		{"cut in a literal", `{"b": tru`, CodeJSON, "a JSON value"},
		{"cut in a number", `{"d": 1.`, CodeJSON, "a digit"},
		{"no colon", `{"i" 1}`, CodeJSON, "colon"},
		{"no comma", `{"i": 1 "b": true}`, CodeJSON, "comma"},
		{"trailing comma", `{"i": 1,}`, CodeJSON, "a string"},
		{"trailing bytes", `{` + ts + `} x`, CodeJSON, "nothing after"},
		{"two objects", `{` + ts + `}{` + ts + `}`, CodeJSON, "nothing after"},
		{"trailing zero byte", `{` + ts + "}\x00", CodeJSON, "nothing after"},
		{"single quotes", `{'i': 1}`, CodeJSON, "a string"},
		{"bare name", `{i: 1}`, CodeJSON, "a string"},
		{"comment", `{"i": 1 /* one */}`, CodeJSON, "comma"},
		{"control character", "{\"s\": \"a\nb\"}", CodeJSON, "control character"},
		{"bad escape", `{"s": "\x41"}`, CodeJSON, "escapes"},
		{"bad hex", `{"s": "\u00g1"}`, CodeJSON, "hexadecimal"},
		{"lone surrogate", `{"s": "\ud83d"}`, CodeJSON, "surrogates"},
		{"swapped surrogates", `{"s": "\ude00\ud83d"}`, CodeJSON, "surrogates"},
		{"leading zero", `{"i": 01}`, CodeJSON, "comma"},
		{"leading plus", `{"i": +1}`, CodeJSON, "a JSON value"},
		{"bare dot", `{"d": .5}`, CodeJSON, "a JSON value"},
		{"NaN", `{"d": NaN}`, CodeJSON, "a JSON value"},
		{"Infinity", `{"d": -Infinity}`, CodeJSON, "a digit"},
		{"NaN as text", `{"d": "NaN"}`, CodeType, "double"},
		{"bad literal in an unknown name", `{"u": nul}`, CodeJSON, "a JSON value"},
		{"bad number in an unknown name", `{"u": [1e]}`, CodeJSON, "a digit"},
		{"open array in an unknown name", `{"u": [1, 2}`, CodeJSON, "comma"},
		{"same name twice", `{"i": 1, "i": 1}`, CodeDuplicate, `field "i"`},
		{"same name twice, escaped", `{"i": 1, "\u0069": 2}`, CodeDuplicate, `field "i"`},
		{"unknown name twice", `{"u": 1, "v": 2, "u": 3}`, CodeDuplicate, "twice"},
		{"time twice", `{` + ts + `,` + ts + `}`, CodeDuplicate, `field "ts"`},
		{"invalid UTF-8", "{\"s\": \"\xff\"}", CodeUTF8, "UTF-8"},
		{"invalid UTF-8 in an unknown name", "{\"\xc3\": 1}", CodeUTF8, "UTF-8"},
		{"overlong UTF-8", "{\"s\": \"\xc0\x80\"}", CodeUTF8, "UTF-8"},
		{"surrogate in UTF-8", "{\"s\": \"\xed\xa0\x80\"}", CodeUTF8, "UTF-8"},
		{"byte order mark", "\ufeff{}", CodeJSON, "object"},
		{"deep", `{"u": ` + strings.Repeat("[", 10_000), CodeTooDeep, "deeper than 32"},
		{"deep in a declared name", `{"s": ` + strings.Repeat(`{"a":`, 10_000), CodeTooDeep, "deeper than 32"},
		{"too large", `{"s": "` + strings.Repeat("x", 1<<20) + `"}`, CodeTooLarge, "at most 1048576"},
		{"bool of another type", `{"b": 1}`, CodeType, `"1" at byte 6 is not of type bool`},
		{"bool as text", `{"b": "true"}`, CodeType, `not of type bool`},
		{"int64 with a fraction", `{"i": 1.5}`, CodeType, `"1.5"`},
		{"int64 with a zero fraction", `{"i": 1.0}`, CodeType, "not an integer"},
		{"int64 with an exponent", `{"i": 1e3}`, CodeType, "not an integer"},
		{"int64 out of range", `{"i": 9223372036854775808}`, CodeType, "out of range"},
		{"int64 far out of range", `{"i": -99999999999999999999999}`, CodeType, "out of range"},
		{"int64 as text", `{"i": "1"}`, CodeType, "int64"},
		{"int64 as an object", `{"i": {"a": 1}}`, CodeType, "int64"},
		{"double out of range", `{"d": 1e400}`, CodeType, "out of range"},
		{"double as bool", `{"d": false}`, CodeType, "double"},
		{"string as number", `{"s": 5}`, CodeType, "string"},
		{"bytes not base64", `{"x": "a b"}`, CodeType, "base64"},
		{"bytes without padding", `{"x": "AAE"}`, CodeType, "base64"},
		{"decimal too fine", `{"m": 0.105}`, CodeType, "decimal(10,2)"},
		{"decimal out of range", `{"m": 123456789.00}`, CodeType, "out of range"},
		{"decimal as empty text", `{"m": ""}`, CodeType, "decimal(10,2)"},
		{"decimal NaN", `{"m": "NaN"}`, CodeType, "decimal(10,2)"},
		{"decimal plus", `{"m": "+1"}`, CodeType, "decimal(10,2)"},
		{"no time", `{"i": 1}`, CodeNoTime, `field "ts"`},
		{"null time", `{"ts": null}`, CodeNoTime, `field "ts"`},
		{"time without a zone", `{"ts": "2024-03-10 02:30:00"}`, CodeTimeNoZone, "no zone"},
		{"time without a zone, T", `{"ts": "2024-03-10T02:30:00"}`, CodeTimeNoZone, "no zone"},
		{"date only", `{"ts": "2024-03-10"}`, CodeTimeNoZone, "no zone"},
		{"field without a zone", `{` + ts + `, "t": "2024-03-10T02:30:00"}`, CodeTimeNoZone, `field "t"`},
		{"seven digits", `{"ts": "2013-01-01T05:17:00.1234567Z"}`, CodeTime, "6 fraction digits"},
		{"comma fraction", `{"ts": "2013-01-01T05:17:00,1234567Z"}`, CodeTime, "RFC 3339"},
		{"leap second", `{"ts": "2016-12-31T23:59:60Z"}`, CodeTime, "leap"},
		{"no such day", `{"ts": "2013-02-29T00:00:00Z"}`, CodeTime, "field"},
		{"year 0", `{"ts": "0000-06-01T00:00:00Z"}`, CodeTime, "0001 to 9999"},
		{"past the year 9999", `{"ts": "9999-12-31T23:59:59-01:00"}`, CodeTime, "0001 to 9999"},
		{"year 12024", `{"ts": "12024-01-01T00:00:00Z"}`, CodeTime, "field"},
		{"time as number", `{"ts": 1357017420}`, CodeTime, "declared format"},
		{"time as object", `{"ts": {}}`, CodeTime, "declared format"},
		{"time as empty text", `{"ts": ""}`, CodeTime, "RFC 3339"},
		{"ahead", `{"ts": "2013-01-01T05:22:00.000001Z"}`, CodeAhead, "5m"},
		{"year 9999 is ahead", `{"ts": "9999-01-01T00:00:00Z"}`, CodeAhead, "9999"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := decodeOne(t, source(), logrecord.Record{LogTime: logTime, Value: []byte(c.json)}, Options{})
			var bad *Error
			if !errors.As(err, &bad) {
				t.Fatalf("error %v", err)
			}
			if bad.Code != c.code || !strings.Contains(bad.Error(), c.says) {
				t.Errorf("%s: %s; want %s with %q", bad.Code, bad, c.code, c.says)
			}
			if len(bad.Error()) > 400 {
				t.Errorf("a message of %d bytes", len(bad.Error()))
			}
		})
	}
}

// TestGoodEdges: what lies just inside the rules.
func TestGoodEdges(t *testing.T) {
	for _, json := range []string{
		`{` + ts + `}`,
		`{"ts": "2013-01-01T05:22:00Z"}`, // five minutes ahead
		`{"ts": "0001-01-01T00:00:00Z"}`,
		`{"ts": "1969-12-31T23:59:59.999999Z"}`,
		`{` + ts + `, "i": -0}`,
		`{` + ts + `, "d": -0.0}`,
		`{` + ts + `, "d": 1e-400}`,
		`{` + ts + `, "m": 1e2}`,
		`{` + ts + `, "m": "99999999.99"}`,
		`{` + ts + `, "u": ` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`,
		`{` + ts + `, "i": null, "b": null, "d": null, "s": null, "x": null, "t": null, "m": null}`,
		`{` + ts + `, "s": "\u0000"}`,
	} {
		if _, err := decodeOne(t, source(), logrecord.Record{LogTime: logTime, Value: []byte(json)}, Options{}); err != nil {
			t.Errorf("%s: %v", json, err)
		}
	}
}

// TestNoPersonalData: no message shows a value of a field that is marked pii.
func TestNoPersonalData(t *testing.T) {
	for _, json := range []string{
		`{"secret": "7766554433"}`, `{"secret": 7766554433.5}`, `{"secret": 77665544337766554433}`,
		`{"born": "7766554433"}`, `{"born": 7766554433}`, `{"born": "7766-55-44T33:00:00Z"}`, `{"born": "7766-05-04T03:00:00"}`, `{"born": ["7766554433"]}`,
		`{"secret": 7766554433 7766554433}`, `{"secret": 7766554433`, `{"secret": "7766554433}`,
	} {
		_, err := decodeOne(t, source(), logrecord.Record{LogTime: logTime, Value: []byte(json)}, Options{})
		if err == nil || strings.Contains(err.Error(), "7766") {
			t.Errorf("%s: %v", json, err)
		}
	}
}

func TestTimeFormats(t *testing.T) {
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		spec definition.TimeSpec
		json string
		want featurestore.EventTime
	}{
		{"seconds", definition.TimeSpec{Format: definition.FormatUnixS}, `1357017420`, 1_357_017_420_000_000},
		{"seconds before 1970", definition.TimeSpec{Format: definition.FormatUnixS}, `-1.5`, -1_500_000},
		{"milliseconds", definition.TimeSpec{Format: definition.FormatUnixMS}, `1357017420123`, 1_357_017_420_123_000},
		{"microseconds", definition.TimeSpec{Format: definition.FormatUnixUS}, `1357017420123456`, 1_357_017_420_123_456},
		{"declared zone", definition.TimeSpec{Zone: newYork}, `"2013-01-01 00:17:00"`, 1_357_017_420_000_000},
		{"own zone first", definition.TimeSpec{Zone: newYork}, `"2013-01-01T05:17:00Z"`, 1_357_017_420_000_000},
		{"layout", definition.TimeSpec{Format: definition.FormatLayout, Layout: "02/01/2006 15:04:05 -0700"}, `"01/01/2013 00:17:00 -0500"`, 1_357_017_420_000_000},
		{"layout and zone", definition.TimeSpec{Format: definition.FormatLayout, Layout: "02/01/2006 15:04", Zone: newYork}, `"01/01/2013 00:17"`, 1_357_017_420_000_000},
	} {
		src := source()
		src.Timestamp = c.spec
		src.Timestamp.Name = "ts"
		e, err := decodeOne(t, src, logrecord.Record{LogTime: logTime + 1_000_000, Value: []byte(`{"ts":` + c.json + `}`)}, Options{})
		if err != nil || e.Time != c.want {
			t.Errorf("%s: %s, %v; want %s", c.name, e.Time, err, c.want)
		}
	}
	for _, c := range []struct {
		name string
		spec definition.TimeSpec
		json string
		code Code
	}{
		{"seconds as text", definition.TimeSpec{Format: definition.FormatUnixS}, `"1357017420"`, CodeTime},
		{"finer than a microsecond", definition.TimeSpec{Format: definition.FormatUnixS}, `1357017420.1234567`, CodeTime},
		{"half a microsecond", definition.TimeSpec{Format: definition.FormatUnixUS}, `1.5`, CodeTime},
		{"past the year 9999", definition.TimeSpec{Format: definition.FormatUnixS}, `253402300800`, CodeTime},
		{"1e400", definition.TimeSpec{Format: definition.FormatUnixS}, `1e400`, CodeTime},
		{"layout without a zone", definition.TimeSpec{Format: definition.FormatLayout, Layout: "02/01/2006"}, `"01/01/2013"`, CodeTimeNoZone},
		{"another layout", definition.TimeSpec{Format: definition.FormatLayout, Layout: time.RFC1123Z}, `"01/01/2013"`, CodeTime},
	} {
		src := source()
		src.Timestamp = c.spec
		src.Timestamp.Name = "ts"
		_, err := decodeOne(t, src, logrecord.Record{LogTime: logTime, Value: []byte(`{"ts":` + c.json + `}`)}, Options{})
		var bad *Error
		if !errors.As(err, &bad) || bad.Code != c.code {
			t.Errorf("%s: %v, want %s", c.name, err, c.code)
		}
	}
	src := source()
	src.Timestamp.Format = definition.FormatNative
	if _, err := New(src, Options{}); !errors.Is(err, featurestore.ErrInvalid) {
		t.Errorf("native: %v", err)
	}
}

// TestTimeOrigins: header and record times, and a time that is a field too.
func TestTimeOrigins(t *testing.T) {
	src := source()
	src.Timestamp = definition.TimeSpec{Origin: definition.TimeHeader, Name: "at", Format: definition.FormatUnixMS}
	rec := logrecord.Record{LogTime: logTime, Value: []byte(`{}`), Headers: logrecord.Headers(nil).Append("at", []byte("1357017419123"))}
	if e, err := decodeOne(t, src, rec, Options{}); err != nil || e.Time != 1_357_017_419_123_000 {
		t.Errorf("header: %s, %v", e.Time, err)
	}
	for _, h := range []logrecord.Headers{nil, logrecord.Headers(nil).Append("at", nil), logrecord.Headers(nil).Append("at", []byte("soon"))} {
		rec.Headers = h
		if _, err := decodeOne(t, src, rec, Options{}); err == nil {
			t.Errorf("header %q was taken", h)
		}
	}
	src.Timestamp = definition.TimeSpec{Origin: definition.TimeRecord}
	if e, err := decodeOne(t, src, rec, Options{}); err != nil || e.Time != featurestore.EventTime(logTime) {
		t.Errorf("record: %s, %v", e.Time, err)
	}
	src = source()
	src.Timestamp = definition.TimeSpec{Name: "i", Format: definition.FormatUnixMS}
	src.EventID, src.Sequence = 1, 3
	e, err := decodeOne(t, src, logrecord.Record{LogTime: logTime, Value: []byte(`{"s": "seq", "i": 1357017420000}`)}, Options{})
	if err != nil || e.Time != featurestore.EventTime(logTime) || e.Fields[1].Int64() != 1357017420000 || e.ID != "1357017420000" || e.Sequence.Str() != "seq" {
		t.Errorf("field: %+v, %v", e, err)
	}
}

// TestBatchLifetime: text outlives the record and the batch.
func TestBatchLifetime(t *testing.T) {
	d, err := New(source(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	var kept []featurestore.Value
	for i := range 5000 {
		value := []byte(`{` + ts + `, "s": "first` + strings.Repeat("x", i%40) + `"}`)
		if err := d.Append(&b, &logrecord.Record{LogTime: logTime, Value: value}, featurestore.PartitionID{}); err != nil {
			t.Fatal(err)
		}
		kept = append(kept, b.Events[len(b.Events)-1].Fields[3])
		clear(value)
		if i%100 == 99 {
			b.Reset()
		}
	}
	for i, v := range kept {
		if v.Str() != "first"+strings.Repeat("x", i%40) {
			t.Fatalf("value %d became %q", i, v.Str())
		}
	}
}

// A recycled batch uses its memory again, texts too, and keeps its counts.
func TestRecycle(t *testing.T) {
	d, err := New(source(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := Batch{Tombstones: 3, Invalid: 4}
	var first string
	for i := range 5000 {
		b.Recycle()
		rec := logrecord.Record{LogTime: logTime, Value: fmt.Appendf(nil, `{%s, "s": "text %d"}`, ts, i)}
		if err := d.Append(&b, &rec, featurestore.PartitionID{}); err != nil {
			t.Fatal(err)
		}
		if got := b.Events[0].Fields[3].Str(); len(b.Events) != 1 || got != fmt.Sprint("text ", i) || !b.Events[0].Fields[1].IsNull() {
			t.Fatalf("record %d gives %d events, the last with %q", i, len(b.Events), got)
		}
		if i == 0 {
			first = b.Events[0].Fields[3].Str()
		}
	}
	if first == "text 0" || b.Tombstones != 3 || b.Invalid != 4 {
		t.Errorf("the first text is still %q; %d tombstones, %d invalid", first, b.Tombstones, b.Invalid)
	}
}
