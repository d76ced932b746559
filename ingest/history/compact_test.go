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
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
	reader "github.com/freshet/freshet/featurestore/offline/history"
)

const day = featurestore.LogTime(featurestore.Day)

// compact runs a compaction that leaves nothing for those who read.
func compact(t tester, dir, source string, change func(*Compaction)) Compacted {
	t.Helper()
	c := Compaction{Dir: dir, Source: source, Disk: fast, Now: 1}
	if change != nil {
		change(&c)
	}
	done, err := c.Run(context.Background())
	ok(t, err)
	return done
}

func load(t tester, dir string) *archive.Manifest {
	t.Helper()
	m, err := archive.Load(dir, "clicks")
	ok(t, err)
	return m
}

// feedDays archives events of each day, each day in a file of its own.
func feedDays(t tester, dir string, days, each int) (events []featurestore.Event) {
	t.Helper()
	return feedDaysApart(t, dir, days, each, 1)
}

func feedDaysApart(t tester, dir string, days, each, apart int) (events []featurestore.Event) {
	t.Helper()
	w := open(t, Options{Dir: dir, Source: testSource(), Disk: fast, SealRows: each})
	p := offline.Partition{Generation: 1}
	ok(t, w.Begin(p, 0))
	for i := range days * each {
		events = append(events, event(1, 0, int64(i), day*featurestore.LogTime(i/each*apart)+featurestore.LogTime(i)))
		ok(t, appendTo(w, events[i]))
	}
	ok(t, w.Close())
	return events
}

// A year of a file a day becomes one of a file a month, and is the same.
func TestAYearIsCompacted(t *testing.T) {
	dir := t.TempDir()
	events := feedDays(t, dir, 365, 3)
	before := load(t, dir)
	done := compact(t, dir, "clicks", func(c *Compaction) { c.Grace = time.Hour })
	m := load(t, dir)
	if done.Merged != 365 || done.Made != 12 || len(m.Files) != 12 || len(m.Replaced) != 365 || done.Removed != 0 {
		t.Fatalf("%+v, %d files", done, len(m.Files))
	}
	if m.Files[0].Path != "gen=1/date=1970-01/p0-0-93.parquet" {
		t.Errorf("path %q", m.Files[0].Path)
	}
	sameEvents(t, scanAll(t, dir, testSource()), events)
	for _, f := range before.Files { // who has read the list before goes on
		if _, err := os.Stat(filepath.Join(archive.Folder(dir, "clicks"), f.Path)); err != nil {
			t.Fatal(err)
		}
	}
	hour := featurestore.Instant(featurestore.Hour)
	if done := compact(t, dir, "clicks", func(c *Compaction) { c.Grace, c.Now = time.Hour, hour }); done.Removed != 0 || done.Made != 0 {
		t.Errorf("before the grace has passed: %+v", done)
	}
	if done := compact(t, dir, "clicks", func(c *Compaction) { c.Grace, c.Now = time.Hour, hour+1 }); done.Removed != 365 {
		t.Errorf("after it has: %+v", done)
	}
	sameEvents(t, scanAll(t, dir, testSource()), events)
	listedOnly(t, dir)
}

// Row groups that are large enough are taken as they are, but for those whose rows stand
// between those of others.
func TestLargeRowGroupsAreCopied(t *testing.T) {
	for copied, want := range map[int64]int{0: 1, 3: 8, 4: 1} {
		dir := t.TempDir()
		events := feedDays(t, dir, 8, 3)
		if done := compact(t, dir, "clicks", func(c *Compaction) { c.copied = copied }); done.Made != 1 || done.Rows != 24 {
			t.Fatalf("%+v", done)
		}
		path := filepath.Join(archive.Folder(dir, "clicks"), load(t, dir).Files[0].Path)
		file, err := os.Open(path)
		ok(t, err)
		f, err := openParquet(file, path)
		ok(t, err)
		if got := len(f.RowGroups()); got != want {
			t.Errorf("copied from %d rows on: %d row groups, want %d", copied, got, want)
		}
		ok(t, file.Close())
		sameEvents(t, scanAll(t, dir, testSource()), events)
	}
}

