package decode

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/logrecord"
)

// usualSource has fields of all types with a usual look, and of others.
func usualSource(format definition.TimeFormat) *definition.StreamSource {
	return sourceOf("json", definition.TimeSpec{Name: "at", Format: format},
		field("at", featurestore.Timestamp), field("s", featurestore.String), field("n", featurestore.Int64), field("d", featurestore.Double),
		field("b", featurestore.Bool), field("a_name_of_more_than_16", featurestore.String), field("m", featurestore.Decimal(9, 2)), field("deep", featurestore.Double, "p", "q"))
}

// usualRecord has every usual look, and the others among them.
const usualRecord = `{"at":"2013-01-01T10:17:00Z","s":"text","n":-12,"d":2.5,"b":true,"a_name_of_more_than_16":"long enough for words","u":"skipped","v":17,"w":false,"m":1.25,"p":{"q":1,"r":null},"x":[1,{"y":2}],"z":1}`

// usualVariants are records near the usual one: each of them must read as it does
// without short cuts.
func usualVariants() []string {
	list := []string{usualRecord, strings.Replace(usualRecord, `"2013-01-01T10:17:00Z"`, "1357035420000", 1), "", "{}", "{", "null", usualRecord + "x", usualRecord + " ", strings.ReplaceAll(strings.ReplaceAll(usualRecord, ":", ": "), ",", ", ")}
	for _, r := range [][2]string{
		{`"text"`, `"tex\u0074"`}, {`"text"`, `"té"`}, {`"text"`, `""`}, {`"text"`, "\"a\x01\""}, {`"text"`, "\"t\xff\""}, {`"text"`, "null"}, {`"text"`, "nul"}, {`"text"`, "1"}, {`"text"`, `"text`},
		{"-12", "-0"}, {"-12", "-"}, {"-12", "012"}, {"-12", "1.0"}, {"-12", "1e1"}, {"-12", "9223372036854775807"}, {"-12", "9223372036854775808"}, {"-12", `"12"`}, {"-12", " -12 "}, {"-12", "12x"},
		{"2.5", "2."}, {"2.5", ".5"}, {"2.5", "-0.0"}, {"2.5", "1e400"}, {"2.5", "123456789012345.5"}, {"2.5", "0.1234567890123456789"}, {"2.5", "00.5"}, {"2.5", "true"},
		{"true", "tru"}, {"true", "truex"}, {"true", "false"}, {"true", "null"}, {"true", "0"},
		{"17Z", "17:00"}, {":00Z", ":00.123456+01:00"}, {":00Z", ":00"}, {"2013-01-01", "2013-02-30"}, {"2013-01-01", "0000-01-01"}, {"2013-01-01", "9999-12-31"}, {"2013", "2014"},
		{`"u":`, `"s":`}, {`"v":`, `"u":`}, {`"u":`, `"u" :`}, {`"u":`, `u:`}, {`"u":"skipped",`, ""}, {`"u":`, `"U":`}, {`"skipped"`, `{"k":1}`}, {`"z":1}`, `"z":1,}`}, {`"z":1}`, `"z":1`}, {`"z":1}`, `"s":1}`}, {`"z":1`, `"z":-`}, {`"r":null`, `"q":2`},
	} {
		list = append(list, strings.Replace(usualRecord, r[0], r[1], 1))
	}
	return list
}

func usualSeeds(f *testing.F) {
	for i, v := range usualVariants() {
		f.Add([]byte(usualRecord), []byte(v), i%2 == 1)
		f.Add([]byte(v), []byte(usualRecord), i%2 == 1)
	}
}

func decodeWith(d *Decoder, value []byte) ([]featurestore.Event, error) {
	var b Batch
	err := d.Append(&b, &logrecord.Record{LogTime: 1_400_000_000_000_000, Value: value}, featurestore.PartitionID{})
	return b.Events, err
}

func sameEvent(a, b featurestore.Event) bool {
	return a.Position == b.Position && a.Time == b.Time && a.LogTime == b.LogTime && a.ID == b.ID && a.Change == b.Change && a.Mutated == b.Mutated &&
		a.Sequence.Equal(b.Sequence) && slices.EqualFunc(a.Fields, b.Fields, featurestore.Value.Equal)
}

func wantSame(t *testing.T, got, want []featurestore.Event, err, wantErr error) {
	t.Helper()
	if !slices.EqualFunc(got, want, sameEvent) || !reflect.DeepEqual(err, wantErr) {
		t.Fatalf("with short cuts\n%+v, %v\nwithout\n%+v, %v", got, err, want, wantErr)
	}
}

// TestUsual: whatever two records came before, a record reads as it does alone,
// in values, in what it is refused for, and in the byte that it says.
func TestUsual(t *testing.T) {
	list := usualVariants()
	for _, format := range []definition.TimeFormat{definition.FormatRFC3339, definition.FormatUnixMS} {
		for _, before := range list {
			used, err := New(usualSource(format), Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range list {
				_, _ = decodeWith(used, []byte(before))
				fresh, _ := New(usualSource(format), Options{})
				want, wantErr := decodeWith(fresh, []byte(v))
				got, err := decodeWith(used, []byte(v))
				wantSame(t, got, want, err, wantErr)
			}
		}
	}
}

// TestRowsAreNull: a row begins null, also where a bad record or another batch of
// rows stood.
func TestRowsAreNull(t *testing.T) {
	d, err := New(usualSource(definition.FormatRFC3339), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	add := func(value string) error {
		return d.Append(&b, &logrecord.Record{LogTime: 1_400_000_000_000_000, Value: []byte(value)}, featurestore.PartitionID{})
	}
	for range 3 {
		for i := range 200 {
			if err := add(usualRecord); err != nil {
				t.Fatal(err)
			}
			if err := add(usualRecord + "x"); err == nil {
				t.Fatal("no error")
			}
			if err := add(`{"at":"2013-01-01T10:17:00Z"}`); err != nil {
				t.Fatal(err)
			}
			for k, v := range b.Events[2*i+1].Fields[1:] {
				if !v.IsNull() {
					t.Fatalf("field %d of event %d is %v", k+1, i, v)
				}
			}
		}
		b.Reset()
	}
}
