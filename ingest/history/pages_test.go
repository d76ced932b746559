package history

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
)

// Rows of many pages come back: of two dates that take turns, with nulls, with texts
// that repeat, that do not, and that seem to.
func TestManyPages(t *testing.T) {
	const rows = 60_000
	dir, r := t.TempDir(), rand.New(rand.NewPCG(3, 4))
	source := testSource()
	source.Fields = append(source.Fields, definition.Field{Name: "seems", Type: featurestore.String}, definition.Field{Name: "few", Type: featurestore.String})
	var want []featurestore.Event
	for i := range rows {
		at := featurestore.LogTime(featurestore.Day) + featurestore.LogTime(i/700%2*2-1)*featurestore.LogTime(featurestore.Hour)
		ev := event(1, 0, int64(i), at)
		ev.Time = featurestore.EventTime(at) - featurestore.EventTime(r.Int64N(2*int64(featurestore.Hour)))
		seems := "again"
		if i%10 != 0 {
			seems = fmt.Sprintf("%050d", i)
		}
		ev.Fields = append(ev.Fields, featurestore.StringValue(seems), featurestore.StringValue([]string{"", "a", "b"}[r.IntN(3)]))
		if i/9000%2 == 0 { // whole pages without them, and whole pages with them
			ev.Fields[0], ev.Fields[2] = featurestore.BoolValue(r.IntN(3) == 0), featurestore.DoubleValue(r.NormFloat64())
			ev.Fields[6] = featurestore.DecimalValue(r.Int64N(1000))
		}
		if r.IntN(4) == 0 {
			ev.Fields[4], ev.Fields[5] = featurestore.BytesValue(fmt.Sprint(r.Uint64())), featurestore.TimestampValue(featurestore.Instant(r.Int64N(1<<50)))
			ev.Fields[8] = featurestore.Null
		}
		want = append(want, ev)
	}
	w := open(t, Options{Dir: dir, Source: source, Disk: fast})
	p := offline.Partition{Generation: 1}
	ok(t, w.Begin(p, 0))
	ok(t, appendTo(w, want...))
	ok(t, w.Close())
	sameEvents(t, scanAll(t, dir, source), want)

	m, err := archive.LoadPartition(dir, source.Name, p)
	ok(t, err)
	if len(m.Files) != 2 {
		t.Fatalf("%d files of two dates", len(m.Files))
	}
	for _, f := range m.Files {
		path := filepath.Join(archive.Folder(dir, source.Name), filepath.FromSlash(f.Path))
		for column, want := range map[string]bool{"s": false, "seems": false, "few": true} {
			if got := dictionaryOf(t, path, column); got != want {
				t.Errorf("column %q has a dictionary: %t", column, got)
			}
		}
		offsets := columnOf(t, path, archive.ColumnOffset)
		late, partition := columnOf(t, path, archive.ColumnLate), columnOf(t, path, archive.ColumnPartition)
		if int64(len(offsets)) != f.Rows || len(late) != len(offsets) || len(partition) != len(offsets) {
			t.Fatalf("%d offsets, %d and %d others of %d rows", len(offsets), len(late), len(partition), f.Rows)
		}
		for i := range offsets {
			ev := &want[offsets[i].Int64()]
			if late[i].Boolean() != ev.Late(source.AllowedLateness) || partition[i].Int32() != 0 {
				t.Fatalf("offset %d: late is %t", ev.Offset, late[i].Boolean())
			}
			if int64(ev.Time) < f.MinEventTime || int64(ev.Time) > f.MaxEventTime || int64(ev.LogTime) != f.MinLogTime || int64(ev.LogTime) != f.MaxLogTime {
				t.Fatalf("offset %d is not within %+v", ev.Offset, f)
			}
		}
	}
}

