// Package history archives the decoded events of a source to Parquet, by
// position: sealed files, then a manifest that says which ranges of offsets are
// complete (layout: featurestore/offline/archive). A crash at any point loses
// nothing and leaves nothing twice: what the manifest does not list is removed at
// the next start and fed again. What is archived is put in order (Compaction), and
// given fields that it was written without (Widener), in the same way.
//
// It decodes nothing and judges nothing; it is fed by the worker that consumes
// the log.
package history

import (
	"errors"
	"path/filepath"
	"sync"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
	"github.com/freshet/freshet/featurestore/offline/columnfile"
)

// Options are the settings of a writer.
type Options struct {
	Dir       string // the offline folder
	Source    *definition.StreamSource
	Disk      atomicfile.Disk // what a sealed file survives; the zero one survives a power loss
	SealRows  int             // rows buffered over all partitions before a seal; 0 is 131,072
	SealBytes int64           // bytes of text and cells buffered before a seal; 0 is 128 MiB
}

const (
	defaultSealRows  = 128 << 10
	defaultSealBytes = 128 << 20
)

// Writer archives the events of one source. Its methods but Close are for one
// goroutine; it seals in another, which Close stops. One writer a partition and
// folder at a time: a second is refused, also of another process. After an error
// of kind ErrUnavailable it takes nothing more: close it, open another and feed
// from Next.
type Writer struct {
	o      Options
	folder string
	change changeLock

	feeds  map[offline.Partition]*feed
	layout *columnfile.Layout // this and the next two of the sealing goroutine
	plain  []bool             // which fields that writes without a dictionary
	pages  pages
	rests  rests
	active *buffers
	spare  chan *buffers // the other buffers, once they are sealed
	jobs   chan job
	ended  chan struct{}
	once   sync.Once

	mu        sync.Mutex // guards manifests and failed
	manifests map[offline.Partition]*archive.Manifest
	failed    error
}

// feed is how far a partition has been consumed: the offsets [from, next) are
// complete and not yet sealed.
type feed struct {
	unlock     func() error
	from, next int64
	archived   []offline.Range // complete when the feed began, or dropped by retention; ascending
	half       bool            // the last offset has a row that was taken away: the one in its place may follow
}

// has reports whether an offset was archived before the feed began. Offsets
// ascend, so that ranges that lie behind are dropped.
func (f *feed) has(offset int64) bool {
	for len(f.archived) > 0 && f.archived[0].To <= offset {
		f.archived = f.archived[1:]
	}
	return len(f.archived) > 0 && f.archived[0].Contains(offset)
}

// Open starts a writer that holds no partition yet.
func Open(o Options) (*Writer, error) {
	if o.SealRows <= 0 {
		o.SealRows = defaultSealRows
	}
	if o.SealBytes <= 0 {
		o.SealBytes = defaultSealBytes
	}
	schema, err := archive.Schema(o.Source)
	if err != nil {
		return nil, err
	}
	layout, err := columnfile.LayoutOf(schema)
	if err != nil {
		return nil, err
	}
	w := &Writer{
		o: o, layout: layout, pages: pages{buffers: columnfile.NewBuffers()}, plain: make([]bool, len(o.Source.Fields)), folder: archive.Folder(o.Dir, o.Source.Name), change: changeLock{archive.Folder(o.Dir, o.Source.Name)},
		feeds:  map[offline.Partition]*feed{},
		active: newBuffers(o.Source, o.SealRows), spare: make(chan *buffers, 1),
		jobs: make(chan job, 1), ended: make(chan struct{}),
		manifests: map[offline.Partition]*archive.Manifest{},
	}
	if err := o.Disk.MakeFolder(w.folder); err != nil {
		return nil, featurestore.Unavailablef("the archive folder cannot be made: %v", err)
	}
	if _, err := archive.Load(o.Dir, o.Source.Name); err != nil {
		return nil, err
	}
	w.pages.rests = &w.rests
	w.spare <- newBuffers(o.Source, o.SealRows)
	go w.sealing()
	return w, nil
}

// Hold takes a partition for this writer, with what was archived of it before.
// It removes what is left of a seal that did not end. ErrUnavailable says that
// another process holds it. It is idempotent.
func (w *Writer) Hold(p offline.Partition) error {
	if w.feeds[p] != nil {
		return nil
	}
	lock := filepath.Join(w.folder, archive.LockName(p))
	unlock, err := w.change.own(p)
	if errors.Is(err, errHeld) {
		return featurestore.Unavailablef("another process archives the partition of %q, or has just ended: it is tried again", lock)
	}
	if err != nil {
		return err
	}
	m, err := w.recoverPartition(p)
	if err != nil {
		return errors.Join(err, unlock())
	}
	w.mu.Lock()
	w.manifests[p] = m
	w.mu.Unlock()
	w.feeds[p] = &feed{unlock: unlock, archived: m.Known(p), from: begun, next: begun}
	return nil
}

// begun is the place of a feed that has not begun.
const begun = -1

// Release seals what was appended and lets another writer take the partition. It
// does nothing for one that is not held.
func (w *Writer) Release(p offline.Partition) error {
	f := w.feeds[p]
	if f == nil {
		return nil
	}
	err := w.Flush()
	delete(w.feeds, p)
	w.mu.Lock()
	delete(w.manifests, p)
	w.mu.Unlock()
	return errors.Join(err, f.unlock())
}

// Next is the offset after the last complete range of a partition that is held:
// from there the log must be fed again. ok is false for one never archived.
func (w *Writer) Next(p offline.Partition) (offset int64, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.manifests[p]
	if m == nil {
		return 0, false
	}
	ranges := m.Ranges(p)
	if len(ranges) == 0 {
		return 0, false
	}
	return ranges[len(ranges)-1].To, true
}

