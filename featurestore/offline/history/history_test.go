package history

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func ok(t tester, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// source reads "e" and "a" as microseconds and one text.
func source(format definition.FileFormat, globs ...string) *definition.StreamSource {
	return &definition.StreamSource{
		Meta: definition.Meta{Name: "clicks"}, EventID: -1, Sequence: -1,
		Timestamp: definition.TimeSpec{Name: "e", Format: definition.FormatUnixUS},
		Fields:    []definition.Field{{Name: "s", Type: featurestore.String}, {Name: "d", Type: featurestore.Double}},
		History: &definition.History{
			Files: globs, Format: format,
			AvailableAt: &definition.TimeSpec{Name: "a", Format: definition.FormatUnixUS},
		},
	}
}

// got is what a stream gave at one offset: an event's text, or a bad row.
type got struct {
	offset int64
	a      featurestore.LogTime
	text   string
}

// collect reads a stream to its end and checks that each batch accounts for
// what comes after the one before.
func collect(t tester, r *Reader, spec offline.Spec) []got {
	t.Helper()
	ctx := context.Background()
	var out []got
	spec.Bad = func(b offline.BadRow) {
		out = append(out, got{offset: b.Offset, text: fmt.Sprintf("bad %s:%d", b.File, b.Row)})
	}
	s, err := r.Scan(ctx, spec)
	ok(t, err)
	defer s.Close()
	var last featurestore.Position
	last.Offset = -1
	for {
		before := len(out)
		b, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out
		}
		ok(t, err)
		if b.Partition != last.PartitionID {
			last = featurestore.Position{PartitionID: b.Partition, Offset: -1}
		}
		if b.Through <= last.Offset {
			t.Fatalf("a batch through %d after one through %d", b.Through, last.Offset)
		}
		for i := range b.Events {
			ev := &b.Events[i]
			if ev.Position.Compare(last) <= 0 || ev.Offset > b.Through {
				t.Fatalf("offset %d is not between %d and %d", ev.Offset, last.Offset, b.Through)
			}
			last.Offset = ev.Offset
			out = append(out, got{offset: ev.Offset, a: ev.LogTime, text: ev.Fields[0].Str()})
		}
		last.Offset = b.Through
		slices.SortFunc(out[before:], func(x, y got) int { return cmp.Compare(x.offset, y.offset) })
	}
}

type jsonRow struct {
	E int64  `json:"e" parquet:"e"`
	A int64  `json:"a" parquet:"a"`
	S string `json:"s" parquet:"s"`
	D any    `json:"d,omitempty" parquet:"-"`
}

func writeJSON(t tester, path string, rows []jsonRow) {
	t.Helper()
	var text strings.Builder
	for _, row := range rows {
		line, err := json.Marshal(row)
		ok(t, err)
		text.Write(line)
		text.WriteByte('\n')
	}
	ok(t, os.WriteFile(path, []byte(text.String()), 0o644))
}

