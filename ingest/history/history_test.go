package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
	reader "github.com/freshet/freshet/featurestore/offline/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tester is a test, a benchmark or a run of rapid.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

var fast = atomicfile.Disk{Durability: atomicfile.Crash}

func testSource() *definition.StreamSource {
	return &definition.StreamSource{
		Meta: definition.Meta{Name: "clicks"}, EventID: 3, Sequence: 1, AllowedLateness: featurestore.Hour,
		Fields: []definition.Field{
			{Name: "b", Type: featurestore.Bool}, {Name: "i", Type: featurestore.Int64}, {Name: "d", Type: featurestore.Double},
			{Name: "s", Type: featurestore.String}, {Name: "y", Type: featurestore.Bytes}, {Name: "t", Type: featurestore.Timestamp},
			{Name: "m", Type: featurestore.Decimal(10, 2)},
		},
	}
}

func open(t tester, o Options) *Writer {
	t.Helper()
	w, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// appendTo archives events of the writer's source.
func appendTo(w *Writer, list ...featurestore.Event) error {
	events := columnar.New(w.o.Source)
	for i := range list {
		if err := events.Append(&list[i]); err != nil {
			return err
		}
	}
	return w.Append(events)
}

func ok(t tester, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// scanAll reads the archive back, row by row and by column; the events own their fields.
func scanAll(t tester, dir string, source *definition.StreamSource) []featurestore.Event {
	t.Helper()
	out := scanRows(t, dir, source)
	for _, most := range []int{1, 5, 1000} {
		sameEvents(t, scanColumns(t, dir, source, most), out)
	}
	return out
}

func scanRows(t tester, dir string, source *definition.StreamSource) []featurestore.Event {
	t.Helper()
	ctx := context.Background()
	s, err := reader.New(reader.Options{Dir: dir, Files: reader.ArchiveOnly, BatchRows: 7}).Scan(ctx, offline.Spec{Source: source})
	ok(t, err)
	defer s.Close()
	var out []featurestore.Event
	for {
		b, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out
		}
		ok(t, err)
		for _, ev := range b.Events {
			ev.Fields = slices.Clone(ev.Fields)
			out = append(out, ev)
		}
	}
}

func sameEvents(t tester, got, want []featurestore.Event) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	for i := range got {
		g, w := &got[i], &want[i]
		if g.Position != w.Position || g.Time != w.Time || g.LogTime != w.LogTime || g.ID != w.ID || !g.Sequence.Equal(w.Sequence) {
			t.Fatalf("event %d: %+v, want %+v", i, g, w)
		}
		for k := range w.Fields {
			if !g.Fields[k].Equal(w.Fields[k]) {
				t.Fatalf("event %d, field %d: %#v, want %#v", i, k, g.Fields[k], w.Fields[k])
			}
		}
	}
}

// event is one whose fields follow from its offset.
func event(generation uint32, partition int32, offset int64, logTime featurestore.LogTime) featurestore.Event {
	ev := featurestore.Event{Time: featurestore.EventTime(logTime) - 5, LogTime: logTime}
	ev.Generation, ev.Partition, ev.Offset = generation, partition, offset
	ev.Fields = make([]featurestore.Value, 7)
	ev.Fields[1], ev.Fields[3] = featurestore.Int64Value(offset), featurestore.StringValue(fmt.Sprint("id", offset))
	ev.Sequence, ev.ID = ev.Fields[1], ev.Fields[3].Str()
	return ev
}

