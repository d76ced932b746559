package history

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
)

// The process is killed before each step while fields are added. What is read then is
// every row, with the field or without it; doing it again ends it, and the next
// compaction leaves nothing behind.
func TestWideningKilledAtEveryStep(t *testing.T) {
	killed := errors.New("killed")
	for at := 0; ; at++ {
		dir, n := t.TempDir(), 0
		log, want := feedTwice(t, dir, 6)
		disk := atomicfile.Disk{Durability: atomicfile.Crash, Fault: func(atomicfile.Step, string) error {
			if n++; n > at {
				return killed
			}
			return nil
		}}
		_, err := widenAll(newWidener(dir, disk), wide(), 1, log.of)
		if err == nil {
			if at < 20 {
				t.Fatalf("only %d steps were seen", at)
			}
			return
		}
		if !errors.Is(err, killed) || !errors.Is(err, featurestore.ErrUnavailable) {
			t.Fatalf("step %d: %v", at, err)
		}
		got := scanRows(t, dir, wide())
		for i := range got {
			if !got[i].Fields[0].IsNull() && !got[i].Fields[0].Equal(want[i].Fields[0]) || !got[i].Fields[1].Equal(want[i].Fields[1]) {
				t.Fatalf("step %d: %+v", at, got[i])
			}
		}
		if len(got) != len(want) {
			t.Fatalf("step %d: %d events", at, len(got))
		}
		w := open(t, Options{Dir: dir, Source: wide(), Disk: fast})
		ok(t, w.Begin(offline.Partition{Generation: 1}, 12))
		more := event(1, 0, 12, 2*day)
		more.Fields = append(more.Fields, featurestore.Null, featurestore.Null)
		ok(t, appendTo(w, more))
		ok(t, w.Close())
		want, log = append(want, more), append(log, Record{Offset: 12, LogTime: more.LogTime, Events: []featurestore.Event{more}})
		_, err = widenAll(newWidener(dir, fast), wide(), 1, log.of)
		ok(t, err)
		sameEvents(t, scanRows(t, dir, wide()), want)
		compact(t, dir, "clicks", func(c *Compaction) {
			c.Enough, c.Now = func() bool { return true }, featurestore.Instant(featurestore.Day)
		})
		sameEvents(t, scanRows(t, dir, wide()), want)
		compact(t, dir, "clicks", func(c *Compaction) { c.Now = 2 * featurestore.Instant(featurestore.Day) })
		listedOnly(t, dir)
	}
}

// A log that has other records there says nothing of those that are at rest: the file
// stays as it is, to the byte.
func TestAnotherLogAddsNothing(t *testing.T) {
	dir := t.TempDir()
	log, _ := feedTwice(t, dir, 3)
	before := load(t, dir).Files
	for what, other := range map[string]func(*Record){
		"log time":                    func(r *Record) { r.LogTime++; r.Events[0].LogTime++ },
		"event time":                  func(r *Record) { r.Events[0].Time++ },
		"log time, and a dead letter": func(r *Record) { r.LogTime++; r.Events = nil },
	} {
		made := logOf{}
		for _, r := range log {
			r.Events = slices.Clone(r.Events)
			made = append(made, r)
		}
		other(&made[2])
		_, err := widenAll(newWidener(dir, fast), wide(), 1, made.of)
		if !errors.Is(err, ErrOtherRecord) || !strings.Contains(err.Error(), "offset 2") {
			t.Errorf("%s: %v", what, err)
		}
		if got := load(t, dir).Files; !slices.Equal(got, before) {
			t.Errorf("%s: listed are %+v", what, got)
		}
	}
}

