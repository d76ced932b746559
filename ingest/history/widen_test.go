package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
)

// wide is what the newest definition reads, in all types; narrow is what an older one
// read, in another order, and with a field that the newest has no more.
func wide() *definition.StreamSource {
	s := testSource()
	s.Fields = append(s.Fields, definition.Field{Name: "l", Type: featurestore.List(featurestore.Double)}, definition.Field{Name: "p", Type: featurestore.Map(featurestore.String)})
	return s
}

func narrow() *definition.StreamSource {
	s := wide()
	s.Fields = []definition.Field{s.Fields[3], {Name: "old", Type: featurestore.String}, s.Fields[1]}
	s.EventID, s.Sequence = 0, 2
	return s
}

// narrowed is an event as the older definition reads it.
func narrowed(ev featurestore.Event) featurestore.Event {
	ev.Fields = []featurestore.Value{ev.Fields[3], featurestore.StringValue(fmt.Sprint("old ", ev.Offset)), ev.Fields[1]}
	return ev
}

// logOf is a log: what its records say now.
type logOf []Record

func (l *logOf) Next(context.Context) (*Record, error) {
	if len(*l) == 0 {
		return nil, io.EOF
	}
	next := (*l)[0]
	*l = (*l)[1:]
	return &next, nil
}

func (*logOf) Close() error { return nil }

func all(s *definition.StreamSource) (fields []int, names []string) {
	for i, f := range s.Fields {
		fields, names = append(fields, i), append(names, f.Name)
	}
	return fields, names
}

// widenAll adds what the newest definition has to every file that lacks some of it.
func widenAll(w *Widener, source *definition.StreamSource, generation uint32, log func(archive.File) logOf) (done Widened, err error) {
	fields, names := all(source)
	lacking, _, err := w.Lacking(source.Name, generation, names)
	if err != nil {
		return done, err
	}
	for _, f := range lacking {
		one, err := w.Widen(context.Background(), &Widening{Source: source, Fields: fields, File: f, Open: func(context.Context) (Records, error) {
			l := log(f)
			return &l, nil
		}})
		if err != nil {
			return done, err
		}
		done.Rows, done.Read = done.Rows+one.Rows, done.Read+one.Read
	}
	return done, nil
}

func newWidener(dir string, disk atomicfile.Disk) *Widener {
	return NewWidener(dir, disk, func() featurestore.Instant { return 1 })
}

// cellsOf are the columns of a listed file, each as the texts of its values.
func cellsOf(t tester, dir, source string, f *archive.File) map[string][]string {
	t.Helper()
	path := filepath.Join(archive.Folder(dir, source), filepath.FromSlash(f.Path))
	hash, err := atomicfile.Hash(path)
	ok(t, err)
	if hash != f.XXH3 {
		t.Fatalf("%s has another checksum than its list says", f.Path)
	}
	file, err := os.Open(path)
	ok(t, err)
	defer file.Close()
	opened, err := parquet.OpenFile(file, f.Bytes)
	ok(t, err)
	out := map[string][]string{}
	for _, group := range opened.RowGroups() {
		rows := group.Rows()
		buffer := make([]parquet.Row, 16)
		for {
			n, err := rows.ReadRows(buffer)
			for _, row := range buffer[:n] {
				for i, name := range archive.Names(opened.Schema()) {
					out[name] = append(out[name], fmt.Sprintf("%t %s %q", row[i].IsNull(), row[i], row[i].Bytes()))
				}
			}
			if errors.Is(err, io.EOF) {
				break
			}
			ok(t, err)
		}
		ok(t, rows.Close())
	}
	return out
}

// lists are the columns of all listed files.
func lists(t tester, dir string) (files []map[string][]string) {
	t.Helper()
	m := load(t, dir)
	for i := range m.Files {
		files = append(files, cellsOf(t, dir, "clicks", &m.Files[i]))
	}
	return files
}