func genEvent(t *rapid.T, p offline.Partition, offset int64) featurestore.Event {
	maybe := func(name string, v func() featurestore.Value) featurestore.Value {
		if rapid.Bool().Draw(t, name) {
			return featurestore.Null
		}
		return v()
	}
	day := int64(featurestore.Day)
	ev := featurestore.Event{LogTime: featurestore.LogTime(rapid.Int64Range(-2*day, 2*day).Draw(t, "a"))}
	ev.Time = featurestore.EventTime(rapid.Int64Range(-3*day, 2*day).Draw(t, "e"))
	ev.Generation, ev.Partition, ev.Offset = p.Generation, p.Partition, offset
	ev.Fields = []featurestore.Value{
		maybe("b", func() featurestore.Value { return featurestore.BoolValue(rapid.Bool().Draw(t, "bool")) }),
		maybe("i", func() featurestore.Value { return featurestore.Int64Value(rapid.Int64().Draw(t, "int")) }),
		maybe("d", func() featurestore.Value { return featurestore.DoubleValue(rapid.Float64().Draw(t, "double")) }),
		maybe("s", func() featurestore.Value { return featurestore.StringValue(rapid.String().Draw(t, "text")) }),
		maybe("y", func() featurestore.Value {
			return featurestore.BytesValue(string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")))
		}),
		maybe("t", func() featurestore.Value {
			return featurestore.TimestampValue(featurestore.Instant(rapid.Int64Range(int64(featurestore.MinInstant), int64(featurestore.MaxInstant)).Draw(t, "at")))
		}),
		maybe("m", func() featurestore.Value {
			return featurestore.DecimalValue(rapid.Int64Range(-9999999999, 9999999999).Draw(t, "decimal"))
		}),
	}
	ev.Sequence, ev.ID = ev.Fields[1], ev.Fields[3].Str()
	return ev
}

// What is archived comes back: every type, with holes between offsets, rewinds,
// seals at any point and restarts.
func TestRoundTrip(t *testing.T) {
	root := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(root, "")
		ok(t, err)
		source := testSource()
		options := Options{Dir: dir, Source: source, Disk: fast, SealRows: rapid.IntRange(1, 20).Draw(t, "seal")}
		w := open(t, options)
		partitions := []offline.Partition{{Generation: 0, Partition: 0}, {Generation: 1, Partition: 0}, {Generation: 1, Partition: 3}}
		logs := make([][]featurestore.Event, len(partitions))
		next := make([]int64, len(partitions)) // the log's end
		begin := func(i int) { ok(t, w.Begin(partitions[i], 0)) }
		for i := range partitions {
			begin(i)
		}
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			i := rapid.IntRange(0, len(partitions)-1).Draw(t, "partition")
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				ok(t, w.Flush())
			case 1: // a rewind: everything comes again
				ok(t, appendTo(w, logs[i]...))
			case 2: // a crash, and a feed from where the archive ends
				ok(t, w.Abandon())
				w = open(t, options)
				for k, p := range partitions {
					ok(t, w.Hold(p))
					from, _ := w.Next(p)
					ok(t, w.Begin(p, from))
					at := slices.IndexFunc(logs[k], func(ev featurestore.Event) bool { return ev.Offset >= from })
					if at >= 0 {
						ok(t, appendTo(w, logs[k][at:]...))
					}
					if next[k] > 0 {
						ok(t, w.Consumed(p, next[k]-1))
					}
				}
			case 3: // records without an event
				next[i] += int64(rapid.IntRange(1, 5).Draw(t, "hole"))
				ok(t, w.Consumed(partitions[i], next[i]-1))
			default:
				old := rapid.IntRange(0, min(3, len(logs[i]))).Draw(t, "again")
				for range rapid.IntRange(1, 8).Draw(t, "events") {
					logs[i] = append(logs[i], genEvent(t, partitions[i], next[i]))
					next[i]++
					old++
				}
				ok(t, appendTo(w, logs[i][len(logs[i])-old:]...))
			}
		}
		ok(t, w.Close())
		sameEvents(t, scanAll(t, dir, source), slices.Concat(logs...))
		complete, err := reader.New(reader.Options{Dir: dir}).Complete(source)
		ok(t, err)
		for i, p := range partitions {
			var want []offline.Range
			if next[i] > 0 {
				want = []offline.Range{{From: 0, To: next[i]}}
			}
			if !slices.Equal(complete[p], want) {
				t.Fatalf("partition %v: complete %v, want %v", p, complete[p], want)
			}
		}
	})
}

