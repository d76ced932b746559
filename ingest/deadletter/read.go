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

// Damage is a line of a folder that is no letter. It is passed over.
type Damage struct {
	Path   string
	Line   int   // from 1
	Offset int64 // of its first byte in the file
	Err    error // what it is instead
}

func (d *Damage) Error() string {
	return fmt.Sprintf("dead letters: %s:%d (byte %d): %v", d.Path, d.Line, d.Offset, d.Err)
}

func (d *Damage) Unwrap() error { return d.Err }

// Read gives the letters that stand in a folder when it begins, each position
// once: of each writer in the order in which it wrote them. What is appended
// meanwhile, and a line that is not whole, is left out. A folder that does not
// exist holds none. A line that is no letter is a *Damage, and reading goes on;
// after another error it ends.
func Read(dir string, filter Filter) iter.Seq2[DeadLetter, error] {
	return func(yield func(DeadLetter, error) bool) {
		segments, err := listSegments(dir)
		if err != nil {
			yield(DeadLetter{}, fmt.Errorf("dead letters: %w", err))
			return
		}
		stopped := false
		seen := map[position]bool{}
		for _, s := range segments {
			_, err := readSegment(s, 0, func(l DeadLetter, damage *Damage) bool {
				switch {
				case damage != nil:
					stopped = !yield(l, damage)
				case !seen[l.position()]:
					seen[l.position()] = true
					stopped = filter.takes(&l) && !yield(l, nil)
				}
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
	size   int64 // when it was listed
}

func segmentPath(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("letters-%06d.jsonl", number))
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
		if _, err := fmt.Sscanf(e.Name(), "letters-%d.jsonl", &n); err != nil || filepath.Join(dir, e.Name()) != segmentPath(dir, n) {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // somebody has just taken it away
		}
		if err != nil {
			return nil, err
		}
		segments = append(segments, segment{segmentPath(dir, n), n, info.Size()})
	}
	slices.SortFunc(segments, func(a, b segment) int { return cmp.Compare(a.number, b.number) })
	return segments, nil
}

// readSegment gives each whole line from an offset on, within the segment's size
// as listed: its letter or its damage, counted from there. It returns where the
// whole lines end; behind that stands a write that did not finish, or not yet.
func readSegment(s segment, from int64, each func(DeadLetter, *Damage) bool) (end int64, err error) {
	f, err := os.Open(s.path)
	if err != nil {
		return from, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(io.NewSectionReader(f, from, s.size-from), 1<<16)
	for n := 1; ; n++ {
		text, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return from, nil
		}
		if err != nil {
			return from, err
		}
		var damage *Damage
		l, err := parseLine(bytes.TrimSuffix(text, []byte("\n")))
		if err != nil {
			damage = &Damage{Path: s.path, Line: n, Offset: from, Err: err}
		}
		from += int64(len(text))
		if !each(l, damage) {
			return from, nil
		}
	}
}
