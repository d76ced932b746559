package predlog

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"testing"
)

const killedFolder = "PREDLOG_TEST_DIR"

// TestProcessThatIsKilled is the process of TestKill: it logs for ever, and says
// after each row that it is with the operating system.
func TestProcessThatIsKilled(t *testing.T) {
	dir := os.Getenv(killedFolder)
	if dir == "" {
		return // it is not its turn: TestKill starts it
	}
	l := mustOpen(t, Options{Dir: dir, SealRows: 37})
	for i := int64(0); ; i++ {
		logSmall(l, "svc", fmt.Sprint(i), noon)
		for l.Stats().Logged <= i {
			runtime.Gosched()
		}
		fmt.Println(i)
	}
}

// A process is killed for real, again and again, while it writes and seals: every
// row that it had reported is on record once, and no row twice.
func TestKill(t *testing.T) {
	for round := range 5 {
		dir := t.TempDir()
		p := exec.Command(os.Args[0], "-test.run=^TestProcessThatIsKilled$")
		p.Env = append(os.Environ(), killedFolder+"="+dir)
		out, err := p.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		last := -1
		for lines := bufio.NewScanner(out); last < 100+round*53 && lines.Scan(); {
			if last, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = p.Wait() // it says that it was killed
		if err := mustOpen(t, Options{Dir: dir, Disk: noSync}).Close(); err != nil {
			t.Fatal(err)
		}
		got := ids(t, dir, "svc")
		slices.Sort(got)
		if n := len(slices.Compact(slices.Clone(got))); n != len(got) {
			t.Errorf("round %d: %d rows stand twice", round, len(got)-n)
		}
		for i := range last + 1 {
			if _, found := slices.BinarySearch(got, fmt.Sprint(i)); !found {
				t.Errorf("round %d: row %d of %d is gone", round, i, last)
			}
		}
	}
}