// The process is killed before each step of each file that three seals write;
// what is left is opened, fed from Next and whole.
func TestKilledAtEveryStep(t *testing.T) {
	killed := errors.New("killed")
	var events []featurestore.Event
	for o := range int64(30) {
		events = append(events, event(1, 0, o, featurestore.LogTime(o)*featurestore.LogTime(featurestore.Hour)))
	}
	feed := func(dir string, disk atomicfile.Disk) (resumed int64, err error) {
		w, err := Open(Options{Dir: dir, Source: testSource(), Disk: disk, SealRows: 10})
		if err != nil {
			return 0, err
		}
		p := offline.Partition{Generation: 1}
		if err = w.Hold(p); err != nil {
			return 0, errors.Join(err, w.Close())
		}
		resumed, _ = w.Next(p)
		err = w.Begin(p, resumed)
		for i := range events {
			if err == nil && events[i].Offset >= resumed {
				err = appendTo(w, events[i])
			}
		}
		return resumed, errors.Join(err, w.Close())
	}
	for at := 0; ; at++ {
		dir, n := t.TempDir(), 0
		_, err := feed(dir, atomicfile.Disk{Durability: atomicfile.Crash, Fault: func(atomicfile.Step, string) error {
			if n++; n > at {
				return killed // and nothing more reaches the disk
			}
			return nil
		}})
		if err == nil {
			if at < 30 {
				t.Fatalf("only %d steps were seen", at)
			}
			return
		}
		if !errors.Is(err, killed) || !errors.Is(err, featurestore.ErrUnavailable) {
			t.Fatalf("step %d: %v", at, err)
		}
		before := scanAll(t, dir, testSource())
		sameEvents(t, before, events[:len(before)]) // readers see a prefix at any time
		resumed, err := feed(dir, fast)
		ok(t, err)
		if resumed != int64(len(before)) {
			t.Fatalf("step %d: resumed at %d, %d events were listed", at, resumed, len(before))
		}
		sameEvents(t, scanAll(t, dir, testSource()), events)
		listedOnly(t, dir)
	}
}

// listedOnly checks that the folder holds what the manifest lists, and no more.
func listedOnly(t *testing.T, dir string) {
	t.Helper()
	m, err := archive.Load(dir, "clicks")
	ok(t, err)
	var want, got []string
	for _, f := range m.Files {
		want = append(want, f.Path)
		hash, err := atomicfile.Hash(filepath.Join(archive.Folder(dir, "clicks"), f.Path))
		if err != nil || hash != f.XXH3 {
			t.Errorf("file %q: hash %s, %v; want %s", f.Path, hash, err, f.XXH3)
		}
	}
	ok(t, filepath.WalkDir(archive.Folder(dir, "clicks"), func(path string, e fs.DirEntry, err error) error {
		if name := e.Name(); strings.HasSuffix(name, ".parquet") || strings.HasSuffix(name, ".tmp") {
			relative, _ := filepath.Rel(archive.Folder(dir, "clicks"), path)
			got = append(got, filepath.ToSlash(relative))
		}
		return err
	}))
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("files %q, listed %q", got, want)
	}
}

const goldenManifest = `{
 "version": 1,
 "source": "clicks",
 "complete": [
  {
   "generation": 1,
   "partition": 2,
   "ranges": [
    {
     "from": 5,
     "to": 11
    },
    {
     "from": 20,
     "to": 21
    }
   ]
  }
 ],
 "files": [`

