package deadletter

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// defaultSegment is where a segment file ends and the next begins.
const defaultSegment = 64 << 20

// Options change how a Folder writes. Zero values take the defaults.
type Options struct {
	SegmentBytes int64 // default 64 MiB
	// NoSync leaves it to the operating system when letters reach the disk:
	// they survive the end of the process, but not the loss of power.
	NoSync bool
}

// Folder keeps dead letters in segment files letters-000001.jsonl and on, one
// JSON line a letter. Any number of processes may write to one folder: each
// makes segments of its own, under numbers that nobody had, and none is written
// again by another or after its process has ended. No lock is held, so that a
// process that stands still holds up no other. It is safe for concurrent use.
type Folder struct {
	dir  string
	opts Options

	mu      sync.Mutex
	closed  bool
	file    *os.File // this folder's newest segment; nil before the first letter and after a failed write
	named   bool     // its name is on disk
	size    int64
	own     map[int]bool  // the segments that this folder wrote
	taken   map[int]int64 // of the others, how many bytes of whole lines are in written
	written map[position]struct{}
}

// Open opens or makes a folder. What it holds is taken as it is: a line that a
// crash cut short, or that is damaged, is passed over, and its record is kept
// anew if it comes again.
func Open(dir string, o Options) (*Folder, error) {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = defaultSegment
	}
	f := &Folder{dir: dir, opts: o, own: map[int]bool{}, taken: map[int]int64{}, written: map[position]struct{}{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	if err := f.catchUp(); err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	return f, nil
}

// catchUp takes in what others have written since. It makes that durable first:
// who wrote it may have ended before it could.
func (f *Folder) catchUp() error {
	segments, err := listSegments(f.dir)
	if err != nil {
		return err
	}
	for _, s := range segments {
		from := f.taken[s.number]
		if f.own[s.number] || s.size <= from {
			continue
		}
		var found []position
		end, err := readSegment(s, from, func(l DeadLetter, damage *Damage) bool {
			if damage == nil {
				found = append(found, l.position())
			}
			return true
		})
		if err != nil {
			return err
		}
		if end > from {
			if err := f.sync(s.path); err != nil {
				return err
			}
		}
		for _, p := range found {
			f.written[p] = struct{}{}
		}
		f.taken[s.number] = end
	}
	return nil
}

// sync makes a file, or the names in a folder, durable.
func (f *Folder) sync(path string) error {
	if f.opts.NoSync {
		return nil
	}
	x, err := os.Open(path)
	if err != nil {
		return err
	}
	defer x.Close()
	return x.Sync()
}

// Append writes the letters whose positions are not there yet, and returns when
// they are on disk. After an error none or some of them may be there; the same
// call may be made again. Of two processes that write one position at the same
// moment both may: Read gives it once.
func (f *Folder) Append(letters ...DeadLetter) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return fmt.Errorf("dead letters: folder %q is closed", f.dir)
	}
	fresh, err := f.fresh(letters)
	if err != nil || len(fresh) == 0 {
		return err
	}
	var buf []byte
	for i := range fresh {
		if buf, err = appendLine(buf, &fresh[i]); err != nil {
			return fmt.Errorf("dead letters: %w", err)
		}
	}
	if err := f.write(buf); err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	for i := range fresh {
		f.written[fresh[i].position()] = struct{}{}
	}
	return nil
}

// fresh gives the letters whose positions the folder does not hold, each once.
func (f *Folder) fresh(letters []DeadLetter) ([]DeadLetter, error) {
	fresh := f.unknown(letters)
	if len(fresh) == 0 {
		return nil, nil
	}
	if err := f.catchUp(); err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	return f.unknown(fresh), nil
}

func (f *Folder) unknown(letters []DeadLetter) []DeadLetter {
	var out []DeadLetter
	seen := map[position]bool{}
	for i := range letters {
		p := letters[i].position()
		if _, found := f.written[p]; !found && !seen[p] {
			seen[p] = true
			out = append(out, letters[i])
		}
	}
	return out
}

// write appends whole lines. A segment in which a write failed half way is left
// as it is, since others may have read it, and the next one begins.
func (f *Folder) write(lines []byte) error {
	if f.file == nil || f.size > 0 && f.size+int64(len(lines)) > f.opts.SegmentBytes {
		if err := f.roll(); err != nil {
			return err
		}
	}
	if !f.named {
		if err := f.sync(f.dir); err != nil {
			return err
		}
		f.named = true
	}
	n, err := f.file.Write(lines)
	if err == nil && !f.opts.NoSync {
		err = f.file.Sync()
	}
	if err != nil && n > 0 {
		_ = f.file.Close() // the write's own error is what counts
		f.file = nil
		return err
	}
	f.size += int64(n)
	return err
}

// roll makes this folder's next segment, behind all that there are.
func (f *Folder) roll() error {
	segments, err := listSegments(f.dir)
	if err != nil {
		return err
	}
	number := 1
	if n := len(segments); n > 0 {
		number = segments[n-1].number + 1
	}
	var next *os.File
	for ; ; number++ {
		next, err = os.OpenFile(segmentPath(f.dir, number), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	if err != nil {
		return err
	}
	last := f.file
	f.file, f.size, f.named, f.own[number] = next, 0, false, true
	if last != nil {
		return last.Close()
	}
	return nil
}

// Count is how many letters the folder holds, as far as it has read it.
func (f *Folder) Count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.written)
}

// Close closes the folder; it is idempotent.
func (f *Folder) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}
