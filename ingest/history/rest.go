package history

import (
	"runtime"
	"sync/atomic"
	"time"
)

// rests are how a seal goes beside a stream that needs the processors: it rests after each
// page, so that its work is spread over a part of the time until the next one. Where
// somebody waits for it, or is about to, it only lets others go first.
type rests struct{ hurry atomic.Bool }

// How long a seal rests after a page. Of a page with few rows, which are long, that would
// be too short to be worth a timer.
const (
	restPerRow = 100 * time.Nanosecond // 2 ms after a page of numbers, about
	leastRest  = 500 * time.Microsecond
)

// after rests after a page of so many rows.
func (r *rests) after(rows int) {
	rest := time.Duration(rows) * restPerRow
	if rest < leastRest || r.hurry.Load() {
		runtime.Gosched() // a seal takes a processor for long
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