// Whatever was archived, and however it is compacted, retained or not, what is read
// is the same rows at the same positions, and as much is complete.
func TestCompactionChangesNothing(t *testing.T) {
	root := t.TempDir()
	wider := testSource()
	wider.Fields = append(slices.Clone(wider.Fields), definition.Field{Name: "later", Type: featurestore.Int64})
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(root, "")
		ok(t, err)
		partitions := []offline.Partition{{Generation: 0}, {Generation: 1, Partition: 3}}
		next := make([]int64, len(partitions))
		for range rapid.IntRange(1, 3).Draw(t, "sessions") {
			source := rapid.SampledFrom([]*definition.StreamSource{testSource(), wider}).Draw(t, "source")
			w := open(t, Options{Dir: dir, Source: source, Disk: fast, SealRows: rapid.IntRange(2, 9).Draw(t, "seal")})
			for i, p := range partitions {
				next[i] += int64(rapid.IntRange(0, 2).Draw(t, "gap"))
				ok(t, w.Begin(p, next[i]))
			}
			for range rapid.IntRange(0, 30).Draw(t, "events") {
				i := rapid.IntRange(0, len(partitions)-1).Draw(t, "partition")
				ev := genEvent(t, partitions[i], next[i])
				ev.LogTime = max(0, ev.LogTime) + day*featurestore.LogTime(rapid.IntRange(0, 3).Draw(t, "day")*13)
				if len(source.Fields) > len(ev.Fields) {
					ev.Fields = append(ev.Fields, featurestore.Int64Value(next[i]))
				}
				next[i]++
				ok(t, appendTo(w, ev))
				if rapid.IntRange(0, 9).Draw(t, "hole") == 0 {
					next[i]++
					ok(t, w.Consumed(partitions[i], next[i]-1))
				}
			}
			ok(t, w.Close())
		}
		want, complete := scanAll(t, dir, wider), load(t, dir).Complete
		files := len(load(t, dir).Files)
		for range 3 {
			copied := rapid.SampledFrom([]int64{0, 1, 3}).Draw(t, "copied")
			done := compact(t, dir, "clicks", func(c *Compaction) {
				c.copied = copied
				c.TargetBytes = rapid.SampledFrom([]int64{0, 1, 5000, 20_000}).Draw(t, "target")
				c.Grace = time.Duration(rapid.IntRange(0, 1).Draw(t, "grace")) * time.Hour
				if rapid.Bool().Draw(t, "interrupted") {
					c.Enough = func() bool { return true }
				}
			})
			m := load(t, dir)
			if len(m.Files) != files-done.Merged+done.Made {
				t.Fatalf("%d files, %d before, %+v", len(m.Files), files, done)
			}
			files = len(m.Files)
			sameEvents(t, scanAll(t, dir, wider), want)
			if fmt.Sprint(m.Complete) != fmt.Sprint(complete) {
				t.Fatalf("complete %v, want %v", m.Complete, complete)
			}
		}
	})
}

// The rows of a change feed stay beside each other.
func TestChangesAreCompacted(t *testing.T) {
	dir := t.TempDir()
	w := open(t, Options{Dir: dir, Source: changeSource(), Disk: fast, SealRows: 4})
	ok(t, w.Begin(offline.Partition{Generation: 1}, 0))
	for o := range int64(100) {
		for _, c := range []featurestore.Change{featurestore.Retracted, featurestore.Added} {
			ev := featurestore.Event{
				Position: featurestore.Position{PartitionID: featurestore.PartitionID{Generation: 1}, Offset: o}, LogTime: featurestore.LogTime(o) * day / 5,
				Change: c, Mutated: featurestore.EventTime(o), Fields: []featurestore.Value{featurestore.Int64Value(o), featurestore.Null, featurestore.Null},
			}
			ok(t, appendTo(w, ev))
		}
	}
	ok(t, w.Close())
	want := changesOf(t, dir)
	if done := compact(t, dir, "rows", nil); done.Made != 1 || done.Rows != 200 {
		t.Errorf("%+v", done)
	}
	if got := changesOf(t, dir); len(got) != 200 || !slices.Equal(got, want) {
		t.Errorf("%d changes, want %d the same", len(got), len(want))
	}
}

func changesOf(t *testing.T, dir string) (out []string) {
	t.Helper()
	for _, ev := range scanAll(t, dir, changeSource()) {
		out = append(out, fmt.Sprint(ev.Offset, ev.Change, ev.Mutated))
	}
	return out
}

