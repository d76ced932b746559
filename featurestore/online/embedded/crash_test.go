package embedded_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/embedded"
	"github.com/freshet/freshet/featurestore/online/onlinetest"
)

const childDir = "FRESHET_TEST_EMBEDDED_DIR"

func crashGeneration() online.Generation {
	return online.Generation{Project: "p", View: "crash", Number: 1}
}

// crashGroup is a batch for each of 4 lanes; step n follows step n-1, and every
// entity says the step that wrote it.
func crashGroup(n int64) []online.Batch {
	batches := make([]online.Batch, 4)
	for lane := range batches {
		b := online.Batch{Lane: online.LaneID{Generation: crashGeneration(), Lane: uint16(lane)}, Definition: onlinetest.Meta(1, 4).Definition, From: n - 1, To: online.Watermark{Offset: n}}
		for key := range 5 {
			w := online.Write{Key: []byte{byte(key)}, Blob: onlinetest.Blob(fmt.Sprint(n), make([]byte, 500))}
			if n > 0 {
				w.Expect = onlinetest.Prefix(onlinetest.Blob(fmt.Sprint(n-1), nil))
			}
			b.Writes = append(b.Writes, w)
		}
		batches[lane] = b
	}
	return batches
}

// child applies steps until it is killed, and says each that was acknowledged.
func child(dir string) {
	s, err := embedded.Open(config(dir))
	if err == nil {
		err = s.Create(background(), crashGeneration(), onlinetest.Meta(1, 4))
	}
	var next int64
	if err == nil {
		next, err = storedStep(s)
	}
	for ; err == nil; next++ {
		for _, r := range s.Apply(background(), crashGroup(next+1)) {
			if r.Outcome != online.OutcomeOK {
				err = fmt.Errorf("step %d: %v: %w", next+1, r.Outcome, r.Err)
			}
		}
		fmt.Println(next + 1)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// storedStep is the last step of each lane, which its entities must bear out. All
// lanes are at the same one: a group is one write of the log.
func storedStep(s *embedded.Store) (int64, error) {
	lanes, err := s.Lanes(background(), crashGeneration(), 4)
	if err != nil {
		return 0, err
	}
	step := int64(-1)
	if w, ok := lanes[0].Watermarks[online.Partition{}]; ok {
		step = w.Offset
	}
	for i, l := range lanes {
		w, ok := l.Watermarks[online.Partition{}]
		if ok != (step >= 0) || ok && w.Offset != step {
			return 0, fmt.Errorf("lane %d is at %+v, lane 0 at %d", i, w, step)
		}
		for key := range 5 {
			blobs, err := s.Get(background(), []online.EntityID{{LaneID: online.LaneID{Generation: crashGeneration(), Lane: uint16(i)}, Key: []byte{byte(key)}}})
			if err != nil {
				return 0, err
			}
			if got := stepOf(blobs[0].Open); got != step {
				return 0, fmt.Errorf("lane %d key %d is of step %d, its watermark of %d", i, key, got, step)
			}
		}
	}
	return step, nil
}

func stepOf(blob []byte) int64 {
	if blob == nil {
		return -1
	}
	n, err := strconv.ParseInt(string(onlinetest.Prefix(blob)[2:]), 10, 64)
	if err != nil {
		return -2
	}
	return n
}

// TestKill ends a writing process by SIGKILL, again and again: all that it
// acknowledged is there, and each state agrees with its watermark.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	for round := range 4 {
		acknowledged := killAfter(t, dir, 40+160*round)
		s := open(t, config(dir))
		step, err := storedStep(s)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if step < acknowledged {
			t.Fatalf("round %d: step %d was acknowledged, %d is stored", round, acknowledged, step)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killAfter starts a writer, kills it once it has acknowledged some steps, and
// returns the last of them.
func killAfter(t *testing.T, dir string, steps int) int64 {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := readSteps(t, out, func(seen int) {
		if seen == steps {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	})
	if err := cmd.Wait(); err == nil {
		t.Fatal("the writer ended by itself")
	}
	return last
}

func readSteps(t *testing.T, out io.Reader, seen func(int)) int64 {
	t.Helper()
	last, n := int64(-1), 0
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
			t.Fatalf("the writer said %q", lines.Text())
		}
		n++
		seen(n)
	}
	return last
}

func background() context.Context { return context.Background() }
