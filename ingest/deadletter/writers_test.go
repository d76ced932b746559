package deadletter

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strconv"
	"testing"
)

// The environment that makes this test binary a writer: its folder and number.
const (
	writerFolder = "FRESHET_TEST_LETTERS"
	writerNumber = "FRESHET_TEST_WRITER"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerFolder); dir != "" {
		if err := writeLetters(dir, os.Getenv(writerNumber)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const lettersOfWriter, writers = 300, 3

// writeLetters is one process: letters of its own partition, and between them
// those of partition 9, which all write, as after a partition changed hands. It
// begins when all are there, and says when half is done.
func writeLetters(dir, number string) error {
	n, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	f, err := Open(dir, Options{NoSync: true, SegmentBytes: 20_000})
	if err != nil {
		return err
	}
	fmt.Println("open")
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
		return err
	}
	for i := range int64(lettersOfWriter) {
		if i == lettersOfWriter/2 {
			fmt.Println("half")
		}
		own, shared := letter(i), letter(i)
		own.Partition, shared.Partition = int32(n), 9
		if err := f.Append(own, shared); err != nil {
			return err
		}
	}
	return f.Close()
}

// writer is a process that writes.
type writer struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startWriter(t *testing.T, dir string, n int) *writer {
	t.Helper()
	w := &writer{Cmd: exec.Command(os.Args[0])}
	w.Env = append(os.Environ(), writerFolder+"="+dir, writerNumber+"="+strconv.Itoa(n))
	w.Stderr = os.Stderr
	out, err := w.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if w.in, err = w.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Process.Kill() }) // of one that has ended it is an error
	w.out = bufio.NewReader(out)
	w.says(t, "open")
	return w
}

func (w *writer) says(t *testing.T, want string) {
	t.Helper()
	if got, err := w.out.ReadString('\n'); err != nil || got != want+"\n" {
		t.Fatalf("the writer said %q, not %q: %v", got, want, err)
	}
}

func (w *writer) begin(t *testing.T) {
	t.Helper()
	if _, err := w.in.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
}

func (w *writer) ends(t *testing.T) {
	t.Helper()
	w.says(t, "half")
	if err := w.Wait(); err != nil {
		t.Error(err)
	}
}

// TestWriters: several processes write to one folder at once, one of them is
// killed half way and starts anew, and each position is read once with its bytes.
func TestWriters(t *testing.T) {
	dir := t.TempDir()
	var all []*writer
	for n := range writers {
		all = append(all, startWriter(t, dir, n))
	}
	for _, w := range all {
		w.begin(t)
	}
	all[0].says(t, "half")
	if err := all[0].Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := all[0].Wait(); err == nil {
		t.Log("the writer was done before it was killed")
	}
	all[0] = startWriter(t, dir, 0)
	all[0].begin(t)
	for _, w := range all {
		w.ends(t)
	}

	got := map[position]int{}
	for l, err := range Read(dir, Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		want := letter(l.Offset)
		want.Partition = l.Partition
		if !reflect.DeepEqual(l, want) {
			t.Fatalf("%+v", l)
		}
		got[l.position()]++
	}
	if want := (writers + 1) * lettersOfWriter; len(got) != want {
		t.Errorf("%d positions, want %d", len(got), want)
	}
	for p, n := range got {
		if n != 1 {
			t.Errorf("%+v is read %d times", p, n)
		}
	}
}

// TestHandOver: what another folder has written meanwhile is not written again.
func TestHandOver(t *testing.T) {
	dir := t.TempDir()
	one, two := openFolder(t, dir, Options{}), openFolder(t, dir, Options{})
	for i := range int64(6) {
		writes, takesOver := one, two
		if i%2 == 1 {
			writes, takesOver = two, one
		}
		if err := writes.Append(letter(i)); err != nil {
			t.Fatal(err)
		}
		if err := takesOver.Append(letter(i)); err != nil {
			t.Fatal(err)
		}
	}
	var lines int
	segments, err := listSegments(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range segments {
		text, err := os.ReadFile(s.path)
		if err != nil {
			t.Fatal(err)
		}
		lines += bytes.Count(text, []byte("\n"))
	}
	if lines != 6 || len(segments) != 2 || one.Count() != 6 || two.Count() != 6 {
		t.Errorf("%d lines in %d segments, %d and %d letters", lines, len(segments), one.Count(), two.Count())
	}
}

// TestReadTakesWhatStands: letters that come while a folder is read are not read.
func TestReadTakesWhatStands(t *testing.T) {
	dir := t.TempDir()
	one, two := openFolder(t, dir, Options{NoSync: true}), openFolder(t, dir, Options{NoSync: true})
	if err := errors.Join(one.Append(letter(0), letter(1)), two.Append(letter(2))); err != nil {
		t.Fatal(err)
	}
	var read []int64
	for l, err := range Read(dir, Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		read = append(read, l.Offset)
		if err := errors.Join(one.Append(letter(100+l.Offset)), two.Append(letter(200+l.Offset))); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(read, []int64{0, 1, 2}) {
		t.Errorf("read %v", read)
	}
}