// Whatever is at rest, and whatever the log still has of it, a file gets the fields
// that it lacks and nothing else: each row that was there is there as it was, none is
// there besides, and where the record is there and decodes, the new fields are its.
func TestFieldsAreAddedToTheSameRows(t *testing.T) {
	root := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(root, "")
		ok(t, err)
		source, p := wide(), offline.Partition{Generation: 1, Partition: 2}
		w := open(t, Options{Dir: dir, Source: narrow(), Disk: fast, SealRows: rapid.IntRange(3, 12).Draw(t, "seal")})
		ok(t, w.Begin(p, 0))
		n := int64(rapid.IntRange(1, 25).Draw(t, "offsets"))
		expired := int64(rapid.IntRange(0, 20).Draw(t, "expired")) // offsets before it are gone from the log
		var log []Record
		var want, old []featurestore.Event
		for offset := range n {
			ev := genEvent(t, p, offset)
			ev.Fields = append(ev.Fields,
				featurestore.ListValue([]featurestore.Value{featurestore.DoubleValue(float64(offset)), featurestore.Null}),
				featurestore.MapValue([]string{"a\"\u00e9"}, []featurestore.Value{featurestore.StringValue("<b>")}))
			rec := Record{Offset: offset, LogTime: ev.LogTime, Events: []featurestore.Event{ev}}
			atRest := rapid.IntRange(0, 4).Draw(t, "was no dead letter then") > 0
			switch rapid.IntRange(0, 5).Draw(t, "the record") {
			case 0: // it is a dead letter by the newest definition
				rec.Events = nil
				log = append(log, rec)
			case 1: // it is gone
				rec.Events = nil
			default:
				log = append(log, rec)
			}
			if !atRest {
				ok(t, w.Consumed(p, offset))
				continue
			}
			ok(t, appendTo(w, narrowed(ev)))
			old = append(old, narrowed(ev))
			if rec.Events == nil || offset < expired {
				kept := ev.Fields
				ev.Fields = make([]featurestore.Value, len(source.Fields))
				ev.Fields[1], ev.Fields[3] = kept[1], kept[3]
			}
			want = append(want, ev)
		}
		ok(t, w.Close())
		if rapid.Bool().Draw(t, "compacted before") {
			compact(t, dir, "clicks", nil)
		}
		before, complete := lists(t, dir), fmt.Sprint(load(t, dir).Complete)
		widener := newWidener(dir, fast)
		done, err := widenAll(widener, source, 1, func(f archive.File) logOf {
			return slices.DeleteFunc(slices.Clone(log), func(r Record) bool { return r.Offset < max(expired, f.From) || r.Offset >= f.To })
		})
		ok(t, err)
		if done.Rows != int64(len(want)) {
			t.Fatalf("%+v, there are %d rows", done, len(want))
		}
		after := lists(t, dir)
		if len(after) != len(before) || fmt.Sprint(load(t, dir).Complete) != complete {
			t.Fatalf("%d files, %d before; complete %v, before %s", len(after), len(before), load(t, dir).Complete, complete)
		}
		for i := range before {
			for name, column := range before[i] {
				if !slices.Equal(after[i][name], column) {
					t.Fatalf("file %d, column %s: %v\nbefore %v", i, name, after[i][name], column)
				}
			}
		}
		sameEvents(t, scanRows(t, dir, narrow()), old)
		sameEvents(t, scanRows(t, dir, source), want)
		if lacking, _, err := widener.Lacking("clicks", 1, []string{"b", "p", "s"}); err != nil || len(lacking) > 0 {
			t.Fatalf("still lacking: %v, %v", lacking, err)
		}
		if rapid.Bool().Draw(t, "compacted after") {
			compact(t, dir, "clicks", nil)
			sameEvents(t, scanRows(t, dir, narrow()), old)
			sameEvents(t, scanRows(t, dir, source), want)
		}
	})
}

// feedTwice archives days of events by the older definition, and then by the newest.
func feedTwice(t tester, dir string, each int) (log logOf, want []featurestore.Event) {
	t.Helper()
	p := offline.Partition{Generation: 1}
	for _, source := range []*definition.StreamSource{narrow(), wide()} {
		w := open(t, Options{Dir: dir, Source: source, Disk: fast, SealRows: 3})
		ok(t, w.Begin(p, int64(len(want))))
		for range each {
			o := int64(len(want))
			ev := event(1, 0, o, day+featurestore.LogTime(o))
			ev.Fields = append(ev.Fields, featurestore.Null, featurestore.MapValue([]string{"k"}, []featurestore.Value{featurestore.StringValue("v")}))
			ev.Fields[0] = featurestore.BoolValue(o%2 == 0)
			want, log = append(want, ev), append(log, Record{Offset: o, LogTime: ev.LogTime, Events: []featurestore.Event{ev}})
			if len(source.Fields) < len(ev.Fields) {
				ev = narrowed(ev)
			}
			ok(t, appendTo(w, ev))
		}
		ok(t, w.Close())
	}
	return log, want
}

