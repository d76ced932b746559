package predlog

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
	"github.com/freshet/freshet/featurestore/predictions"
)

// leave makes the folder of a process that was killed: a session without a lock,
// whose segment holds lookups a and b, of two services, and a prediction.
func leave(t *testing.T, dir string) (segment string) {
	t.Helper()
	data := predictions.AppendSegmentHead(nil)
	for i, l := range []*predictions.Lookup{small("svc", "a", noon), small("other", "b", noon+featurestore.Instant(featurestore.Day))} {
		data = predictions.AppendSchema(data, i+1, l.Header.Encode())
		var err error
		if data, err = predictions.AppendLookup(data, i+1, l); err != nil {
			t.Fatal(err)
		}
	}
	data = predictions.AppendPrediction(data, &predictions.Prediction{RequestID: "a", LoggedAt: noon, Model: "m"})
	segment = predictions.SegmentPath(dir, predictions.SegmentID{Session: "00000000000000aa", Number: 3})
	if err := errors.Join(os.MkdirAll(filepath.Dir(segment), 0o755), os.WriteFile(segment, data, 0o644)); err != nil {
		t.Fatal(err)
	}
	return segment
}

func TestLeftoversAreSealedAtOpen(t *testing.T) {
	dir := t.TempDir()
	segment := leave(t, dir)
	want(t, dir, "svc", "a")
	want(t, dir, "other", "b")
	l := mustOpen(t, Options{Dir: dir, Disk: noSync})
	if _, err := os.Stat(filepath.Dir(segment)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the session is still there: %v", err)
	}
	if s := l.Stats(); s.Recovered != 3 || s.Sealed != 3 || s.Files != 3 {
		t.Errorf("%+v", s)
	}
	want(t, dir, "svc", "a")
	want(t, dir, "other", "b")
}

// Killed at each step of each file of a seal, and then started again: each row
// stands once, and the files are what an undisturbed seal writes.
func TestKilledWhileSealing(t *testing.T) {
	undisturbed := t.TempDir()
	leave(t, undisturbed)
	if err := mustOpen(t, Options{Dir: undisturbed, Disk: noSync}).Close(); err != nil {
		t.Fatal(err)
	}
	relative := func(dir string) map[string]string {
		out := map[string]string{}
		for path, data := range filesIn(t, dir, ".parquet") {
			rel, err := filepath.Rel(dir, path)
			if err != nil {
				t.Fatal(err)
			}
			out[rel] = data
		}
		return out
	}
	files := relative(undisturbed)
	if len(files) != 3 {
		t.Fatalf("%d files", len(files))
	}
	killed := errors.New("killed")
	steps := []atomicfile.Step{atomicfile.StepCreate, atomicfile.StepWrite, atomicfile.StepSync, atomicfile.StepRename, atomicfile.StepSyncDir, atomicfile.StepDone}
	for _, step := range steps {
		for file := range 3 {
			t.Run(fmt.Sprintf("%s of file %d", step, file), func(t *testing.T) {
				dir := t.TempDir()
				leave(t, dir)
				seen := 0
				faulty := atomicfile.Disk{Durability: atomicfile.Crash, Fault: func(s atomicfile.Step, _ string) error {
					if s == step {
						if seen++; seen == file+1 {
							return killed
						}
					}
					return nil
				}}
				_, err := sealSegment(&faulty, dir, predictions.SegmentID{Session: "00000000000000aa", Number: 3})
				if !errors.Is(err, killed) {
					t.Fatalf("the fault did not come: %v", err)
				}
				want(t, dir, "svc", "a")
				want(t, dir, "other", "b")
				if err := mustOpen(t, Options{Dir: dir, Disk: noSync}).Close(); err != nil {
					t.Fatal(err)
				}
				want(t, dir, "svc", "a")
				want(t, dir, "other", "b")
				if got := relative(dir); !maps.Equal(got, files) {
					t.Errorf("the files are not those of an undisturbed seal")
				}
			})
		}
	}
}

// A segment that a kill cut anywhere: whole records are sealed, the rest is
// counted.
func TestTornTail(t *testing.T) {
	whole, err := os.ReadFile(leave(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	for cut := 0; cut <= len(whole); cut += 7 {
		dir := t.TempDir()
		segment := leave(t, dir)
		if err := os.Truncate(segment, int64(cut)); err != nil {
			t.Fatal(err)
		}
		before := ids(t, dir, "svc")
		l := mustOpen(t, Options{Dir: dir, Disk: noSync})
		want(t, dir, "svc", before...)
		s := l.Stats()
		if _, err := os.Stat(segment); !errors.Is(err, os.ErrNotExist) || s.Errors != 0 || s.Damaged != 0 {
			t.Fatalf("cut at %d: %+v, %v", cut, s, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A living process's segments are its own: a second logger leaves them alone.
func TestTwoLoggersInOneFolder(t *testing.T) {
	dir := t.TempDir()
	first := mustOpen(t, Options{Dir: dir, Disk: noSync})
	logSmall(first, "svc", "a", noon)
	if err := first.Flush(); err != nil {
		t.Fatal(err)
	}
	logSmall(first, "svc", "b", noon)
	second := mustOpen(t, Options{Dir: dir, Disk: noSync})
	logSmall(second, "svc", "c", noon)
	if err := errors.Join(second.Close(), first.Close()); err != nil {
		t.Fatal(err)
	}
	want(t, dir, "svc", "a", "b", "c")
	if s := second.Stats(); s.Recovered != 0 || s.Sealed != 1 {
		t.Errorf("%+v", s)
	}
}

// The disk fails while leftovers are sealed: the server starts all the same, and
// the leftovers are sealed once the disk works.
func TestDiskFailsAtOpen(t *testing.T) {
	dir := t.TempDir()
	leave(t, dir)
	full := errors.New("no space left on device")
	failing := Options{Dir: dir, Disk: atomicfile.Disk{Durability: atomicfile.Crash, Fault: func(s atomicfile.Step, _ string) error {
		if s == atomicfile.StepSync {
			return full
		}
		return nil
	}}}
	l, err := Open(failing)
	if err != nil {
		t.Fatal(err)
	}
	logSmall(l, "svc", "c", noon)
	if err := l.Flush(); !errors.Is(err, full) || !errors.Is(err, featurestore.ErrUnavailable) {
		t.Errorf("flush: %v", err)
	}
	if s := l.Stats(); s.Errors < 2 || s.Logged != 1 || s.Sealed != 0 {
		t.Errorf("%+v", s)
	}
	if err := l.Close(); !errors.Is(err, full) {
		t.Errorf("close: %v", err)
	}
	want(t, dir, "svc", "a", "c")
	want(t, dir, "other", "b")
	if err := mustOpen(t, Options{Dir: dir, Disk: noSync}).Close(); err != nil {
		t.Fatal(err)
	}
	want(t, dir, "svc", "a", "c")
	want(t, dir, "other", "b")
	if left, err := os.ReadDir(predictions.WALFolder(dir)); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