// Ranks are the order of (available_at, file, row), whatever the files' order,
// the ties, the bad rows, the memory of the sort and the part that is read.
func TestRanksAreTheTotalOrder(t *testing.T) {
	root := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(root, "")
		ok(t, err)
		type placed struct {
			file, row int
			a         int64
			text      string
		}
		var want []placed
		for f := range rapid.IntRange(1, 5).Draw(t, "files") {
			var rows []jsonRow
			base, spread := rapid.Int64Range(-50, 50).Draw(t, "base"), rapid.Int64Range(0, 30).Draw(t, "spread")
			for range rapid.IntRange(0, 30).Draw(t, "rows") {
				rows = append(rows, jsonRow{A: base + rapid.Int64Range(0, spread).Draw(t, "a")})
			}
			if rapid.Bool().Draw(t, "sorted") {
				slices.SortStableFunc(rows, func(x, y jsonRow) int { return cmp.Compare(x.A, y.A) })
			}
			for i := range rows {
				rows[i].S = fmt.Sprintf("%d-%d", f, i)
				text := rows[i].S
				if rapid.IntRange(0, 9).Draw(t, "bad") == 0 {
					rows[i].D = "text"
					text = fmt.Sprintf("bad f%d.jsonl:%d", f, i)
				}
				want = append(want, placed{f, i, rows[i].A, text})
			}
			writeJSON(t, filepath.Join(dir, fmt.Sprintf("f%d.jsonl", f)), rows)
		}
		slices.SortFunc(want, func(x, y placed) int {
			return cmp.Or(cmp.Compare(x.a, y.a), cmp.Compare(x.file, y.file), cmp.Compare(x.row, y.row))
		})
		r := New(Options{Root: dir, TempDir: dir, SortBytes: rapid.Int64Range(1, 2000).Draw(t, "memory"), BatchRows: rapid.IntRange(1, 9).Draw(t, "batch")})
		from := rapid.Int64Range(0, int64(len(want))).Draw(t, "from")
		to := rapid.Int64Range(from, int64(len(want))+3).Draw(t, "to")
		spec := offline.Spec{Source: source(definition.JSONL, "*.jsonl"), Bounds: map[offline.Partition]offline.Range{{}: {From: from, To: to}}}
		all := collect(t, r, spec)
		part := want[from:min(to, int64(len(want)))]
		if len(all) != len(part) {
			t.Fatalf("%d rows, want %d", len(all), len(part))
		}
		for i, g := range all {
			if g.text != part[i].text || g.offset != from+int64(i) || !strings.HasPrefix(g.text, "bad") && int64(g.a) != part[i].a {
				t.Fatalf("rank %d: %+v, want %+v", from+int64(i), g, part[i])
			}
		}
	})
}

func parquetFile[T any](t tester, path string, rows []T) {
	t.Helper()
	_, err := (&atomicfile.Disk{Durability: atomicfile.Crash}).Write(path, func(w io.Writer) error {
		p := parquet.NewGenericWriter[T](w)
		_, err := p.Write(rows)
		return errors.Join(err, p.Close())
	})
	ok(t, err)
}

type fileRow struct {
	E int64   `parquet:"e"`
	A int64   `parquet:"a"`
	S string  `parquet:"s"`
	D float64 `parquet:"d"`
}

// archived writes an archive by hand: events at the offsets of a partition.
func archived(t tester, dir string, m *archive.Manifest, p offline.Partition, r offline.Range, offsets ...int64) {
	t.Helper()
	type row struct {
		E int64   `parquet:"_event_time,timestamp(microsecond)"`
		A int64   `parquet:"_log_time,timestamp(microsecond)"`
		P int32   `parquet:"_partition"`
		O int64   `parquet:"_offset"`
		L bool    `parquet:"_late"`
		S *string `parquet:"s"`
	}
	m.AddComplete(p, r)
	if len(offsets) == 0 {
		return
	}
	var rows []row
	for _, o := range offsets {
		text := fmt.Sprintf("archived %d", o)
		rows = append(rows, row{E: o, A: o, P: p.Partition, O: o, S: &text})
	}
	last := offsets[len(offsets)-1]
	f := archive.File{
		Generation: p.Generation, Partition: p.Partition, From: offsets[0], To: last + 1, Rows: int64(len(rows)),
		MinEventTime: offsets[0], MaxEventTime: last, MinLogTime: offsets[0], MaxLogTime: last,
	}
	f.Path = archive.FileName(p, archive.Date(0).String(), offline.Range{From: f.From, To: f.To})
	path := filepath.Join(archive.Folder(dir, m.Source), filepath.FromSlash(f.Path))
	parquetFile(t, path, rows)
	info, err := os.Stat(path)
	ok(t, err)
	f.Bytes = info.Size()
	f.XXH3, err = atomicfile.Hash(path)
	ok(t, err)
	m.AddFile(f)
	ok(t, m.Store(&atomicfile.Disk{}, dir, p))
}

func texts(all []got) string {
	var out []string
	for _, g := range all {
		out = append(out, fmt.Sprintf("%d=%s", g.offset, g.text))
	}
	return strings.Join(out, " ")
}