func (l logOf) of(f archive.File) logOf { return slices.Clone(l[f.From:f.To]) }

// A compaction leaves files that lack a field apart from those that have it: which can
// still be had is seen afterwards, too. Once it is read again, nothing parts them.
func TestCompactionHidesNoMissingField(t *testing.T) {
	dir := t.TempDir()
	log, want := feedTwice(t, dir, 30)
	next := slices.Clone(want)
	w := open(t, Options{Dir: dir, Source: wide(), Disk: fast}) // another month: the one before is merged whole
	ok(t, w.Begin(offline.Partition{Generation: 1}, 60))
	more := event(1, 0, 60, 70*day)
	more.Fields = append(more.Fields, featurestore.Null, featurestore.Null)
	ok(t, appendTo(w, more))
	ok(t, w.Close())
	next = append(next, more)
	log = append(log, Record{Offset: 60, LogTime: more.LogTime, Events: []featurestore.Event{more}})

	compact(t, dir, "clicks", nil)
	widener := newWidener(dir, fast)
	lacking, _, err := widener.Lacking("clicks", 1, []string{"b"})
	if m := load(t, dir); err != nil || len(lacking) != 1 || lacking[0].To != 30 || len(m.Files) != 3 {
		t.Fatalf("lacking %+v, %v, of %+v", lacking, err, m.Files)
	}
	_, err = widenAll(widener, wide(), 1, log.of)
	ok(t, err)
	sameEvents(t, scanRows(t, dir, wide()), next)
	// The field that only the older definition had stays at rest, so that its file stays apart.
	compact(t, dir, "clicks", nil)
	m := load(t, dir)
	if len(m.Files) != 3 || m.Version != 4 || !strings.HasSuffix(m.Files[0].Path, "/p0-0-30-e1.parquet") {
		t.Fatalf("%+v", m)
	}
	for _, text := range cellsOf(t, dir, "clicks", &m.Files[0])["old"] {
		if !strings.Contains(text, "old ") {
			t.Fatalf("the field that is read no more: %s", text)
		}
	}
	sameEvents(t, scanRows(t, dir, wide()), next)
	listedOnly(t, dir)
}

// Files whose definition lost nothing are merged with those of the newest.
func TestWidenedFilesAreMerged(t *testing.T) {
	dir, short := t.TempDir(), wide()
	short.Fields = slices.Delete(slices.Clone(short.Fields), 4, 6) // y and t
	p := offline.Partition{Generation: 1}
	var log logOf
	var want []featurestore.Event
	for o := range int64(40) {
		ev := event(1, 0, o, day+featurestore.LogTime(o))
		ev.Fields = append(ev.Fields, featurestore.Null, featurestore.Null)
		ev.Fields[4] = featurestore.BytesValue(fmt.Sprint("bytes", o))
		want, log = append(want, ev), append(log, Record{Offset: o, LogTime: ev.LogTime, Events: []featurestore.Event{ev}})
	}
	for i, source := range []*definition.StreamSource{short, wide()} {
		w := open(t, Options{Dir: dir, Source: source, Disk: fast, SealRows: 4})
		ok(t, w.Begin(p, int64(20*i)))
		for _, ev := range want[20*i : 20*i+20] {
			if i == 0 {
				ev.Fields = slices.Delete(slices.Clone(ev.Fields), 4, 6)
			}
			ok(t, appendTo(w, ev))
		}
		ok(t, w.Close())
	}
	_, err := widenAll(newWidener(dir, fast), wide(), 1, log.of)
	ok(t, err)
	if done := compact(t, dir, "clicks", nil); done.Made != 1 || done.Merged != 10 {
		t.Errorf("%+v", done)
	}
	sameEvents(t, scanRows(t, dir, wide()), want)
	listedOnly(t, dir)
}
