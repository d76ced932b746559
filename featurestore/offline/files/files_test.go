package files

import (
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

func at(s string) featurestore.Instant {
	i, err := featurestore.ParseInstant(s)
	if err != nil {
		panic(err)
	}
	return i
}

func writeFile(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func writeParquet[T any](t *testing.T, rows []T, options ...parquet.WriterOption) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := parquet.NewGenericWriter[T](f, options...)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// readAll gives copies of all rows, which share no cells with the reader.
func readAll(t *testing.T, path string, spec Spec) ([]Row, *Reader) {
	t.Helper()
	r, err := Open(path, "f", spec)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out []Row
	for {
		rows, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, r
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			row.Fields = append([]featurestore.Value(nil), row.Fields...)
			out = append(out, row)
		}
	}
}

func fields(pairs ...any) []definition.Field {
	var out []definition.Field
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, definition.Field{Name: pairs[i].(string), Type: pairs[i+1].(featurestore.Type)})
	}
	return out
}

func rfc3339(name string) definition.TimeSpec { return definition.TimeSpec{Name: name} }

var allTypes = fields("b", featurestore.Bool, "i", featurestore.Int64, "d", featurestore.Double, "s", featurestore.String,
	"y", featurestore.Bytes, "t", featurestore.Timestamp, "m", featurestore.Decimal(10, 2))

func wantAll() []featurestore.Value {
	return []featurestore.Value{
		featurestore.BoolValue(true), featurestore.Int64Value(-7), featurestore.DoubleValue(0.5), featurestore.StringValue("a,\"b\""),
		featurestore.BytesValue("\x00\xff"), featurestore.TimestampValue(at("2013-01-01T05:00:00.25Z")), featurestore.DecimalValue(1234),
	}
}

func checkRow(t *testing.T, row Row, want []featurestore.Value) {
	t.Helper()
	if row.Problem != "" {
		t.Fatalf("row %d: %s", row.Number, row.Problem)
	}
	for i := range want {
		if !row.Fields[i].Equal(want[i]) {
			t.Errorf("row %d, field %d: %#v, want %#v", row.Number, i, row.Fields[i], want[i])
		}
	}
}

func TestTextFormatsReadEveryType(t *testing.T) {
	csv := "\ufeffe,b,i,d,s,y,t,m,extra\n" +
		"2013-01-01T00:00:00Z,true,-7,0.5,\"a,\"\"b\"\"\",AP8=,2013-01-01T00:00:00.25-05:00,12.34,x\n" +
		"2013-01-01T00:00:01Z,,,,,,,,\n"
	jsonl := `{"e":"2013-01-01T00:00:00Z","b":true,"i":-7,"d":0.5,"s":"a,\"b\"","y":"AP8=","t":"2013-01-01T00:00:00.25-05:00","m":12.34,"extra":[1]}` + "\n\n  \n" +
		`{"e":"2013-01-01T00:00:01Z","b":null}`
	for format, text := range map[definition.FileFormat]string{definition.CSV: csv, definition.JSONL: jsonl} {
		rows, _ := readAll(t, writeFile(t, "f", text), Spec{Format: format, Time: rfc3339("e"), Fields: allTypes})
		if len(rows) != 2 {
			t.Fatalf("format %d: %d rows", format, len(rows))
		}
		checkRow(t, rows[0], wantAll())
		checkRow(t, rows[1], make([]featurestore.Value, len(allTypes)))
		if rows[1].Number != 1 || rows[1].Time != featurestore.EventTime(at("2013-01-01T00:00:01Z")) || rows[1].Available != featurestore.LogTime(rows[1].Time) {
			t.Errorf("format %d: row %+v", format, rows[1])
		}
	}
}

func TestBadRowsKeepTheirPlace(t *testing.T) {
	jsonl := strings.Join([]string{
		`{"e":1,"a":10,"i":1}`,
		`{"e":2,"a":20,"i":"1"}`,       // wrong type: keeps its own a
		`{"e":2,"i":1}`,                // no a: takes that of the row before
		`not json`,                     // likewise
		`[1]`,                          //
		`{"e":3,"a":30,"i":1.5}`,       //
		`{"e":"3","a":30,"i":1}`,       // text in place of a number
		`{"e":1.0000001,"a":30,"i":1}`, //
		`{"e":4,"a":40,"i":01}`,        // not JSON        //
		`{"e":4,"a":40,"i":1e3}`,       //
		`{"e":999999999999999,"a":40}`, // past the year 9999
		`{"e":5,"a":50,"i":null}`,
	}, "\n")
	unix := func(name string) definition.TimeSpec {
		return definition.TimeSpec{Name: name, Format: definition.FormatUnixS}
	}
	available := unix("a")
	rows, _ := readAll(t, writeFile(t, "f", jsonl), Spec{Format: definition.JSONL, Time: unix("e"), Available: &available, Fields: fields("i", featurestore.Int64)})
	wantA := []int64{10, 20, 20, 20, 20, 30, 30, 30, 30, 40, 40, 50}
	for i, row := range rows {
		good := i == 0 || i == len(rows)-1
		if (row.Problem == "") != good {
			t.Errorf("row %d: problem %q", i, row.Problem)
		}
		if row.Available != featurestore.LogTime(wantA[i]*1e6) || row.Number != int64(i) {
			t.Errorf("row %d: available %v, number %d", i, row.Available, row.Number)
		}
	}
	if len(rows) != len(wantA) {
		t.Errorf("%d rows", len(rows))
	}
}