// Long texts make short pages, and one that is very long takes no memory afterwards.
func TestLongTexts(t *testing.T) {
	dir, r := t.TempDir(), rand.New(rand.NewPCG(5, 6))
	source := testSource()
	w := open(t, Options{Dir: dir, Source: source, Disk: fast})
	p := offline.Partition{Generation: 1}
	ok(t, w.Begin(p, 0))
	var want []featurestore.Event
	for i := range 2000 {
		ev := event(1, 0, int64(i), 5)
		n := r.IntN(20_000)
		if i == 1500 {
			n = 20 << 20
		}
		ev.Fields[3], ev.Fields[4] = featurestore.StringValue(strings.Repeat("s", n)), featurestore.BytesValue(strings.Repeat("y", n/2))
		ev.ID = ev.Fields[3].Str()
		want = append(want, ev)
	}
	ok(t, appendTo(w, want...))
	ok(t, w.Close())
	sameEvents(t, scanAll(t, dir, source), want)
	if got := cap(w.pages.texts); got > keptBytes {
		t.Errorf("%d bytes are kept", got)
	}
	m, err := archive.LoadPartition(dir, source.Name, p)
	ok(t, err)
	path := filepath.Join(archive.Folder(dir, source.Name), filepath.FromSlash(m.Files[0].Path))
	if got := pagesOf(t, path, "y"); got < 20 {
		t.Errorf("%d pages of 20 MB of texts", got)
	}
}

// parquetAt opens a file for the length of a test.
func parquetAt(t *testing.T, path string) *parquet.File {
	t.Helper()
	file, err := os.Open(path)
	ok(t, err)
	t.Cleanup(func() { ok(t, file.Close()) })
	f, err := openParquet(file, path)
	ok(t, err)
	return f
}

// pagesOf counts the pages of a column.
func pagesOf(t *testing.T, path, name string) (n int64) {
	t.Helper()
	f := parquetAt(t, path)
	leaf, _ := f.Schema().Lookup(name)
	for _, s := range f.Metadata().RowGroups[0].Columns[leaf.ColumnIndex].MetaData.EncodingStats {
		n += int64(s.Count)
	}
	return n
}

// columnOf reads a column of scalars.
func columnOf(t *testing.T, path, name string) (values []parquet.Value) {
	t.Helper()
	f := parquetAt(t, path)
	leaf, _ := f.Schema().Lookup(name)
	for _, g := range f.RowGroups() {
		r := parquet.NewColumnChunkValueReader(g.ColumnChunks()[leaf.ColumnIndex])
		buffer := make([]parquet.Value, 100)
		for {
			n, err := r.ReadValues(buffer)
			values = append(values, buffer[:n]...)
			if errors.Is(err, io.EOF) {
				break
			}
			ok(t, err)
		}
		ok(t, r.Close())
	}
	return values
}

func TestDays(t *testing.T) {
	day := featurestore.LogTime(featurestore.Day)
	w := newBuffers(testSource(), 0)
	p := offline.Partition{Generation: 1}
	b := w.partition(p)
	for i, at := range []featurestore.LogTime{day, day + 5, 0, day, 7, 3 * day} {
		ev := event(1, 0, int64(i), at)
		ok(t, b.Append(&ev))
	}
	got := days(b)
	want := []dayRows{
		{archive.DateOf(0), []span{{2, 3}, {4, 5}}, 2},
		{archive.DateOf(day), []span{{0, 2}, {3, 4}}, 3},
		{archive.DateOf(3 * day), []span{{5, 6}}, 1},
	}
	if len(got) != len(want) {
		t.Fatalf("%v", got)
	}
	for i := range want {
		if got[i].date != want[i].date || got[i].rows != want[i].rows || !slices.Equal(got[i].spans, want[i].spans) {
			t.Errorf("%v, not %v", got[i], want[i])
		}
	}
	rows := dayRows{spans: []span{{2, 4}, {7, 8}, {9, 12}}, rows: 6}
	if got := slices.Collect(rows.sample(6)); !slices.Equal(got, []int{2, 3, 7, 9, 10, 11}) {
		t.Errorf("all of them are %v", got)
	}
	if got := slices.Collect(rows.sample(3)); !slices.Equal(got, []int{2, 7, 10}) {
		t.Errorf("half of them are %v", got)
	}
	if got := slices.Collect(pieces(rows.spans, 2)); !slices.Equal(got, []span{{2, 4}, {7, 8}, {9, 11}, {11, 12}}) {
		t.Errorf("pieces are %v", got)
	}
}
