package predlog

import (
	"io"
	"os"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/predictions"
	"github.com/freshet/freshet/serving/service"
)

// gatherBytes is how much is gathered before it is written while more waits.
const gatherBytes = 64 << 10

// retryAfter is how long the writer waits before it tries a failing disk again.
const retryAfter = 100 * time.Millisecond

// segmentFile is an open segment.
type segmentFile interface {
	io.WriterAt
	io.Closer
}

type createFunc func(path string) (segmentFile, error)

func createSegment(path string) (segmentFile, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
}

// writer is the goroutine that encodes and writes ahead. While the disk fails it
// keeps what it has gathered, takes no more, and tries again: then the queue
// fills, and Log counts.
type writer struct {
	l      *Logger
	create createFunc

	file    segmentFile // nil until the segment's first write
	number  int64       // of the segment
	written int64       // bytes of it that are with the operating system
	rows    int64       // of it, written

	pending     []byte // encoded and not written; begins where the file ends
	pendingRows int64

	schemas map[string]int // numbers in the segment, by encoded header
	plans   map[*service.Compiled]schema

	failing bool
	retry   *time.Timer
	age     *time.Timer // of the segment
}

type schema struct {
	number int
	header *predictions.Header
}

func newWriter(l *Logger, create createFunc) *writer {
	w := &writer{l: l, create: create, retry: time.NewTimer(time.Hour), age: time.NewTimer(time.Hour)}
	w.retry.Stop()
	w.age.Stop()
	w.begin()
	return w
}

// begin starts the next segment, in memory.
func (w *writer) begin() {
	w.number++
	w.file, w.written, w.rows = nil, 0, 0
	w.pending, w.pendingRows = predictions.AppendSegmentHead(w.pending[:0]), 0
	w.schemas, w.plans = map[string]int{}, map[*service.Compiled]schema{}
}

func (w *writer) run() {
	defer close(w.l.writerEnded)
	defer w.age.Stop()
	defer w.retry.Stop()
	for {
		queue := w.l.queue
		if w.failing && len(w.pending) >= gatherBytes {
			queue = nil
		}
		select {
		case e := <-queue:
			w.take(&e)
			w.gather()
			if !w.failing {
				w.write() //nolint:errcheck // counted, and tried again
			}
		case <-w.retry.C:
			w.write() //nolint:errcheck // counted, and tried again
		case <-w.age.C:
			if w.write() == nil {
				w.roll()
			} else {
				w.age.Reset(w.l.o.SealAfter)
			}
		case reply := <-w.l.flush:
			reply <- w.drain()
		case <-w.l.stop:
			w.end()
			return
		}
	}
}

// gather takes what waits, up to a bound.
func (w *writer) gather() {
	for len(w.pending) < gatherBytes {
		select {
		case e := <-w.l.queue:
			w.take(&e)
		default:
			return
		}
	}
}

// drain writes what waits now and closes the segment.
func (w *writer) drain() error {
	for left := len(w.l.queue); ; {
		if err := w.write(); err != nil {
			return featurestore.Unavailablef("the prediction log cannot be written: %w", err)
		}
		if left == 0 {
			break
		}
		for ; left > 0 && len(w.pending) < gatherBytes; left-- {
			e := <-w.l.queue
			w.take(&e)
		}
	}
	w.roll()
	return nil
}

// end is drain at the end: what the disk does not take is lost, and counted.
func (w *writer) end() {
	err := w.drain()
	if err == nil {
		return
	}
	lost := w.pendingRows
	for len(w.l.queue) > 0 {
		e := <-w.l.queue
		lost += e.rows()
	}
	w.l.queued.Add(-lost)
	w.l.stats.endedWith(lost, err)
	w.roll()
}

// take encodes an entry behind what is pending.
func (w *writer) take(e *entry) {
	if e.prediction != nil {
		w.pending = predictions.AppendPrediction(w.pending, e.prediction)
		w.pendingRows++
		return
	}
	s, known := w.plans[e.plan]
	if !known {
		s = w.schema(headerOf(e))
		w.plans[e.plan] = s
	}
	var err error
	if w.pending, err = predictions.AppendLookup(w.pending, s.number, lookupOf(e, s.header)); err != nil {
		w.l.queued.Add(-e.rows())
		w.l.stats.lose(e.rows(), err)
		return
	}
	w.pendingRows += e.rows()
}

// schema gives a header its number in the segment. Plans are compiled anew with
// each revision; most have the header of the one before.
func (w *writer) schema(h *predictions.Header) schema {
	encoded := h.Encode()
	number, known := w.schemas[string(encoded)]
	if !known {
		number = len(w.schemas) + 1
		w.schemas[string(encoded)] = number
		w.pending = predictions.AppendSchema(w.pending, number, encoded)
	}
	return schema{number, h}
}

// write hands what is pending to the operating system. After an error the same
// bytes go to the same place again: what was written of them stays right.
func (w *writer) write() error {
	if w.pendingRows == 0 {
		return nil
	}
	if err := w.tryWrite(); err != nil {
		w.l.stats.fail(err)
		w.failing = true
		w.retry.Reset(retryAfter)
		return err
	}
	w.failing = false
	w.retry.Stop()
	if w.rows == 0 {
		w.age.Reset(w.l.o.SealAfter)
	}
	w.written += int64(len(w.pending))
	w.rows += w.pendingRows
	w.l.queued.Add(-w.pendingRows)
	w.l.stats.logged.Add(w.pendingRows)
	w.pending, w.pendingRows = w.pending[:0], 0
	if w.rows >= int64(w.l.o.SealRows) || w.written >= w.l.o.SealBytes {
		w.roll()
	}
	return nil
}

func (w *writer) tryWrite() error {
	if w.file == nil {
		f, err := w.create(predictions.SegmentPath(w.l.o.Dir, predictions.SegmentID{Session: w.l.session.id, Number: w.number}))
		if err != nil {
			return err
		}
		w.file = f
	}
	_, err := w.file.WriteAt(w.pending, w.written)
	return err
}

// roll closes the segment, gives it to the sealer and begins the next.
func (w *writer) roll() {
	if w.file == nil {
		return
	}
	if err := w.file.Close(); err != nil {
		w.l.stats.fail(err)
	}
	w.age.Stop()
	w.l.closedThrough.Store(w.number)
	w.begin()
	select {
	case w.l.jobs <- nil:
	default: // a job that has not begun will see this segment too
	}
}