// The process is killed before each step of a compaction that merges, drops and
// removes. Whoever reads then reads all that is kept, an ingester goes on, and the
// next compaction leaves nothing behind.
func TestCompactionKilledAtEveryStep(t *testing.T) {
	killed := errors.New("killed")
	p := offline.Partition{Generation: 1}
	const from, first = 31, 14 // a day, and the offset of its first event: January goes, February becomes one file
	for at := 0; ; at++ {
		dir, n := t.TempDir(), 0
		events := feedDaysApart(t, dir, 16, 2, 5)
		compact(t, dir, "clicks", func(c *Compaction) { c.Enough, c.Grace = func() bool { return true }, time.Hour }) // something is replaced already
		c := Compaction{
			Dir: dir, Source: "clicks", Now: featurestore.Instant(featurestore.Day), KeepFrom: featurestore.Instant(from * day),
			Disk: atomicfile.Disk{Durability: atomicfile.Crash, Fault: func(atomicfile.Step, string) error {
				if n++; n > at {
					return killed // and nothing more reaches the disk
				}
				return nil
			}},
		}
		_, err := c.Run(context.Background())
		if err == nil {
			if at < 30 {
				t.Fatalf("only %d steps were seen", at)
			}
			return
		}
		if !errors.Is(err, killed) {
			t.Fatalf("step %d: %v", at, err)
		}
		dropped := int64(0)
		if m := load(t, dir); len(m.Dropped) > 0 {
			dropped = m.Dropped[0].Ranges[0].To
		}
		sameEvents(t, scanAll(t, dir, testSource()), events[dropped:])
		w := open(t, Options{Dir: dir, Source: testSource(), Disk: fast})
		ok(t, w.Begin(p, 0)) // and the log is read from its beginning again
		more := event(1, 0, int64(len(events)), 100*day)
		events = append(events, more)
		for i := range events {
			ok(t, appendTo(w, events[i]))
		}
		ok(t, w.Close())
		sameEvents(t, scanAll(t, dir, testSource()), events[dropped:])
		compact(t, dir, "clicks", func(c *Compaction) {
			c.Now, c.KeepFrom = featurestore.Instant(featurestore.Day), featurestore.Instant(from*day)
		})
		sameEvents(t, scanAll(t, dir, testSource()), events[first:])
		listedOnly(t, dir)
		m := load(t, dir)
		if got := m.Known(p); !slices.Equal(got, []offline.Range{{To: int64(len(events))}}) {
			t.Fatalf("step %d: known %v", at, got)
		}
	}
}

// What reads while files are replaced and removed at once goes on by position.
func TestReadersGoOnByPosition(t *testing.T) {
	dir := t.TempDir()
	events := feedDays(t, dir, 90, 4)
	ctx := context.Background()
	s, err := reader.New(reader.Options{Dir: dir, Files: reader.ArchiveOnly, BatchRows: 3}).Scan(ctx, offline.Spec{Source: testSource()})
	ok(t, err)
	defer s.Close()
	var got []featurestore.Event
	for i := 0; ; i++ {
		if i == 5 || i == 40 {
			compact(t, dir, "clicks", func(c *Compaction) { c.TargetBytes = int64(i) * 2000 })
			listedOnly(t, dir)
		}
		b, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		ok(t, err)
		for _, ev := range b.Events {
			ev.Fields = slices.Clone(ev.Fields)
			got = append(got, ev)
		}
	}
	sameEvents(t, got, events)
	if n := s.Stats().Events; n != int64(len(events)) {
		t.Errorf("%d events are counted, %d were read", n, len(events))
	}
}

// Ingesters, compactions and readers at once: whoever reads sees each row of a
// prefix of the log once.
func TestCompactionsBesideOthers(t *testing.T) {
	dir := t.TempDir()
	const total = 600
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	wrote := make(chan struct{})
	group.Go(func() error {
		defer close(wrote)
		w, err := Open(Options{Dir: dir, Source: testSource(), Disk: fast, SealRows: 5})
		if err != nil {
			return err
		}
		err = w.Begin(offline.Partition{Generation: 1}, 0)
		for o := int64(0); o < total && err == nil; o++ {
			ev := event(1, 0, o, day*featurestore.LogTime(o/10))
			err = appendTo(w, ev)
		}
		return errors.Join(err, w.Close())
	})
	running := func() bool {
		select {
		case <-wrote:
			return false
		default:
			return ctx.Err() == nil
		}
	}
	var busy, made atomic.Int64
	for range 2 {
		group.Go(func() error {
			for running() {
				done, err := (&Compaction{Dir: dir, Source: "clicks", Disk: fast, Now: 1}).Run(ctx)
				if err != nil {
					return err
				}
				busy.Add(int64(done.Busy))
				made.Add(int64(done.Made))
			}
			return nil
		})
	}
	for range 2 {
		group.Go(func() error {
			for running() {
				if err := prefix(ctx, dir); err != nil {
					return err
				}
			}
			return nil
		})
	}
	ok(t, group.Wait())
	compact(t, dir, "clicks", nil)
	if all := scanAll(t, dir, testSource()); len(all) != total || made.Load() == 0 {
		t.Errorf("%d events of %d, %d files were made", len(all), total, made.Load())
	}
	listedOnly(t, dir)
	t.Logf("%d files were made, %d times a compaction was under way elsewhere", made.Load(), busy.Load())
}

