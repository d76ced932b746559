package predlog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
	"github.com/freshet/freshet/featurestore/predictions"
	"github.com/freshet/freshet/featurestore/predictions/predictionstest"
)

var noSync = atomicfile.Disk{Durability: atomicfile.Crash}

// What was served is what is read back, unsealed and sealed, for every type and
// status, over several services, dates and revisions.
func TestLogGivesBackWhatWasServed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "predlog")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		l, err := Open(Options{Dir: dir, Disk: noSync, SealRows: rapid.IntRange(1, 20).Draw(t, "seal rows")})
		if err != nil {
			t.Fatal(err)
		}
		logged := map[string]*predictions.Lookup{}
		for s := range 2 {
			h := predictionstest.Header(t, fmt.Sprintf("svc%d", s))
			plan := planOf(h, 1)
			for i := range rapid.IntRange(0, 6).Draw(t, "lookups") {
				lookup := predictionstest.Lookup(t, h, fmt.Sprintf("%d-%d", s, i))
				logged[lookup.RequestID] = lookup
				serve(plan, lookup).log(l)
			}
		}
		if rapid.Bool().Draw(t, "flush") {
			if err := l.Flush(); err != nil {
				t.Fatal(err)
			}
			compare(t, dir, logged)
		}
		if err := errors.Join(l.Close(), l.Close()); err != nil {
			t.Fatal(err)
		}
		compare(t, dir, logged)
		if s := l.Stats(); s.Dropped+s.Lost+s.Errors+s.Queued != 0 || s.Sealed != s.Logged {
			t.Fatalf("%+v", s)
		}
		if left, err := os.ReadDir(predictions.WALFolder(dir)); err != nil || len(left) != 0 {
			t.Fatalf("left in the write-ahead folder: %v, %v", left, err)
		}
	})
}

