package history

import (
	"sync/atomic"
	"time"
)

// rests are how a seal goes beside a stream that needs the processors: it rests after each
// page, so that its work is spread over a part of the time until the next one. It does not
// where somebody waits for it, or is about to.
type rests struct{ hurry atomic.Bool }

// How long a seal rests after a page: for as many rows as have a large one, about four
// times as long as it takes.
const (
	restPerRow = 100 * time.Nanosecond
	leastRest  = 500 * time.Microsecond
	mostRest   = 5 * time.Millisecond
)

// after rests after a page of so many rows.
func (r *rests) after(rows int) {
	rest := min(time.Duration(rows)*restPerRow, mostRest)
	if rest < leastRest || r.hurry.Load() {
		return
	}
	time.Sleep(rest)
}

// hurryAt is which part of the buffers is full when a seal of those before rests no more.
// What is appended waits for it once they are full; and where they fill soon, nothing is
// left of the processors, so that it takes longer than it would alone.
const hurryAt = 8

// filled looks whether a seal has still time to rest.
func (w *Writer) filled() {
	if w.active.rows*hurryAt >= w.o.SealRows || w.active.bytes*hurryAt >= w.o.SealBytes {
		w.rests.hurry.Store(true)
	}
}
