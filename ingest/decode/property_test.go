package decode

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/logrecord"
)

func anyInstant(t *rapid.T, name string) featurestore.Instant {
	return featurestore.Instant(rapid.Int64Range(int64(featurestore.MinInstant), int64(featurestore.MaxInstant)).Draw(t, name))
}

func anyValue(t *rapid.T, typ featurestore.Type, name string) featurestore.Value {
	if rapid.IntRange(0, 5).Draw(t, name+" null") == 0 {
		return featurestore.Null
	}
	switch typ.Kind {
	case featurestore.KindBool:
		return featurestore.BoolValue(rapid.Bool().Draw(t, name))
	case featurestore.KindInt64:
		return featurestore.Int64Value(rapid.Int64().Draw(t, name))
	case featurestore.KindDouble:
		return featurestore.DoubleValue(rapid.Float64().Draw(t, name))
	case featurestore.KindString:
		return featurestore.StringValue(rapid.String().Draw(t, name))
	case featurestore.KindBytes:
		return featurestore.BytesValue(string(rapid.SliceOf(rapid.Byte()).Draw(t, name)))
	case featurestore.KindTimestamp:
		return featurestore.TimestampValue(anyInstant(t, name))
	}
	limit := int64(1)
	for range typ.Precision {
		limit *= 10
	}
	return featurestore.DecimalValue(rapid.Int64Range(1-limit, limit-1).Draw(t, name))
}

// TestRoundTrip: decode(encode(x)) is x, in every declared form of time.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := source()
		src.Timestamp.Format = rapid.SampledFrom([]definition.TimeFormat{
			definition.FormatRFC3339, definition.FormatUnixS, definition.FormatUnixMS, definition.FormatUnixUS, definition.FormatNative, definition.FormatLayout,
		}).Draw(t, "format")
		src.Timestamp.Layout = "2006-01-02"
		src.Timestamp.Origin = rapid.SampledFrom([]definition.TimeOrigin{definition.TimeField, definition.TimeHeader, definition.TimeRecord}).Draw(t, "origin")
		src.Sequence = rapid.IntRange(-1, 3).Draw(t, "sequence")
		src.EventID = rapid.SampledFrom([]int{-1, 1, 3}).Draw(t, "event id")
		want := featurestore.Event{Time: featurestore.EventTime(anyInstant(t, "time"))}
		want.Position = featurestore.Position{PartitionID: featurestore.PartitionID{Source: 3}, Offset: rapid.Int64Min(0).Draw(t, "rank")}
		want.LogTime = featurestore.LogTime(want.Time) + featurestore.LogTime(rapid.Int64Range(-int64(featurestore.AheadLimit), 1e15).Draw(t, "delay"))
		for _, f := range src.Fields {
			want.Fields = append(want.Fields, anyValue(t, f.Type, f.Name))
		}
		if src.Timestamp.Origin == definition.TimeField && rapid.Bool().Draw(t, "time is a field") {
			src.Timestamp.Name = "t"
			want.Fields[5] = featurestore.TimestampValue(featurestore.Instant(want.Time))
		}
		enc, err := NewEncoder(src)
		if err != nil {
			t.Fatal(err)
		}
		value, err := enc.AppendValue(nil, &want)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(value) {
			t.Fatalf("not JSON: %s", value)
		}
		dec, err := New(src, Options{Replay: true, MaxBytes: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		var b Batch
		rec := logrecord.Record{Offset: 9, LogTime: want.LogTime / 1000 * 1000, Value: value, Headers: enc.AppendHeaders(nil, &want)}
		if err := dec.Append(&b, &rec, featurestore.PartitionID{Source: 3, Generation: 1, Partition: 5}); err != nil {
			t.Fatalf("%s: %v", value, err)
		}
		got := b.Events[0]
		if got.Time != want.Time || got.LogTime != want.LogTime || got.Position != want.Position {
			t.Fatalf("%s:\n got %+v\nwant %+v", value, got, want)
		}
		for i := range want.Fields {
			if !got.Fields[i].Equal(want.Fields[i]) {
				t.Fatalf("%s: field %s is %#v, want %#v", value, src.Fields[i].Name, got.Fields[i], want.Fields[i])
			}
		}
		if i := src.Sequence; i >= 0 && !got.Sequence.Equal(want.Fields[i]) {
			t.Fatalf("sequence %v", got.Sequence)
		}
	})
}

