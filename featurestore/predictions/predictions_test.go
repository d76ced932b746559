package predictions_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/predictions"
	"github.com/freshet/freshet/featurestore/predictions/predictionstest"
)

// segmentOf writes lookups of one header as a segment.
func segmentOf(t interface{ Fatal(...any) }, lookups ...*predictions.Lookup) []byte {
	data := predictions.AppendSegmentHead(nil)
	for i, l := range lookups {
		if i == 0 {
			data = predictions.AppendSchema(data, 1, l.Header.Encode())
		}
		var err error
		if data, err = predictions.AppendLookup(data, 1, l); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

func TestSegmentGivesBackWhatWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := predictionstest.Lookup(t, predictionstest.Header(t, "svc"), "r-1")
		segment, err := predictions.ReadSegment(segmentOf(t, l))
		if err != nil || segment.Damaged+segment.Torn != 0 || len(segment.Records) != 1 {
			t.Fatalf("%+v, %v", segment, err)
		}
		got, err := segment.Records[0].Lookup()
		if err != nil || got.Rows() != l.Rows() {
			t.Fatalf("%d rows of %d, %v", got.Rows(), l.Rows(), err)
		}
		for i := range l.Rows() {
			if d := predictionstest.Difference(l.Row(i), got.Row(i)); d != "" {
				t.Fatal(d)
			}
		}
	})
}

// A segment that is cut anywhere gives the records before the cut; one with a
// flipped byte gives all but the record that holds it, and never panics.
func TestSegmentCutAndDamaged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := predictionstest.Header(t, "svc")
		var lookups []*predictions.Lookup
		var ends []int
		for i := range 3 {
			lookups = append(lookups, predictionstest.Lookup(t, h, string(rune('a'+i))))
			ends = append(ends, len(segmentOf(t, lookups...)))
		}
		data := segmentOf(t, lookups...)
		cut := rapid.IntRange(0, len(data)).Draw(t, "cut")
		want := 0
		for _, end := range ends {
			if end <= cut {
				want++
			}
		}
		segment, err := predictions.ReadSegment(data[:cut])
		if err != nil || len(segment.Records) != want || segment.Damaged != 0 {
			t.Fatalf("cut at %d of %d: %d records, want %d; %v", cut, len(data), len(segment.Records), want, err)
		}
		// One flipped bit in the last record's payload.
		flipped := bytes.Clone(data)
		at := rapid.IntRange(ends[1]+12, len(data)-1).Draw(t, "at")
		flipped[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		segment, err = predictions.ReadSegment(flipped)
		if err != nil || len(segment.Records) != 2 || segment.Damaged != 1 {
			t.Fatalf("flipped at %d: %d records, %d damaged; %v", at, len(segment.Records), segment.Damaged, err)
		}
		// Anywhere: no panic, and no record that was not written.
		flipped = bytes.Clone(data)
		flipped[rapid.IntRange(8, len(data)-1).Draw(t, "anywhere")] ^= 0x10
		if segment, err = predictions.ReadSegment(flipped); err != nil || len(segment.Records) > 3 {
			t.Fatalf("%+v, %v", segment, err)
		}
	})
}

func FuzzReadSegment(f *testing.F) {
	f.Add([]byte("FRSPLOG\x01"))
	f.Add(segmentOf(f, oneLookup()))
	f.Fuzz(func(t *testing.T, data []byte) {
		segment, err := predictions.ReadSegment(data)
		if err != nil {
			return
		}
		for i := range segment.Records {
			if segment.Records[i].Header == nil {
				_, _ = segment.Records[i].Prediction()
			} else if l, err := segment.Records[i].Lookup(); err == nil {
				_ = l.Row(l.Rows() - 1)
			}
		}
	})
}

func TestForeignSegmentIsRefused(t *testing.T) {
	for _, data := range []string{"PAR1....", "FRSPLOG\x02rest of it"} {
		if _, err := predictions.ReadSegment([]byte(data)); !errors.Is(err, predictions.ErrSegment) {
			t.Errorf("%q: %v", data, err)
		}
	}
}