func TestCSVRefusesWhatIsNotExact(t *testing.T) {
	for _, c := range []struct{ kind, cell, want string }{
		{"d", "NaN", "not a double"}, {"d", "1e400", "in range"}, {"d", "0x1p3", "not a double"}, {"d", "Inf", "not a double"},
		{"i", "1.0", "not an int64"}, {"i", "9223372036854775808", "not an int64"}, {"b", "yes", "true or false"},
		{"t", "2013-01-01 00:00:00", "no zone"}, {"m", "1.234", "decimal(10,2)"}, {"y", "%%", "base64"}, {"s", "\xff", "UTF-8"},
	} {
		path := writeFile(t, "f", "e,"+c.kind+"\n2013-01-01T00:00:00Z,"+c.cell+"\n")
		var field []definition.Field
		for _, f := range allTypes {
			if f.Name == c.kind {
				field = append(field, f)
			}
		}
		rows, _ := readAll(t, path, Spec{Format: definition.CSV, Time: rfc3339("e"), Fields: field})
		if len(rows) != 1 || !strings.Contains(rows[0].Problem, c.want) {
			t.Errorf("%s = %q: %+v, want %q", c.kind, c.cell, rows, c.want)
		}
	}
	lists := fields("l", featurestore.List(featurestore.Double))
	listed, _ := readAll(t, writeFile(t, "f", "e,l\n2013-01-01T00:00:00Z,\"[1.0,null]\"\n2013-01-01T00:00:00Z,[]\n2013-01-01T00:00:00Z,1.0;2.0\n"), Spec{Format: definition.CSV, Time: rfc3339("e"), Fields: lists})
	if len(listed) != 3 || listed[2].Problem == "" {
		t.Fatalf("lists: %+v", listed)
	}
	for i, want := range []string{"[1.0,null]", "[]"} {
		if got := string(featurestore.AppendJSON(nil, listed[i].Fields[0], lists[0].Type)); got != want || listed[i].Problem != "" {
			t.Errorf("a list of JSON: %s, %q, want %s", got, listed[i].Problem, want)
		}
	}
	rows, _ := readAll(t, writeFile(t, "f", "e,s\n2013-01-01T00:00:00Z,a,b\n2013-01-01T00:00:00Z,\"a\"b\n2013-01-01T00:00:00Z,ok\n"),
		Spec{Format: definition.CSV, Time: rfc3339("e"), Fields: fields("s", featurestore.String)})
	if len(rows) != 3 || !strings.Contains(rows[0].Problem, "line 2") || rows[1].Problem == "" || rows[2].Problem != "" {
		t.Errorf("torn lines: %+v", rows)
	}
}

func TestPersonalDataAreNotShown(t *testing.T) {
	spec := Spec{Format: definition.JSONL, Time: rfc3339("born"), Fields: []definition.Field{
		{Name: "born", Type: featurestore.String, PII: true}, {Name: "phone", Type: featurestore.Int64, PII: true},
	}}
	now := `{"born":"2013-01-01T00:00:00Z","phone":`
	for _, line := range []string{`{"born":"secret"}`, now + `"secret"}`, now + `5,"x":secret}`, now + `7, "secret}`} {
		rows, _ := readAll(t, writeFile(t, "f", line), spec)
		if len(rows) != 1 || rows[0].Problem == "" || strings.Contains(rows[0].Problem, "secret") {
			t.Errorf("%s: %+v", line, rows)
		}
	}
}