// Nobody adds to what is being compacted, or was: the list says what is there.
func TestWideningBesideOthers(t *testing.T) {
	dir := t.TempDir()
	log, want := feedTwice(t, dir, 9)
	w := newWidener(dir, fast)
	_, names := all(wide())
	lacking, _, err := w.Lacking("clicks", 1, names)
	ok(t, err)
	fields, _ := all(wide())
	opened := 0
	try := func(ctx context.Context) error {
		_, err := w.Widen(ctx, &Widening{Source: wide(), Fields: fields, File: lacking[0], Open: func(context.Context) (Records, error) {
			opened++
			l := log.of(lacking[0])
			return &l, nil
		}})
		return err
	}
	unlock, err := lockFile(filepath.Join(archive.Folder(dir, "clicks"), archive.CompactName(lacking[0].Key())), ifFree)
	ok(t, err)
	if err := try(t.Context()); !errors.Is(err, ErrBusy) {
		t.Errorf("while it is compacted: %v", err)
	}
	ok(t, unlock())
	ended, end := context.WithCancel(t.Context())
	end()
	if err := try(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	opened = 0
	compact(t, dir, "clicks", func(c *Compaction) { c.TargetBytes = 1 << 20 })
	m := load(t, dir)
	ok(t, changeList(&w.disk, dir, "clicks", lacking[0].Key(), func(m *archive.Manifest) (bool, error) { // as a compaction does
		next := m.NextEdition(lacking[0])
		copied, err := os.ReadFile(w.path("clicks", &lacking[0]))
		ok(t, err)
		ok(t, os.WriteFile(w.path("clicks", &next), copied, 0o600))
		next.Bytes, next.XXH3 = lacking[0].Bytes, lacking[0].XXH3
		return m.Replace(lacking[:1], next, 1), nil
	}))
	if err := try(t.Context()); !errors.Is(err, ErrReplaced) || opened != 0 {
		t.Errorf("replaced: %v, the log was opened %d times, of %+v", err, opened, m.Files)
	}
	_, err = widenAll(w, wide(), 1, log.of)
	ok(t, err)
	sameEvents(t, scanRows(t, dir, wide()), want)
	compact(t, dir, "clicks", func(c *Compaction) { c.Grace, c.Now = time.Second, 2_000_000 })
	sameEvents(t, scanRows(t, dir, wide()), want)
	listedOnly(t, dir)
}

// Each row of a change feed gets what its own image says: the one that was taken back
// that of before.
func TestFieldsAreAddedToChanges(t *testing.T) {
	dir, newest := t.TempDir(), changeSource()
	newest.Fields = append(newest.Fields, definition.Field{Name: "extra", Type: featurestore.String})
	w := open(t, Options{Dir: dir, Source: changeSource(), Disk: fast, SealRows: 5})
	p := offline.Partition{Generation: 1}
	ok(t, w.Begin(p, 0))
	log := logOf{}
	var want []string
	for o := range int64(20) {
		rec := Record{Offset: o, LogTime: featurestore.LogTime(o)}
		for _, c := range []featurestore.Change{featurestore.Retracted, featurestore.Added} {
			ev := featurestore.Event{
				Position: featurestore.Position{PartitionID: featurestore.PartitionID{Generation: 1}, Offset: o}, Time: featurestore.EventTime(o) - featurestore.EventTime(c),
				LogTime: rec.LogTime, Change: c, Mutated: featurestore.EventTime(o), Fields: []featurestore.Value{featurestore.Int64Value(o), featurestore.Null, featurestore.Null},
			}
			if o%5 != 4 || c == featurestore.Added { // one without an image of before
				ok(t, appendTo(w, ev))
				want = append(want, fmt.Sprint(o, c, featurestore.EventTime(o)))
				ev.Fields = append(slices.Clone(ev.Fields), featurestore.StringValue(fmt.Sprint("extra of ", o, c)))
				rec.Events = append(rec.Events, ev)
			}
		}
		if o != 7 {
			log = append(log, rec)
		}
	}
	ok(t, w.Close())
	_, err := widenAll(newWidener(dir, fast), newest, 1, func(f archive.File) logOf {
		return slices.DeleteFunc(slices.Clone(log), func(r Record) bool { return r.Offset < f.From || r.Offset >= f.To })
	})
	ok(t, err)
	if got := changesOf(t, dir); !slices.Equal(got, want) {
		t.Errorf("rows %v, want %v", got, want)
	}
	for _, ev := range scanRows(t, dir, newest) {
		extra := fmt.Sprint("extra of ", ev.Offset, ev.Change)
		if ev.Offset == 7 {
			extra = ""
		}
		if ev.Fields[3].Str() != extra || ev.Fields[3].IsNull() != (ev.Offset == 7) {
			t.Errorf("offset %d, %v: %q", ev.Offset, ev.Change, ev.Fields[3].Str())
		}
	}
}