// First is the offset at which what is archived of a partition begins; 0 where
// Next is not ok.
func (w *Writer) First(p offline.Partition) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m := w.manifests[p]; m != nil {
		if ranges := m.Ranges(p); len(ranges) > 0 {
			return ranges[0].From
		}
	}
	return 0
}

// Begin says that the feed of a partition starts at an offset: from there on,
// what is appended and consumed is complete. It comes before the first Append of
// a partition, which it holds if that was not done before. Offsets that are
// archived or were fed already are skipped; an offset beyond leaves a gap that
// Complete of the reader shows.
func (w *Writer) Begin(p offline.Partition, offset int64) error {
	if offset < 0 {
		return featurestore.Invalidf("the feed of generation %d, partition %d begins at offset %d, below 0", p.Generation, p.Partition, offset)
	}
	if err := w.Hold(p); err != nil {
		return err
	}
	f := w.feeds[p]
	if f.next == begun {
		f.from, f.next = offset, offset
		return nil
	}
	if offset <= f.next {
		return nil
	}
	if f.from < f.next { // no file spans a gap
		if err := w.seal(nil); err != nil {
			return err
		}
	}
	f.from, f.next = offset, offset
	return nil
}

// Append archives events, which are copied. Offsets of a partition ascend; one
// that was consumed before (a rewind) is skipped, but for a row that takes the
// place of the row before it, of the same record. It waits while the buffers
// before are being sealed and these are full. The positions' Source is not
// looked at.
func (w *Writer) Append(events *columnar.Events) error {
	for id, rows := range events.Runs() {
		p := offline.Partition{Generation: id.Generation, Partition: id.Partition}
		f, err := w.feed(p)
		if err != nil {
			return err
		}
		for from := rows[0]; from < rows[1]; {
			end := min(rows[1], from+w.room())
			moved := *f
			wanted := moved.take(events, from, end)
			if wanted > from {
				if err := w.active.add(p, events, from, wanted); err != nil {
					return err
				}
				w.filled()
			}
			*f = moved
			if wanted == from {
				from++
				continue
			}
			from = wanted
			// No seal parts the rows of one record.
			if !f.half && (w.active.rows >= w.o.SealRows || w.active.bytes >= w.o.SealBytes) {
				if err := w.seal(nil); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// room is how many rows may come before a seal: what is copied at once stays within
// what is sealed at once, in rows and about in bytes.
func (w *Writer) room() int {
	rows := max(1, w.o.SealRows-w.active.rows)
	if w.active.rows > 0 {
		left, each := w.o.SealBytes-w.active.bytes, max(1, w.active.bytes/int64(w.active.rows))
		rows = min(rows, max(1, int(left/each)))
	} else {
		rows = min(rows, firstRows)
	}
	return rows
}

// firstRows are added before it is known how large rows are.
const firstRows = 256

// take moves the feed over rows that are wanted, from the first on, and gives the
// row behind them: the first itself where that one is not wanted.
func (f *feed) take(events *columnar.Events, from, to int) int {
	offsets, changes := events.Offsets(), events.Changes()
	row := from
	for ; row < to; row++ {
		change := featurestore.NoChange
		if len(changes) > 0 {
			change = changes[row]
		}
		second := f.half && offsets[row] == f.next-1 && change == featurestore.Added
		if offsets[row] < f.next && !second {
			break
		}
		f.half = false
		if f.has(offsets[row]) {
			f.next = offsets[row] + 1
			break
		}
		f.next, f.half = offsets[row]+1, change == featurestore.Retracted
	}
	return row
}

// Consumed says that every offset of a partition up to and with through has been
// seen: those without an event (dead letters, control records) are complete too.
func (w *Writer) Consumed(p offline.Partition, through int64) error {
	f, err := w.feed(p)
	if err != nil {
		return err
	}
	f.next = max(f.next, through+1)
	return nil
}

func (w *Writer) feed(p offline.Partition) (*feed, error) {
	f := w.feeds[p]
	if f == nil || f.next == begun {
		return nil, featurestore.Invalidf("source %q: generation %d, partition %d is fed before Begin said from where", w.o.Source.Name, p.Generation, p.Partition)
	}
	return f, nil
}

// Buffered is how many rows wait for a seal, so that the caller can flush by
// time where something does.
func (w *Writer) Buffered() int { return w.active.rows }

// Flush seals all that was appended and returns when it is durable and listed.
func (w *Writer) Flush() error { return w.Seal()() }

// Seal hands over all that was appended, to be sealed; the function that it gives
// waits until it is durable and listed, and may be called by another goroutine while
// more is appended.
func (w *Writer) Seal() (durable func() error) {
	done := make(chan error, 1)
	if err := w.seal(done); err != nil {
		done <- err
	}
	return func() error {
		w.rests.hurry.Store(true)
		return <-done
	}
}

// Close flushes and stops the writer. It is idempotent; no other method may be
// called after it.
func (w *Writer) Close() error {
	var err error
	w.once.Do(func() {
		err = w.Flush()
		close(w.jobs)
		<-w.ended
		err = errors.Join(err, w.unlockAll())
	})
	return err
}

// Abandon stops the writer without a seal: what was not listed is fed again
// after the next Open, as after a crash.
func (w *Writer) Abandon() error {
	var err error
	w.once.Do(func() {
		w.rests.hurry.Store(true)
		close(w.jobs)
		<-w.ended
		err = w.unlockAll()
	})
	return err
}

func (w *Writer) unlockAll() error {
	var errs []error
	for _, f := range w.feeds {
		errs = append(errs, f.unlock())
	}
	clear(w.feeds)
	return errors.Join(errs...)
}