func TestUnixTimesAreExactToTheMicrosecond(t *testing.T) {
	unix := definition.TimeSpec{Name: "e", Format: definition.FormatUnixS}
	type row struct {
		E float64 `parquet:"e"`
	}
	inParquet := writeParquet(t, []row{{-1.5}, {1357017420.123}, {1.0000001}, {math.NaN()}, {1e15}})
	inJSON := writeFile(t, "f", `{"e":-1.5}`+"\n"+`{"e":1.357017420123e9}`+"\n"+`{"e":1.0000001}`+"\n"+`{"e":"1"}`+"\n"+`{"e":1e15}`+"\n")
	for format, path := range map[definition.FileFormat]string{definition.Parquet: inParquet, definition.JSONL: inJSON} {
		rows, _ := readAll(t, path, Spec{Format: format, Time: unix})
		if rows[0].Time != -1_500_000 || rows[1].Time != 1_357_017_420_123_000 {
			t.Errorf("format %d: %v, %v", format, rows[0].Time, rows[1].Time)
		}
		for _, row := range rows[2:] {
			if row.Problem == "" {
				t.Errorf("format %d: row %d was read as %v", format, row.Number, row.Time)
			}
		}
	}
}

func TestZoneAndLayout(t *testing.T) {
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	spec := definition.TimeSpec{Name: "e", Format: definition.FormatLayout, Layout: "02/01/2006 15:04:05.999999999", Zone: newYork}
	rows, _ := readAll(t, writeFile(t, "f", "e\n01/07/2013 12:00:00\n01/07/2013 12:00:00.0000001\n2013-07-01\n"), Spec{Format: definition.CSV, Time: spec})
	if rows[0].Time != featurestore.EventTime(at("2013-07-01T16:00:00Z")) || rows[1].Problem == "" || rows[2].Problem == "" {
		t.Errorf("rows %+v", rows)
	}
	spec.Zone = nil
	rows, _ = readAll(t, writeFile(t, "f", "e\n01/07/2013 12:00:00\n"), Spec{Format: definition.CSV, Time: spec})
	if !strings.Contains(rows[0].Problem, "no zone") {
		t.Errorf("a layout without a zone: %+v", rows)
	}
}

type parquetAll struct {
	E     int64    `parquet:"e,timestamp(microsecond)"`
	B     *bool    `parquet:"b"`
	I     *int32   `parquet:"i"`
	D     *float32 `parquet:"d"`
	S     *string  `parquet:"s"`
	Y     *[]byte  `parquet:"y"`
	T     *int64   `parquet:"t,timestamp(millisecond)"`
	M     *int64   `parquet:"m,decimal(3:12)"`
	Extra string   `parquet:"extra"`
}

func ptr[T any](v T) *T { return &v }

func TestParquetReadsEveryType(t *testing.T) {
	e := int64(at("2013-01-01T00:00:00Z"))
	var rows []parquetAll
	for i := range 5000 { // several pages and batches
		row := parquetAll{E: e + int64(i)}
		if i%2 == 0 {
			row.B, row.I, row.D, row.S, row.Y = ptr(true), ptr(int32(-7)), ptr(float32(0.5)), ptr("a,\"b\""), ptr([]byte("\x00\xff"))
			row.T, row.M = ptr(int64(at("2013-01-01T05:00:00.25Z"))/1000), ptr(int64(12340))
		}
		rows = append(rows, row)
	}
	path := writeParquet(t, rows, parquet.MaxRowsPerRowGroup(1700), parquet.PageBufferSize(512))
	got, _ := readAll(t, path, Spec{Time: rfc3339("e"), Fields: allTypes})
	if len(got) != len(rows) {
		t.Fatalf("%d rows", len(got))
	}
	for i, row := range got {
		want := make([]featurestore.Value, len(allTypes))
		if i%2 == 0 {
			want = wantAll()
		}
		checkRow(t, row, want)
		if int64(row.Time) != e+int64(i) {
			t.Fatalf("row %d: time %v", i, row.Time)
		}
	}
	part, _ := readAll(t, path, Spec{Time: rfc3339("e"), Fields: allTypes, Needed: []int{3}})
	if !part[0].Fields[3].Equal(wantAll()[3]) || !part[0].Fields[1].IsNull() {
		t.Errorf("needed fields alone: %+v", part[0])
	}
}

func TestParquetNaNIsNullAndCounted(t *testing.T) {
	type row struct {
		E int64   `parquet:"e"`
		D float64 `parquet:"d"`
	}
	path := writeParquet(t, []row{{1, math.NaN()}, {2, math.Inf(-1)}, {3, math.Copysign(0, -1)}})
	rows, r := readAll(t, path, Spec{Time: definition.TimeSpec{Name: "e", Format: definition.FormatUnixS}, Fields: fields("d", featurestore.Double)})
	if r.Invalid() != 2 || !rows[0].Fields[0].IsNull() || !rows[1].Fields[0].IsNull() || math.Signbit(rows[2].Fields[0].Double()) {
		t.Errorf("invalid %d, rows %+v", r.Invalid(), rows)
	}
}

