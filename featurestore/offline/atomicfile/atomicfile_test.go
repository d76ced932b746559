package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func writeText(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

func TestWriteIsWholeOrNotThere(t *testing.T) {
	killed := errors.New("killed")
	after := map[Step]string{StepCreate: "old", StepWrite: "old", StepSync: "old", StepRename: "old", StepSyncDir: "new", StepDone: "new"}
	for step, want := range after {
		path := filepath.Join(t.TempDir(), "a", "b", "file")
		if _, err := (&Disk{}).Write(path, writeText("old")); err != nil {
			t.Fatal(err)
		}
		faulty := Disk{Fault: func(s Step, _ string) error {
			if s == step {
				return killed
			}
			return nil
		}}
		if _, err := faulty.Write(path, writeText("new")); !errors.Is(err, killed) {
			t.Fatalf("%s: error %v, want the fault", step, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("killed before %s: %q, %v; want %q", step, got, err, want)
		}
	}
}

func TestWriteTellsWhatItWrote(t *testing.T) {
	for _, d := range []Durability{PowerLoss, Crash} {
		path := filepath.Join(t.TempDir(), "file")
		info, err := (&Disk{Durability: d}).Write(path, writeText("some text"))
		if err != nil {
			t.Fatal(err)
		}
		hash, err := Hash(path)
		if err != nil || info.XXH3 != hash || info.Bytes != 9 {
			t.Errorf("info %+v, hash %q, %v", info, hash, err)
		}
		entries, err := os.ReadDir(filepath.Dir(path))
		if err != nil || len(entries) != 1 {
			t.Errorf("left %v, %v; want the file alone", entries, err)
		}
	}
}

func TestFailedFillLeavesTheOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if _, err := (&Disk{}).Write(path, writeText("old")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if _, err := (&Disk{}).Write(path, func(io.Writer) error { return broken }); !errors.Is(err, broken) {
		t.Fatalf("error %v, want that of fill", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("the file is %q", got)
	}
	if target, unfinished := Target("a/.file.tmp"); target != "a/file" || !unfinished {
		t.Errorf("target %q", target)
	}
	if target, unfinished := Target("a/file.tmp"); target != "a/file.tmp" || unfinished {
		t.Error("temporary names are not told apart")
	}
}

// A removed file takes a folder that it leaves empty with it, and one that is not
// there is none to remove; a write makes the folder again.
func TestRemove(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a")
	d := Disk{Durability: Crash}
	for _, name := range []string{"x", "y"} {
		if _, err := d.Write(filepath.Join(folder, name), writeText("text")); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"x", "x", "y"} {
		if err := d.Remove(filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) != (name == "y") {
			t.Errorf("after %s: %v", name, err)
		}
	}
	if _, err := d.Write(filepath.Join(folder, "z"), writeText("text")); err != nil {
		t.Fatal(err)
	}
	killed := errors.New("killed")
	d.Fault = func(s Step, _ string) error {
		if s == StepRemove {
			return killed
		}
		return nil
	}
	if err := d.Remove(filepath.Join(folder, "z")); !errors.Is(err, killed) {
		t.Errorf("error %v, want the fault", err)
	}
}
