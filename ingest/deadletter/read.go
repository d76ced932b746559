package deadletter

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
)

// Filter says which letters to read; empty fields take all.
type Filter struct {
	Source string
	Code   string
}

func (f Filter) takes(l *DeadLetter) bool {
	return (f.Source == "" || f.Source == l.Source) && (f.Code == "" || f.Code == l.Code)
}

// Read gives the letters of a folder in the order in which they were written,
// also while another process writes: a line that is not whole yet is left out.
// A folder that does not exist holds none. After an error it ends.
func Read(dir string, filter Filter) iter.Seq2[DeadLetter, error] {
	return func(yield func(DeadLetter, error) bool) {
		segments, err := listSegments(dir)
		if err != nil {
			yield(DeadLetter{}, fmt.Errorf("dead letters: %w", err))
			return
		}
		stopped := false
		for _, s := range segments {
			_, err := readSegment(s.path, func(l DeadLetter) bool {
				stopped = filter.takes(&l) && !yield(l, nil)
				return !stopped
			})
			if stopped {
				return
			}
			if err != nil {
				yield(DeadLetter{}, fmt.Errorf("dead letters: %w", err))
				return
			}
		}
	}
}

type segment struct {
	path   string
	number int
}

// listSegments gives the segments of a folder, oldest first.
func listSegments(dir string) ([]segment, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var segments []segment
	for _, e := range entries {
		var n int
		if _, err := fmt.Sscanf(e.Name(), "letters-%d.jsonl", &n); err == nil && e.Name() == fmt.Sprintf("letters-%06d.jsonl", n) {
			segments = append(segments, segment{filepath.Join(dir, e.Name()), n})
		}
	}
	slices.SortFunc(segments, func(a, b segment) int { return cmp.Compare(a.number, b.number) })
	return segments, nil
}

// readSegment gives each whole line's letter and returns the length of the
// whole lines. Bytes after the last newline are a write that did not finish;
// a whole line that is no letter is damage, and an error.
func readSegment(path string, each func(DeadLetter) bool) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<16)
	var size int64
	for n := 1; ; n++ {
		text, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return size, nil
		}
		if err != nil {
			return size, err
		}
		l, err := parseLine(bytes.TrimSuffix(text, []byte("\n")))
		if err != nil {
			return size, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		size += int64(len(text))
		if !each(l) {
			return size, nil
		}
	}
}