func compare(t *rapid.T, dir string, logged map[string]*predictions.Lookup) {
	rows := 0
	for _, name := range []string{"svc0", "svc1"} {
		err := predictions.Read(context.Background(), predictions.Query{Dir: dir, Service: name}, func(r *predictions.Row) error {
			rows++
			if d := predictionstest.Difference(logged[r.RequestID].Row(int(r.Number)), r); d != "" {
				t.Fatal(d)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range logged {
		rows -= l.Rows()
	}
	if rows != 0 {
		t.Fatalf("%+d rows", rows)
	}
}

// A record is readable from the write-ahead segment without a flush.
func TestWrittenAheadWithoutFlush(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, Options{Dir: dir, Disk: noSync})
	logSmall(l, "svc", "a", noon)
	for l.Stats().Logged < 1 { // the writer is awake: it takes microseconds
		runtime.Gosched()
	}
	want(t, dir, "svc", "a")
	if n := len(filesIn(t, dir, ".parquet")); n != 0 {
		t.Errorf("%d files are sealed", n)
	}
}

func TestOutputsJoin(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, Options{Dir: dir, Disk: noSync})
	logSmall(l, "svc", "a", noon)
	logSmall(l, "svc", "b", noon)
	outputs := []Output{{"p", featurestore.DoubleValue(0.25)}, {"class", featurestore.StringValue("late")}, {"ok", featurestore.BoolValue(true)}, {"n", featurestore.Int64Value(3)}, {"none", featurestore.Null}}
	for _, model := range []string{"m:1", "m:2"} {
		if err := l.LogPrediction(Prediction{RequestID: "a", Model: model, Time: noon + 1, Outputs: outputs}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.LogPrediction(Prediction{RequestID: "b", Row: 1, Model: "m:1", Time: noon + 1}); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		found := map[string][]predictions.Prediction{}
		err := predictions.Read(context.Background(), predictions.Query{Dir: dir, Service: "svc", Outputs: true}, func(r *predictions.Row) error {
			found[r.RequestID] = r.Predictions
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(found["a"]) != 2 || len(found["b"]) != 0 || found["a"][0].Model != "m:1" || found["a"][1].Model != "m:2" {
			t.Fatalf("%+v", found)
		}
		for i, o := range found["a"][1].Outputs {
			if o.Name != outputs[i].Name || !o.Value.Equal(outputs[i].Value) {
				t.Errorf("output %+v, want %+v", o, outputs[i])
			}
		}
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	check()
	for name, p := range map[string]Prediction{
		"no id": {Model: "m"}, "row": {RequestID: "a", Row: -1}, "list": {RequestID: "a", Outputs: []Output{{"x", featurestore.ListValue(nil)}}},
	} {
		if err := l.LogPrediction(p); !errors.Is(err, featurestore.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSampleDependsOnTheIDOnly(t *testing.T) {
	kept := 0
	for i := range 10_000 {
		id := fmt.Sprint("r-", i)
		if sampled(id, 0.3) {
			kept++
			if !sampled(id, 0.31) || !sampled(id, 1) {
				t.Errorf("%q is in a sample and not in a larger one", id)
			}
		}
		if sampled(id, 0) || !sampled(id, 1) {
			t.Errorf("%q: 0 keeps none and 1 all", id)
		}
	}
	if kept < 2850 || kept > 3150 {
		t.Errorf("%d of 10000 in a sample of 0.3", kept)
	}
	dir := t.TempDir()
	l := mustOpen(t, Options{Dir: dir, Disk: noSync})
	lookup := small("svc", "a", noon)
	serve(planOf(lookup.Header, 0), lookup).log(l)
	plan := planOf(lookup.Header, 1)
	plan.Spec.Log = nil
	serve(plan, lookup).log(l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, dir, "svc")
}

// While the disk stands still the queue fills; what does not fit is counted, and
// the lookup goes on at once.
func TestFullQueueDropsAndCounts(t *testing.T) {
	dir := t.TempDir()
	d := &disk{hold: make(chan struct{})}
	l, err := open(Options{Dir: dir, Disk: noSync, QueueRows: 10}, d.open)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		logSmall(l, "svc", fmt.Sprint(i), noon)
	}
	if s := l.Stats(); s.Dropped != 90 || s.Queued != 10 {
		t.Errorf("%+v", s)
	}
	if err := l.LogPrediction(Prediction{RequestID: "a", Time: noon}); !errors.Is(err, featurestore.ErrUnavailable) {
		t.Errorf("prediction into a full queue: %v", err)
	}
	close(d.hold)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if s := l.Stats(); s.Logged != 10 || s.Sealed != 10 || s.Queued != 0 {
		t.Errorf("%+v", s)
	}
	if got := ids(t, dir, "svc"); len(got) != 10 {
		t.Errorf("on record: %v", got)
	}
}

// A full disk: what was gathered is kept and goes to the same place once there is
// room, whatever part of it got through.
func TestFullDiskRecovers(t *testing.T) {
	for cut := range 40 {
		dir := t.TempDir()
		d := &disk{err: errors.New("no space left on device"), cut: cut, writes: make(chan struct{}, 1)}
		l, err := open(Options{Dir: dir, Disk: noSync}, d.open)
		if err != nil {
			t.Fatal(err)
		}
		logSmall(l, "svc", "a", noon)
		<-d.writes
		logSmall(l, "svc", "b", noon)
		if err := l.Flush(); !errors.Is(err, featurestore.ErrUnavailable) {
			t.Fatalf("flush on a full disk: %v", err)
		}
		if s := l.Stats(); s.Errors == 0 || s.LastError == "" || s.Queued != 2 || s.Logged != 0 {
			t.Fatalf("%+v", s)
		}
		want(t, dir, "svc") // a part of a record is none
		d.set(nil, 0)
		logSmall(l, "svc", "c", noon)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		want(t, dir, "svc", "a", "b", "c")
	}
}

// A disk that stays full takes nothing; Close ends all the same and says how many
// rows are lost.
func TestFullDiskAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	// Where the system has no /dev/full, the segment cannot be made at all.
	full := func(string) (segmentFile, error) { return os.OpenFile("/dev/full", os.O_WRONLY, 0) }
	l, err := open(Options{Dir: dir, Disk: noSync, QueueRows: 50}, full)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		logSmall(l, "svc", fmt.Sprint(i), noon)
	}
	if err := l.Close(); !errors.Is(err, featurestore.ErrUnavailable) || !strings.Contains(err.Error(), "rows") {
		t.Errorf("close: %v", err)
	}
	if s := l.Stats(); s.Lost+s.Dropped != 200 || s.Queued != 0 || s.Logged != 0 {
		t.Errorf("%+v", s)
	}
	logSmall(l, "svc", "late", noon)
	if s := l.Stats(); s.Lost+s.Dropped != 201 {
		t.Errorf("a lookup after the end is not counted: %+v", s)
	}
	if err := l.Flush(); err == nil {
		t.Error("flush after the end")
	}
}

// A lookup that is not what its plan says is lost alone, and counted.
func TestBrokenLookupIsCounted(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, Options{Dir: dir, Disk: noSync})
	good, bad := small("svc", "a", noon), small("svc", "b", noon)
	bad.Columns[0][0].Value = featurestore.StringValue("x")
	plan := planOf(good.Header, 1)
	serve(plan, bad).log(l)
	serve(plan, good).log(l)
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	want(t, dir, "svc", "a")
	if s := l.Stats(); s.Lost != 1 || s.Errors != 1 || s.Logged != 1 || s.Queued != 0 {
		t.Errorf("%+v", s)
	}
}

// Many lookups at once, flushes between them, readers beside: nothing is lost,
// nothing is seen twice.
func TestConcurrentUse(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, Options{Dir: dir, Disk: noSync, SealRows: 40})
	plan := planOf(small("svc", "", noon).Header, 1)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 200 {
				serve(plan, small("svc", fmt.Sprintf("%d-%d", g, i), noon+featurestore.Instant(i))).log(l)
				if i%50 == 0 {
					if err := l.Flush(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			got := ids(t, dir, "svc")
			slices.Sort(got)
			if n := len(slices.Compact(slices.Clone(got))); n != len(got) {
				t.Errorf("%d of %d rows are seen twice", len(got)-n, len(got))
				return
			}
		}
	})
	wg.Wait()
	close(stop)
	readers.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, dir, "svc"); len(got) != 800 {
		t.Errorf("%d rows of 800", len(got))
	}
}

func TestSealByAge(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, Options{Dir: dir, Disk: noSync, SealAfter: time.Millisecond})
	logSmall(l, "svc", "a", noon)
	for l.Stats().Sealed == 0 {
		runtime.Gosched()
	}
	want(t, dir, "svc", "a")
}

func BenchmarkLog(b *testing.B) {
	l, err := Open(Options{Dir: b.TempDir(), QueueRows: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	s := wide()
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s.log(l)
		}
	})
	b.StopTimer()
	stats := l.Stats()
	b.ReportMetric(float64(stats.Dropped)/float64(b.N), "dropped/op")
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkWrite is the whole way of a row into a segment, and into Parquet.
func BenchmarkWrite(b *testing.B) {
	l, err := Open(Options{Dir: b.TempDir(), QueueRows: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	s := wide()
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		for l.queued.Load() > 1000 {
			runtime.Gosched()
		}
		s.log(l)
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}

// wide is a lookup of 50 columns.
func wide() *served {
	lookup := small("svc", "r-0123456789abcdef", noon)
	lookup.Header.Columns, lookup.Columns = nil, nil
	for i := range 50 {
		lookup.Header.Columns = append(lookup.Header.Columns, predictions.Field{Name: fmt.Sprintf("v__f%d", i), Type: featurestore.Double})
		lookup.Columns = append(lookup.Columns, []featurestore.Cell{{Value: featurestore.DoubleValue(float64(i) / 3), Status: featurestore.Present}})
	}
	return serve(planOf(lookup.Header, 1), lookup)
}