func TestParquetTimes(t *testing.T) {
	type nanos struct {
		E int64 `parquet:"e,timestamp(nanosecond)"`
	}
	rows, _ := readAll(t, writeParquet(t, []nanos{{5000}, {5001}, {-1000}}), Spec{Time: rfc3339("e")})
	if rows[0].Time != 5 || !strings.Contains(rows[1].Problem, "whole microsecond") || rows[2].Time != -1 {
		t.Errorf("nanoseconds: %+v", rows)
	}
	type local struct {
		E int64 `parquet:"e,timestamp(microsecond:local)"`
	}
	path := writeParquet(t, []local{{int64(at("2013-07-01T12:00:00Z"))}})
	if _, err := Open(path, "f", Spec{Time: rfc3339("e")}); !errors.Is(err, featurestore.ErrInvalid) || !strings.Contains(err.Error(), "no zone") {
		t.Errorf("zone-less without a zone: %v", err)
	}
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	rows, _ = readAll(t, path, Spec{Time: definition.TimeSpec{Name: "e", Zone: newYork}})
	if rows[0].Time != featurestore.EventTime(at("2013-07-01T16:00:00Z")) {
		t.Errorf("zone-less in its zone: %v", rows[0].Time)
	}
	type text struct {
		E *string `parquet:"e"`
	}
	rows, _ = readAll(t, writeParquet(t, []text{{ptr("2013-07-01T12:00:00-04:00")}, {nil}}), Spec{Time: rfc3339("e")})
	if rows[0].Time != featurestore.EventTime(at("2013-07-01T16:00:00Z")) || rows[1].Problem == "" {
		t.Errorf("text: %+v", rows)
	}
}

func TestParquetRefusals(t *testing.T) {
	type row struct {
		E int64    `parquet:"e,timestamp(microsecond)"`
		I int64    `parquet:"i"`
		D float64  `parquet:"d"`
		L []string `parquet:"l,list"`
	}
	path := writeParquet(t, []row{{1, 1 << 60, 1, nil}})
	for name, c := range map[string]struct {
		spec Spec
		want string
	}{
		"missing column": {Spec{Time: rfc3339("e"), Fields: fields("x", featurestore.Int64)}, `column "x" is missing; it has e, i, d, l`},
		"missing time":   {Spec{Time: rfc3339("x")}, `column "x" is missing`},
		"wrong type":     {Spec{Time: rfc3339("e"), Fields: fields("d", featurestore.Int64)}, `column "d": its type is DOUBLE, want int64`},
		"nested":         {Spec{Time: rfc3339("e"), Fields: fields("l", featurestore.String)}, "nested"},
		"native":         {Spec{Time: definition.TimeSpec{Name: "i", Format: definition.FormatNative}}, "want a timestamp"},
		"list of others": {Spec{Time: rfc3339("e"), Fields: fields("l", featurestore.List(featurestore.Int64))}, "an element"},
		"no list":        {Spec{Time: rfc3339("e"), Fields: fields("d", featurestore.List(featurestore.Double))}, "want list<double>"},
		"record time":    {Spec{Time: definition.TimeSpec{Origin: definition.TimeRecord}}, "declare available_at"},
		"native in CSV":  {Spec{Format: definition.CSV, Time: definition.TimeSpec{Name: "e", Format: definition.FormatNative}}, "only Parquet"},
	} {
		if _, err := Open(path, "f", c.spec); !errors.Is(err, featurestore.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	rows, _ := readAll(t, path, Spec{Time: rfc3339("e"), Fields: fields("i", featurestore.Double)})
	if !strings.Contains(rows[0].Problem, "not exact") {
		t.Errorf("2^60 as a double: %+v", rows)
	}
	rows, _ = readAll(t, path, Spec{Time: rfc3339("e"), Fields: fields("new", featurestore.Int64), Missing: MissingIsNull})
	if rows[0].Problem != "" || !rows[0].Fields[0].IsNull() {
		t.Errorf("a missing column that may be: %+v", rows)
	}
}

func TestDamagedParquetIsAnError(t *testing.T) {
	e := int64(at("2013-01-01T00:00:00Z"))
	path := writeParquet(t, []parquetAll{{E: e, S: ptr("some text")}, {E: e + 1}})
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	spec := Spec{Time: rfc3339("e"), Fields: allTypes}
	for i := 0; i < len(whole); i += 7 {
		damaged := append([]byte(nil), whole...)
		damaged[i] ^= 0x55
		r, err := Open(writeFile(t, "f", string(damaged)), "f", spec)
		if err != nil {
			continue
		}
		for err == nil { // must end, in rows or an error, and never panic
			_, err = r.Next()
		}
		_ = r.Close() // of a damaged file
	}
	for _, cut := range []int{0, 3, len(whole) / 2, len(whole) - 1} {
		if _, err := Open(writeFile(t, "f", string(whole[:cut])), "f", spec); !errors.Is(err, featurestore.ErrInvalid) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
}
