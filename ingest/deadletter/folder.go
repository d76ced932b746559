package deadletter

import (
	"fmt"
	"os"
	"path/filepath"
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
// JSON line a letter. One process at a time may write to it. It is safe for
// concurrent use.
type Folder struct {
	dir  string
	opts Options

	mu      sync.Mutex
	file    *os.File // the newest segment; nil after Close or a failed write
	number  int
	size    int64
	written map[position]struct{}
}

// Open opens or makes a folder. A line that a crash cut short is taken off the
// newest segment: its record was not passed, so it will come again.
func Open(dir string, o Options) (*Folder, error) {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = defaultSegment
	}
	f := &Folder{dir: dir, opts: o, written: map[position]struct{}{}}
	if err := f.open(); err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	return f, nil
}

func (f *Folder) open() error {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return err
	}
	segments, err := listSegments(f.dir)
	if err != nil {
		return err
	}
	f.number = 1
	for _, s := range segments {
		f.size, err = readSegment(s.path, func(l DeadLetter) bool {
			f.written[l.position()] = struct{}{}
			return true
		})
		if err != nil {
			return err
		}
		f.number = s.number
	}
	if f.file, err = os.OpenFile(f.segmentPath(f.number), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	if err := f.file.Truncate(f.size); err != nil {
		return err
	}
	return f.syncFolder()
}

func (f *Folder) segmentPath(n int) string {
	return filepath.Join(f.dir, fmt.Sprintf("letters-%06d.jsonl", n))
}

// Append writes the letters whose positions are not there yet, and returns when
// they are on disk. After an error none or some of them may be there; the same
// call may be made again.
func (f *Folder) Append(letters ...DeadLetter) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return fmt.Errorf("dead letters: folder %q is closed", f.dir)
	}
	var buf []byte
	var fresh []position
	seen := map[position]bool{}
	for i := range letters {
		p := letters[i].position()
		if _, found := f.written[p]; found || seen[p] {
			continue
		}
		var err error
		if buf, err = appendLine(buf, &letters[i]); err != nil {
			return fmt.Errorf("dead letters: %w", err)
		}
		seen[p] = true
		fresh = append(fresh, p)
	}
	if len(fresh) == 0 {
		return nil
	}
	if err := f.write(buf); err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	for _, p := range fresh {
		f.written[p] = struct{}{}
	}
	return nil
}

// write appends whole lines. Each write begins at the size that is known to be
// good, so that what a failed one left behind is written over.
func (f *Folder) write(lines []byte) error {
	if f.size > 0 && f.size+int64(len(lines)) > f.opts.SegmentBytes {
		if err := f.roll(); err != nil {
			return err
		}
	}
	if _, err := f.file.WriteAt(lines, f.size); err != nil {
		_ = f.file.Truncate(f.size) // the write's own error is what counts
		return err
	}
	if !f.opts.NoSync {
		if err := f.file.Sync(); err != nil {
			_ = f.file.Truncate(f.size) // as above
			return err
		}
	}
	f.size += int64(len(lines))
	return nil
}

func (f *Folder) roll() error {
	next, err := os.OpenFile(f.segmentPath(f.number+1), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = f.file.Close()
	f.file, f.size = next, 0
	f.number++
	if err != nil {
		return err
	}
	return f.syncFolder()
}

// syncFolder makes a new segment's name durable.
func (f *Folder) syncFolder() error {
	if f.opts.NoSync {
		return nil
	}
	d, err := os.Open(f.dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Count is how many letters the folder holds.
func (f *Folder) Count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.written)
}

// Close closes the folder; it is idempotent.
func (f *Folder) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}