func writeSealed(t interface{ Fatal(...any) }, dir string, s predictions.Sealed, service string, lookups ...*predictions.Lookup) {
	path := s.Path(dir, service)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := predictions.NewWriter(&out, lookups[0].Header)
	for _, l := range lookups {
		for i := range l.Rows() {
			if err := w.Append(l.Row(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), os.WriteFile(path, out.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func readAll(t interface{ Fatal(...any) }, q predictions.Query) []*predictions.Row {
	var out []*predictions.Row
	err := predictions.Read(context.Background(), q, func(r *predictions.Row) error {
		out = append(out, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestParquetGivesBackWhatWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "predictions")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		l := predictionstest.Lookup(t, predictionstest.Header(t, "svc"), "r-1")
		writeSealed(t, dir, predictions.Sealed{Segment: predictions.SegmentID{Session: "s", Number: 1}, Schema: 1, First: l.LoggedAt, Last: l.LoggedAt}, "svc", l)
		got := readAll(t, predictions.Query{Dir: dir, Service: "svc"})
		if len(got) != l.Rows() {
			t.Fatalf("%d rows of %d", len(got), l.Rows())
		}
		for i := range got {
			if d := predictionstest.Difference(l.Row(i), got[i]); d != "" {
				t.Fatal(d)
			}
		}
	})
}

// oneLookup is a lookup of two rows of one key, one request field and two columns.
func oneLookup() *predictions.Lookup {
	return &predictions.Lookup{
		Header: &predictions.Header{
			Service: "svc", Entities: []predictions.Field{{Name: "user", Type: featurestore.String}}, Request: []predictions.Field{{Name: "id", Type: featurestore.Int64}},
			Columns: []predictions.Field{{Name: "v__n", Type: featurestore.Int64}, {Name: "v__tags", Type: featurestore.List(featurestore.String)}},
			Roles:   []predictions.Role{{Prefix: "v", View: "v", Sources: []string{"clicks"}}},
		},
		RequestID: "r-1", LoggedAt: 1357000000e6, Revision: 3, ReadTimes: []featurestore.Instant{1357000000e6, 1357000000e6 + 1},
		Entities: [][]featurestore.Value{{featurestore.StringValue("a"), featurestore.StringValue("b,c")}},
		Request:  [][]featurestore.Value{{featurestore.Int64Value(1), featurestore.Null}},
		Columns: [][]featurestore.Cell{
			{{Value: featurestore.Int64Value(5), Status: featurestore.Present}, {Value: featurestore.Int64Value(0), Status: featurestore.NotFound}},
			{{Value: featurestore.ListValue([]featurestore.Value{featurestore.StringValue(`x"`)}), Status: featurestore.Stale}, {Status: featurestore.Rebuilding}},
		},
		Roles: []predictions.RoleRead{{Generation: 2, HasWatermark: true, Watermark: 1356999999e6, Rows: []predictions.RowState{
			{Applied: featurestore.Applied{{PartitionID: featurestore.PartitionID{Generation: 1, Partition: 4}, Offset: 77, MaxLogTime: 1356999998e6}}}, {},
		}}},
	}
}

// Sealed and unsealed records of one segment are seen once, whatever is sealed.
func TestReadSeesEachRecordOnce(t *testing.T) {
	dir := t.TempDir()
	first, second := oneLookup(), oneLookup()
	second.RequestID = "r-2"
	second.Header.Columns[0].Name = "v__m" // another schema
	second.LoggedAt += featurestore.Instant(featurestore.Day)
	id := predictions.SegmentID{Session: "00000000000000aa", Number: 1}
	path := predictions.SegmentPath(dir, id)
	data := segmentOf(t, first)
	data = predictions.AppendSchema(data, 2, second.Header.Encode())
	data, err := predictions.AppendLookup(data, 2, second)
	if err := errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
		t.Fatal(err)
	}
	count := func(want ...string) {
		t.Helper()
		var got []string
		for _, r := range readAll(t, predictions.Query{Dir: dir, Service: "svc"}) {
			got = append(got, r.RequestID)
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("read %v, want %v", got, want)
		}
	}
	count("r-1", "r-1", "r-2", "r-2")
	writeSealed(t, dir, predictions.Sealed{Segment: id, Schema: 2, First: second.LoggedAt, Last: second.LoggedAt}, "svc", second)
	count("r-2", "r-2", "r-1", "r-1") // sealed in part: files come first
	writeSealed(t, dir, predictions.Sealed{Segment: id, Schema: 1, First: first.LoggedAt, Last: first.LoggedAt}, "svc", first)
	count("r-1", "r-1", "r-2", "r-2")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	count("r-1", "r-1", "r-2", "r-2")

	from := second.LoggedAt
	if rows := readAll(t, predictions.Query{Dir: dir, Service: "svc", Within: predictions.Range{From: &from}}); len(rows) != 2 || rows[0].RequestID != "r-2" {
		t.Errorf("from %s on: %d rows", from, len(rows))
	}
	if rows := readAll(t, predictions.Query{Dir: dir, Service: "svc", Within: predictions.Range{To: &from}}); len(rows) != 2 || rows[0].RequestID != "r-1" {
		t.Errorf("before %s: %d rows", from, len(rows))
	}
	list, err := predictions.Services(context.Background(), dir)
	if err != nil || len(list) != 1 || list[0].Rows != 4 || list[0].Files != 2 || list[0].First != "2013-01-01" || list[0].Last != "2013-01-02" {
		t.Errorf("services: %+v, %v", list, err)
	}
}

// A file reaches beyond the date that it stands under: a range finds what it holds.
func TestRangeWithinAFile(t *testing.T) {
	dir := t.TempDir()
	first, last := oneLookup(), oneLookup()
	last.Header, last.RequestID, last.LoggedAt = first.Header, "r-2", first.LoggedAt+9*featurestore.Instant(featurestore.Day)
	writeSealed(t, dir, predictions.Sealed{Segment: predictions.SegmentID{Session: "s", Number: 1}, Schema: 1, First: first.LoggedAt, Last: last.LoggedAt}, "svc", first, last)
	from, to := first.LoggedAt+1, last.LoggedAt+1
	for want, within := range map[string]predictions.Range{"r-1": {To: &from}, "r-2": {From: &from}, "": {From: &to}} {
		got := ""
		for _, r := range readAll(t, predictions.Query{Dir: dir, Service: "svc", Within: within}) {
			got = r.RequestID
		}
		if got != want {
			t.Errorf("%+v: %q, want %q", within, got, want)
		}
	}
}

func TestExports(t *testing.T) {
	l := oneLookup()
	row := l.Row(0)
	row.Predictions = []predictions.Prediction{{Model: "m:1"}, {Model: "m:2", Outputs: []predictions.Output{{Name: "p", Value: featurestore.DoubleValue(2)}, {Name: "ok", Value: featurestore.BoolValue(true)}}}}
	var jsonl, commas bytes.Buffer
	w, err := predictions.ExportCSV(&commas, l.Header)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []predictions.Exporter{predictions.ExportJSONL(&jsonl, l.Header), w} {
		if err := errors.Join(e.Append(row), e.Append(l.Row(1)), e.Close()); err != nil {
			t.Fatal(err)
		}
	}
	wantJSON := `{"_request_id":"r-1","_row":0,"_read_time":"2013-01-01T00:26:40Z","_logged_at":"2013-01-01T00:26:40Z","_as_of":false,"_revision":3,` +
		`"_entity__user":"a","_request__id":1,"v__n":5,"v__n__status":"PRESENT","v__tags":["x\""],"v__tags__status":"STALE",` +
		`"_state__v":{"view":"v","generation":2,"watermark":"2013-01-01T00:26:39Z","applied":[{"source":"clicks","generation":1,"partition":4,"offset":77,"max_log_time":"2013-01-01T00:26:38Z"}]},` +
		`"_model":"m:2","_outputs":{"p":2.0,"ok":true}}`
	lines := strings.Split(strings.TrimSpace(jsonl.String()), "\n")
	if lines[0] != wantJSON {
		t.Errorf("got  %s\nwant %s", lines[0], wantJSON)
	}
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
	wantCSV := "r-1,1,2013-01-01T00:26:40.000001Z,2013-01-01T00:26:40Z,false,3,\"b,c\",,0,NOT_FOUND,,REBUILDING,"
	if got := strings.Split(commas.String(), "\n")[2]; !strings.HasPrefix(got, wantCSV) {
		t.Errorf("got  %s\nwant %s", got, wantCSV)
	}
}

func TestUnionOfRevisions(t *testing.T) {
	dir := t.TempDir()
	old, now := oneLookup(), oneLookup()
	now.Header = &predictions.Header{Service: "svc", Entities: old.Header.Entities, Request: old.Header.Request, Columns: []predictions.Field{{Name: "v__new", Type: featurestore.Double}, {Name: "v__n", Type: featurestore.Int64}}, Roles: old.Header.Roles}
	now.Columns = [][]featurestore.Cell{{{Status: featurestore.Empty}, {Status: featurestore.Empty}}, old.Columns[0]}
	now.LoggedAt++
	for i, l := range []*predictions.Lookup{old, now} {
		writeSealed(t, dir, predictions.Sealed{Segment: predictions.SegmentID{Session: "s", Number: int64(i + 1)}, Schema: 1, First: l.LoggedAt, Last: l.LoggedAt}, "svc", l)
	}
	q := predictions.Query{Dir: dir, Service: "svc"}
	h, err := predictions.Union(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Columns) != 3 || h.Columns[0].Name != "v__new" || h.Columns[2].Name != "v__tags" {
		t.Fatalf("columns %+v", h.Columns)
	}
	r, ok := readAll(t, q)[0].Under(h)
	if !ok || !r.Cells[1].Value.Equal(featurestore.Int64Value(5)) || !r.Cells[0].Value.IsNull() || r.Cells[0].Status != featurestore.StatusUnspecified {
		t.Errorf("%v: %+v", ok, r)
	}
	changed := oneLookup()
	changed.Header.Columns[0].Type = featurestore.Double
	changed.Columns[0] = make([]featurestore.Cell, 2)
	writeSealed(t, dir, predictions.Sealed{Segment: predictions.SegmentID{Session: "s", Number: 3}, Schema: 1, First: changed.LoggedAt + 9, Last: changed.LoggedAt + 9}, "svc", changed)
	if _, err := predictions.Union(context.Background(), q); !errors.Is(err, featurestore.ErrInvalid) || !strings.Contains(err.Error(), `"v__n"`) {
		t.Errorf("a column of two types: %v", err)
	}
}

func TestLookupThatIsNotWhatItsHeaderSays(t *testing.T) {
	for name, spoil := range map[string]func(*predictions.Lookup){
		"kind":    func(l *predictions.Lookup) { l.Columns[0][0].Value = featurestore.DoubleValue(1) },
		"length":  func(l *predictions.Lookup) { l.Entities[0] = l.Entities[0][:1] },
		"columns": func(l *predictions.Lookup) { l.Columns = l.Columns[:1] },
		"status":  func(l *predictions.Lookup) { l.Columns[0][0].Status = 99 },
		"source":  func(l *predictions.Lookup) { l.Roles[0].Rows[0].Applied[0].Source = 1 },
		"instant": func(l *predictions.Lookup) { l.ReadTimes[0] = featurestore.MaxInstant + 1 },
		"inner kind": func(l *predictions.Lookup) {
			l.Columns[1][0].Value = featurestore.ListValue([]featurestore.Value{featurestore.Int64Value(1)})
		},
	} {
		l := oneLookup()
		spoil(l)
		dst := []byte("before")
		if got, err := predictions.AppendLookup(dst, 1, l); err == nil || string(got) != "before" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// Texts that are no UTF-8 do not spoil the file that they stand in.
func TestTextsAreMadeUTF8(t *testing.T) {
	l := oneLookup()
	l.Entities[0][0] = featurestore.StringValue("a\xff")
	segment, err := predictions.ReadSegment(segmentOf(t, l))
	if err != nil {
		t.Fatal(err)
	}
	got, err := segment.Records[0].Lookup()
	if err != nil || got.Entities[0][0].Str() != "a\ufffd" {
		t.Errorf("%q, %v", got.Entities[0][0].Str(), err)
	}
}

// The first bytes of a segment are frozen: version 1 reads them for ever.
func TestSegmentFormat(t *testing.T) {
	data := predictions.AppendPrediction(predictions.AppendSegmentHead(nil), &predictions.Prediction{RequestID: "r", Row: 1, Model: "m", LoggedAt: 2, Outputs: []predictions.Output{{Name: "p", Value: featurestore.BoolValue(true)}}})
	payload := "\x03\x04\x01r\x02\x01m\x01\x01p\x01\x01"
	if string(data[:8]) != "FRSPLOG\x01" || binary.LittleEndian.Uint32(data[8:]) != uint32(len(payload)) || string(data[20:]) != payload {
		t.Errorf("%q", data)
	}
}