func TestArchiveStandsInForRanks(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	var rows []fileRow
	for i := range int64(10) {
		rows = append(rows, fileRow{E: i, A: i, S: fmt.Sprint("file ", i)})
	}
	parquetFile(t, filepath.Join(root, "h", "a.parquet"), rows[:4])
	parquetFile(t, filepath.Join(root, "h", "b.parquet"), rows[4:])
	m := &archive.Manifest{Version: archive.ManifestVersion, Source: "clicks"}
	archived(t, dir, m, offline.Partition{}, offline.Range{From: 2, To: 5}, 2, 4) // 3 was a dead letter
	archived(t, dir, m, offline.Partition{Generation: 2, Partition: 1}, offline.Range{From: 7, To: 9}, 8)
	src := source(definition.Parquet, "h/*.parquet")
	ctx := context.Background()

	r := New(Options{Root: root, Dir: dir})
	const want = "0=file 0 1=file 1 2=archived 2 4=archived 4 5=file 5 6=file 6 7=file 7 8=file 8 9=file 9 8=archived 8"
	if got := texts(collect(t, r, offline.Spec{Source: src})); got != want {
		t.Errorf("all:\n%s, want\n%s", got, want)
	}
	only := offline.Spec{Source: src, Only: true, Bounds: map[offline.Partition]offline.Range{{}: {From: 3, To: 7}}}
	if got := texts(collect(t, r, only)); got != "4=archived 4 5=file 5 6=file 6" {
		t.Errorf("bounds: %s", got)
	}
	times := offline.Spec{Source: src, Times: &offline.TimeRange{From: 4, To: 6}, Keep: func(ev *featurestore.Event) bool { return ev.Fields[0].Str() != "file 5" }}
	if got := texts(collect(t, r, times)); got != "4=archived 4" {
		t.Errorf("times and keep: %s", got)
	}
	archiveOnly := New(Options{Root: root, Dir: dir, Files: ArchiveOnly})
	if got := texts(collect(t, archiveOnly, offline.Spec{Source: src})); got != "2=archived 2 4=archived 4 8=archived 8" {
		t.Errorf("archive only: %s", got)
	}

	segments, err := r.Segments(ctx, src)
	ok(t, err)
	var list []string
	for _, s := range segments {
		list = append(list, fmt.Sprintf("%d %d/%d [%d,%d) %d %s", s.Kind, s.Partition.Generation, s.Partition.Partition, s.Offsets.From, s.Offsets.To, s.Rows, s.Names))
		for _, path := range s.Paths {
			if _, err := os.Stat(path); err != nil || !filepath.IsAbs(path) {
				t.Errorf("path %q: %v", path, err)
			}
		}
	}
	wantSegments := []string{
		"1 0/0 [0,2) -1 [h/a.parquet h/b.parquet]",
		"0 0/0 [2,5) 2 [gen=0/date=1970-01-01/p0-2-5.parquet]",
		"1 0/0 [5,10) -1 [h/a.parquet h/b.parquet]",
		"0 2/1 [7,9) 1 [gen=2/date=1970-01-01/p1-8-9.parquet]",
	}
	if !slices.Equal(list, wantSegments) {
		t.Errorf("segments %q, want %q", list, wantSegments)
	}
	complete, err := r.Complete(src)
	ok(t, err)
	if !slices.Equal(complete[offline.Partition{}], []offline.Range{{From: 2, To: 5}}) {
		t.Errorf("complete %v", complete)
	}
}

// A file that the manifest lists and that is gone or damaged is an error that does
// not pass, so that nobody waits for it, and says what a person can do.
func TestAnArchivedFileIsGone(t *testing.T) {
	dir := t.TempDir()
	m := &archive.Manifest{Version: archive.ManifestVersion, Source: "clicks"}
	p := offline.Partition{Generation: 1}
	archived(t, dir, m, p, offline.Range{To: 5}, 2, 4)
	path := filepath.Join(archive.Folder(dir, "clicks"), filepath.FromSlash(m.Files[0].Path))
	src := source(definition.Parquet)
	src.History = nil
	whole, err := os.ReadFile(path)
	ok(t, err)
	flipped := slices.Clone(whole)
	flipped[len(flipped)-30] ^= 0x10 // of the file's end, for which Parquet has no checksum
	for name, change := range map[string]func() error{
		"gone":    func() error { return os.Remove(path) },
		"cut":     func() error { return os.WriteFile(path, whole[:len(whole)/2], 0o644) },
		"flipped": func() error { return os.WriteFile(path, flipped, 0o644) },
	} {
		ok(t, change())
		s, err := New(Options{Dir: dir}).Scan(context.Background(), offline.Spec{Source: src})
		ok(t, err)
		_, err = s.(offline.ColumnStream).NextColumns(context.Background(), columnar.New(src), 10)
		if !errors.Is(err, featurestore.ErrInvalid) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move the folder") {
			t.Errorf("%s, by column: %v", name, err)
		}
		_, err = s.Next(context.Background())
		if !errors.Is(err, featurestore.ErrInvalid) || errors.Is(err, featurestore.ErrUnavailable) ||
			!strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move the folder") {
			t.Errorf("%s: %v", name, err)
		}
		ok(t, s.Close())
		ok(t, os.WriteFile(path, whole, 0o644))
	}
	if got := texts(collect(t, New(Options{Dir: dir}), offline.Spec{Source: src})); got != "2=archived 2 4=archived 4" {
		t.Errorf("restored: %s", got)
	}
}