// prefix is an error where the archive does not give each offset once, from 0 on.
func prefix(ctx context.Context, dir string) (err error) {
	s, err := reader.New(reader.Options{Dir: dir, Files: reader.ArchiveOnly, BatchRows: 7}).Scan(ctx, offline.Spec{Source: testSource()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for next := int64(0); ; {
		b, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range b.Events {
			if ev := &b.Events[i]; ev.Offset != next || ev.Fields[1].Int64() != next {
				return fmt.Errorf("offset %d with %v comes where %d is next", ev.Offset, ev.Fields[1], next)
			}
			next++
		}
	}
}

// What retention drops under a reader is an error, never a silent end.
func TestDroppedUnderAReader(t *testing.T) {
	dir := t.TempDir()
	feedDays(t, dir, 20, 2)
	ctx := context.Background()
	s, err := reader.New(reader.Options{Dir: dir, Files: reader.ArchiveOnly, BatchRows: 1}).Scan(ctx, offline.Spec{Source: testSource()})
	ok(t, err)
	defer s.Close()
	_, err = s.Next(ctx)
	ok(t, err)
	compact(t, dir, "clicks", func(c *Compaction) { c.KeepFrom = featurestore.Instant(10 * day) })
	for err == nil {
		_, err = s.Next(ctx)
	}
	if !errors.Is(err, featurestore.ErrUnavailable) || !strings.Contains(err.Error(), "retention") {
		t.Errorf("%v", err)
	}
}

// What a process of an earlier release archives is left alone: it does not look at
// the manifest before it replaces it.
func TestEarlierReleasesAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	feedDays(t, dir, 40, 2)
	p := offline.Partition{Generation: 1}
	unlock, err := lockFile(filepath.Join(archive.Folder(dir, "clicks"), archive.LockName(p)), ifFree)
	ok(t, err)
	if done := compact(t, dir, "clicks", nil); done.Busy != 1 || done.Made != 0 {
		t.Errorf("%+v", done)
	}
	ok(t, unlock())
	w := open(t, Options{Dir: dir, Source: testSource(), Disk: fast})
	ok(t, w.Hold(p))
	if done := compact(t, dir, "clicks", nil); done.Busy != 0 || done.Made == 0 {
		t.Errorf("beside one of this release: %+v", done)
	}
	ok(t, w.Close())
	if done := compact(t, dir, "clicks", nil); done.Busy != 0 {
		t.Errorf("beside none: %+v", done)
	}
}

// A file that was damaged stays where it is.
func TestCompactionRefusesDamage(t *testing.T) {
	dir := t.TempDir()
	feedDays(t, dir, 40, 2)
	before := load(t, dir)
	path := filepath.Join(archive.Folder(dir, "clicks"), before.Files[3].Path)
	data, err := os.ReadFile(path)
	ok(t, err)
	data[len(data)/2] ^= 1
	ok(t, os.WriteFile(path, data, 0o644))
	_, err = (&Compaction{Dir: dir, Source: "clicks", Disk: fast, Now: 1}).Run(context.Background())
	if !errors.Is(err, featurestore.ErrInvalid) || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("%v", err)
	}
	if m := load(t, dir); !slices.Equal(m.Files, before.Files) {
		t.Errorf("the list has changed to %v", m.Files)
	}
}

// One byte is written again only when its file at least doubles, however often
// small files come.
func TestBytesAreRewrittenSeldom(t *testing.T) {
	m := &archive.Manifest{Version: 1, Source: "clicks"}
	p := offline.Partition{Generation: 1}
	const target = 1 << 20
	var written, sealed int64
	for o := range int64(20_000) {
		f := archive.File{Generation: 1, From: o, To: o + 1, Rows: 1, Bytes: 100}
		f.Path = archive.FileName(p, archive.Date(0).String(), offline.Range{From: o, To: o + 1})
		m.AddComplete(p, offline.Range{From: o, To: o + 1})
		m.AddFile(f)
		sealed += f.Bytes
		for _, run := range plan(m, target) {
			into := merged(run)
			for i := range run {
				into.Bytes += run[i].Bytes
			}
			if into.Bytes > target {
				t.Fatalf("%d bytes in one file", into.Bytes)
			}
			if !m.Replace(run, into, 0) {
				t.Fatal("a run is not listed")
			}
			m.Replaced = nil
			written += into.Bytes
		}
		if len(m.Files) > 200 {
			t.Fatalf("%d files after %d seals", len(m.Files), o)
		}
	}
	if written > 8*sealed {
		t.Errorf("%d bytes were written for %d that were sealed", written, sealed)
	}
}