// TestReplayHeadersNeedReplay: on any other topic a producer cannot write its
// own position.
func TestReplayHeadersNeedReplay(t *testing.T) {
	rec := logrecord.Record{Offset: 9, LogTime: logTime, Value: []byte(`{` + ts + `}`),
		Headers: logrecord.AppendReplay(nil, logrecord.Replay{Rank: 1 << 40, LogTime: logTime + 1})}
	if e, err := decodeOne(t, source(), rec, Options{}); err != nil || e.Offset != 9 || e.Generation != 1 || e.LogTime != logTime {
		t.Errorf("event %+v, %v", e, err)
	}
	if e, err := decodeOne(t, source(), rec, Options{Replay: true}); err != nil || e.Offset != 1<<40 || e.Generation != 0 || e.Partition != 0 || e.LogTime != logTime+1 {
		t.Errorf("replayed event %+v, %v", e, err)
	}
}

// TestFastTime: the fast path agrees with the vocabulary's parser wherever it
// answers, and answers for every usual form.
func TestFastTime(t *testing.T) {
	var r timeReader // one for all, which remembers a date
	rapid.Check(t, func(t *rapid.T) {
		at := anyInstant(t, "instant")
		zone := time.FixedZone("", 60*rapid.IntRange(-23*60-59, 23*60+59).Draw(t, "offset"))
		text := at.Time().In(zone).Format(rapid.SampledFrom([]string{"2006-01-02T15:04:05.999999Z07:00", "2006-01-02T15:04:05.000000Z07:00", "2006-01-02T15:04:05Z07:00"}).Draw(t, "layout"))
		got, ok := r.fast([]byte(text))
		want, err := featurestore.ParseInstant(text)
		if year := at.Time().In(zone).Year(); year < 1 || year > 9999 {
			return
		}
		if !ok || err != nil || got != want {
			t.Fatalf("%s: %d %v, want %d %v", text, got, ok, want, err)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		text := []byte("2013-02-28T05:17:00.25+05:30")
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			text[rapid.IntRange(0, len(text)-1).Draw(t, "at")] = rapid.SampledFrom([]byte("0123456789-+:.TZ ,/")).Draw(t, "to")
		}
		got, ok := r.fast(text)
		if !ok {
			return
		}
		if want, err := featurestore.ParseInstant(string(text)); err != nil || got != want {
			t.Fatalf("%s: %d, want %d %v", text, got, want, err)
		}
	})
}

// TestDecimalAgrees: without an exponent the number parser takes and gives what
// the vocabulary's does.
func TestDecimalAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?[0-9]{0,20}(\.[0-9]{0,6})?`).Draw(t, "text")
		precision := rapid.IntRange(1, featurestore.MaxDecimalPrecision).Draw(t, "precision")
		scale := rapid.IntRange(0, min(precision, 5)).Draw(t, "scale")
		want, wantErr := featurestore.ParseDecimal(text, precision, scale)
		got, err := parseDecimal([]byte(text), precision, scale)
		if (err == nil) != (wantErr == nil) || got != want && err == nil {
			t.Fatalf("%q as decimal(%d,%d): %d %v, want %d %v", text, precision, scale, got, err, want, wantErr)
		}
	})
}

// FuzzDecodeJSON: no input panics; what the standard library refuses is
// refused; what decodes can be encoded and decodes to the same.
func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{
		`{` + ts + `}`, `{` + ts + `,"i":1,"d":1e3,"s":"\u00e9\ud83d\ude00","m":"1.25","x":"AAE=","u":[{"a":[]}]}`,
		`{"ts":"2013-01-01T05:17:00`, `{"ts":1e400}`, "{\"s\":\"\xff\"}", `{"i":1,"i":2}`, ``, `[[[[`,
	} {
		f.Add([]byte(seed))
	}
	dec, err := New(source(), Options{})
	if err != nil {
		f.Fatal(err)
	}
	enc, err := NewEncoder(source())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		var b Batch
		if err := dec.Append(&b, &logrecord.Record{LogTime: logTime, Value: value}, featurestore.PartitionID{}); err != nil {
			return
		}
		if !json.Valid(value) || !utf8.Valid(value) {
			t.Fatalf("taken, but not JSON: %q", value)
		}
		first := b.Events[0]
		again, err := enc.AppendValue(nil, &first)
		if err != nil {
			t.Fatal(err)
		}
		if err := dec.Append(&b, &logrecord.Record{LogTime: logTime, Value: again}, featurestore.PartitionID{}); err != nil {
			t.Fatalf("%q became %q: %v", value, again, err)
		}
		second := b.Events[1]
		for i := range first.Fields {
			if !first.Fields[i].Equal(second.Fields[i]) || first.Time != second.Time {
				t.Fatalf("%q became %q", value, again)
			}
		}
	})
}