func TestReadersRefuse(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	ctx := context.Background()
	r := New(Options{Root: root, Dir: dir})
	if _, err := r.Scan(ctx, offline.Spec{Source: source(definition.Parquet, "*.parquet")}); !errors.Is(err, featurestore.ErrNotFound) || !strings.Contains(err.Error(), `source "clicks"`) {
		t.Errorf("no files: %v", err)
	}
	m := &archive.Manifest{Version: archive.ManifestVersion, Source: "clicks"}
	archived(t, dir, m, offline.Partition{}, offline.Range{From: 0, To: 1}, 0)
	path := filepath.Join(archive.Folder(dir, "clicks"), m.Files[0].Path)
	ok(t, os.Truncate(path, 10))
	src := source(definition.Parquet)
	src.History = nil
	s, err := r.Scan(ctx, offline.Spec{Source: src})
	ok(t, err)
	defer s.Close()
	if _, err := s.Next(ctx); !errors.Is(err, featurestore.ErrInvalid) || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a cut file: %v", err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Next(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// The year of flights: 336,776 events, in rank order, twice the same.
func TestFlights(t *testing.T) {
	src := &definition.StreamSource{
		Meta: definition.Meta{Name: "departures"}, EventID: -1, Sequence: -1,
		Timestamp: definition.TimeSpec{Name: "departed_at"},
		Fields: []definition.Field{
			{Name: "origin", Type: featurestore.String}, {Name: "tailnum", Type: featurestore.String},
			{Name: "dep_delay", Type: featurestore.Double}, {Name: "cancelled", Type: featurestore.Bool}, {Name: "distance", Type: featurestore.Int64},
		},
		History: &definition.History{Files: []string{"data/flights.parquet"}, Format: definition.Parquet},
	}
	r := New(Options{Root: "../../../testdata/nycflights"})
	all := collect(t, r, offline.Spec{Source: src})
	if len(all) != 336776 {
		t.Fatalf("%d events", len(all))
	}
	for i := range all {
		if all[i].offset != int64(i) || i > 0 && all[i].a < all[i-1].a {
			t.Fatalf("rank %d: %+v after %+v", i, all[i], all[i-1])
		}
	}
}

func benchmarkScan(b *testing.B, shuffled bool) {
	root := b.TempDir()
	rows := make([]fileRow, 1_000_000)
	for i := range rows {
		rows[i] = fileRow{E: int64(i), A: int64(i), S: fmt.Sprint("k", i%5000), D: float64(i) / 3}
		if shuffled {
			rows[i].A = int64(i * 7919 % len(rows))
		}
	}
	parquetFile(b, filepath.Join(root, "a.parquet"), rows)
	src, ctx := source(definition.Parquet, "a.parquet"), context.Background()
	b.ResetTimer()
	b.ReportAllocs()
	for b.Loop() {
		s, err := New(Options{Root: root}).Scan(ctx, offline.Spec{Source: src})
		ok(b, err)
		for err == nil {
			_, err = s.Next(ctx)
		}
		if n := s.Stats().Events; n != int64(len(rows)) {
			b.Fatalf("%d events, %v", n, err)
		}
		ok(b, s.Close())
	}
	b.ReportMetric(float64(b.N*len(rows))/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkScanSorted(b *testing.B)   { benchmarkScan(b, false) }
func BenchmarkScanUnsorted(b *testing.B) { benchmarkScan(b, true) }