func TestLayout(t *testing.T) {
	dir := t.TempDir()
	w := open(t, Options{Dir: dir, Source: testSource(), Disk: fast})
	day := featurestore.LogTime(featurestore.Day)
	p := offline.Partition{Generation: 1, Partition: 2}
	ok(t, w.Begin(p, 5))
	ok(t, w.Begin(offline.Partition{}, 0))
	for _, ev := range []featurestore.Event{
		event(1, 2, 5, day-1), event(1, 2, 6, day), event(1, 2, 8, day-1), // log times of a producer go back
		event(0, 0, 0, 366*day),
	} {
		ok(t, appendTo(w, ev))
	}
	ok(t, w.Consumed(p, 10))
	ok(t, w.Begin(p, 20)) // 11 to 19 have expired
	late := event(1, 2, 20, day)
	late.Time -= featurestore.EventTime(2 * featurestore.Hour)
	ok(t, appendTo(w, late))
	ok(t, w.Close())
	var names []string
	m, err := archive.Load(dir, "clicks")
	ok(t, err)
	for _, f := range m.Files {
		names = append(names, f.Path)
	}
	want := []string{
		"gen=0/date=1971-01-02/p0-0-1.parquet", "gen=1/date=1970-01-01/p2-5-9.parquet", "gen=1/date=1970-01-02/p2-6-7.parquet",
		"gen=1/date=1970-01-02/p2-20-21.parquet",
	}
	if !slices.Equal(names, want) {
		t.Errorf("files %q, want %q", names, want)
	}
	data, err := os.ReadFile(filepath.Join(dir, "history", "clicks", "manifest-1-2.json"))
	ok(t, err)
	if !strings.HasPrefix(string(data), goldenManifest) {
		t.Errorf("manifest\n%s\nwant it to begin with\n%s", data, goldenManifest)
	}
	var offsets []int64
	for _, ev := range scanAll(t, dir, testSource()) {
		offsets = append(offsets, ev.Offset)
	}
	if !slices.Equal(offsets, []int64{0, 5, 6, 8, 20}) {
		t.Errorf("offsets %v", offsets)
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	options := Options{Dir: dir, Source: testSource(), Disk: fast}
	w := open(t, options)
	ev := event(1, 0, 0, 0)
	if err := appendTo(w, ev); !errors.Is(err, featurestore.ErrInvalid) {
		t.Errorf("no begin: %v", err)
	}
	held := offline.Partition{Generation: 1}
	ok(t, w.Begin(held, 0))
	second := open(t, options)
	if err := second.Hold(held); !errors.Is(err, featurestore.ErrUnavailable) {
		t.Errorf("a second writer: %v", err)
	}
	ok(t, second.Close())
	ev.Fields[0] = featurestore.Int64Value(1)
	if err := appendTo(w, ev); !errors.Is(err, featurestore.ErrInvalid) || !strings.Contains(err.Error(), `field "b"`) {
		t.Errorf("a wrong type: %v", err)
	}
	ev.Fields[0] = featurestore.Null
	ok(t, appendTo(w, ev))
	ok(t, w.Close())
	ok(t, w.Close())

	m, err := archive.Load(dir, "clicks")
	ok(t, err)
	path := filepath.Join(archive.Folder(dir, "clicks"), m.Files[0].Path)
	ok(t, os.Rename(path, path+".away"))
	holding := func() error {
		w, err := Open(options)
		if err != nil {
			return err
		}
		return errors.Join(w.Hold(held), w.Close())
	}
	if err := holding(); !errors.Is(err, featurestore.ErrInvalid) || !strings.Contains(err.Error(), "listed and not there") {
		t.Errorf("a listed file that is gone: %v", err)
	}
	ok(t, os.WriteFile(path, []byte("short"), 0o644))
	if err := holding(); !errors.Is(err, featurestore.ErrInvalid) || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a listed file of another size: %v", err)
	}
	ok(t, os.Rename(path+".away", path))
	ok(t, os.WriteFile(filepath.Join(archive.Folder(dir, "clicks"), archive.ManifestName(offline.Partition{Generation: 1})), []byte("{"), 0o644))
	if err := holding(); !errors.Is(err, featurestore.ErrInvalid) || !strings.Contains(err.Error(), "manifest") {
		t.Errorf("a damaged manifest: %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("a damaged manifest made files go: %v", err)
	}
}

// TestHandOver: two writers share a source; a partition that one releases goes on
// at the other, from where the first has ended.
func TestHandOver(t *testing.T) {
	dir := t.TempDir()
	options := Options{Dir: dir, Source: testSource(), Disk: fast}
	a, b := open(t, options), open(t, options)
	zero, one := offline.Partition{Generation: 1}, offline.Partition{Generation: 1, Partition: 1}
	ok(t, a.Begin(zero, 0))
	ok(t, a.Begin(one, 0))
	for o := range int64(5) {
		for p := range int32(2) {
			ev := event(1, p, o, featurestore.LogTime(o))
			ok(t, appendTo(a, ev))
		}
	}
	if err := b.Hold(one); !errors.Is(err, featurestore.ErrUnavailable) {
		t.Fatalf("a partition that is held: %v", err)
	}
	ok(t, a.Release(one))
	ok(t, a.Release(one))
	ok(t, b.Hold(one))
	if next, found := b.Next(one); next != 5 || !found {
		t.Fatalf("the other goes on at %d, %t", next, found)
	}
	ok(t, b.Begin(one, 3))
	for o := int64(3); o < 8; o++ {
		ev := event(1, 1, o, featurestore.LogTime(o))
		ok(t, appendTo(b, ev))
	}
	last := event(1, 0, 5, 5)
	ok(t, appendTo(a, last))
	if err := appendTo(a, event(1, 1, 9, 0)); !errors.Is(err, featurestore.ErrInvalid) {
		t.Errorf("an event of a partition that was released: %v", err)
	}
	ok(t, b.Close())
	ok(t, a.Close())
	if got := scanAll(t, dir, testSource()); len(got) != 6+8 {
		t.Errorf("%d events", len(got))
	}
	listedOnly(t, dir)
}

// TestSharedManifest: what releases before wrote, one manifest for all
// partitions, goes on counting until a partition has its own.
func TestSharedManifest(t *testing.T) {
	dir := t.TempDir()
	options := Options{Dir: dir, Source: testSource(), Disk: fast}
	w := open(t, options)
	for p := range int32(2) {
		ok(t, w.Begin(offline.Partition{Generation: 1, Partition: p}, 0))
		ev := event(1, p, 0, 7)
		ok(t, appendTo(w, ev))
	}
	ok(t, w.Close())
	m, err := archive.Load(dir, "clicks")
	ok(t, err)
	data, err := json.Marshal(m)
	ok(t, err)
	folder := archive.Folder(dir, "clicks")
	ok(t, os.WriteFile(filepath.Join(folder, "manifest.json"), data, 0o644))
	for p := range int32(2) {
		ok(t, os.Remove(filepath.Join(folder, archive.ManifestName(offline.Partition{Generation: 1, Partition: p}))))
	}
	first := offline.Partition{Generation: 1}
	w = open(t, options)
	ok(t, w.Hold(first))
	if next, found := w.Next(first); next != 1 || !found {
		t.Fatalf("it goes on at %d, %t", next, found)
	}
	ok(t, w.Begin(first, 1))
	ev := event(1, 0, 1, 8)
	ok(t, appendTo(w, ev))
	ok(t, w.Close())
	if got := scanAll(t, dir, testSource()); len(got) != 3 {
		t.Errorf("%d events", len(got))
	}
}

func TestNewFieldIsNullInOldFiles(t *testing.T) {
	dir := t.TempDir()
	w := open(t, Options{Dir: dir, Source: testSource(), Disk: fast})
	ok(t, w.Begin(offline.Partition{}, 0))
	ev := event(0, 0, 0, 7)
	ok(t, appendTo(w, ev))
	ok(t, w.Close())
	source := testSource()
	source.Fields = append([]definition.Field{{Name: "new", Type: featurestore.String}}, source.Fields...)
	source.Sequence, source.EventID = 2, 4
	got := scanAll(t, dir, source)
	if len(got) != 1 || !got[0].Fields[0].IsNull() || got[0].ID != "id0" || !got[0].Fields[2].Equal(featurestore.Int64Value(0)) {
		t.Errorf("events %+v", got)
	}
}
