package history

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline"
)

// A seal rests after its pages while nobody waits for it. It does not for one that waits,
// nor where what is appended would soon have to wait.
func TestASealRests(t *testing.T) {
	const rows = 100_000
	const aPage = 3 * time.Millisecond // and its rest, at most: one that has begun is not broken off
	for name, test := range map[string]struct {
		options     Options
		then        func(t *testing.T, w *Writer, more func(n int))
		least, most time.Duration // of resting
	}{
		"nobody waits": {Options{SealRows: rows}, func(_ *testing.T, _ *Writer, more func(int)) { more(100) }, 20 * aPage, time.Minute},
		"flush":        {Options{SealRows: rows}, func(t *testing.T, w *Writer, _ func(int)) { ok(t, w.Flush()) }, 0, aPage},
		"abandon":      {Options{SealRows: rows}, func(t *testing.T, w *Writer, _ func(int)) { ok(t, w.Abandon()) }, 0, aPage},
		"many rows":    {Options{SealRows: rows}, func(_ *testing.T, _ *Writer, more func(int)) { more(rows / hurryAt) }, 0, aPage},
		"many bytes":   {Options{SealRows: 10 * rows, SealBytes: 3 << 20}, func(_ *testing.T, _ *Writer, more func(int)) { more(rows / hurryAt) }, 0, aPage},
		"seal and wait": {Options{SealRows: 2 * rows}, func(t *testing.T, w *Writer, _ func(int)) {
			durable := w.Seal()
			synctest.Wait()
			ok(t, durable())
		}, 0, aPage},
		"seal and wait later": {Options{SealRows: 2 * rows}, func(t *testing.T, w *Writer, _ func(int)) {
			durable := w.Seal()
			for tick := time.NewTicker(time.Millisecond); len(w.spare) == 0; {
				<-tick.C
			}
			ok(t, durable())
		}, 20 * aPage, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := test.options
				o.Dir, o.Source, o.Disk = t.TempDir(), testSource(), fast
				w := open(t, o)
				p, offset := offline.Partition{Generation: 1}, int64(0)
				ok(t, w.Begin(p, 0))
				more := func(n int) {
					var list []featurestore.Event
					for range n {
						list = append(list, event(1, 0, offset, featurestore.LogTime(featurestore.Day)))
						offset++
					}
					ok(t, appendTo(w, list...))
				}
				more(rows)
				synctest.Wait() // one that has begun rests after its first page
				begin := time.Now()
				test.then(t, w, more)
				for tick := time.NewTicker(time.Millisecond); len(w.spare) == 0; { // it seals
					<-tick.C
				}
				took := time.Since(begin)
				ok(t, w.Close())
				if took < test.least || took > test.most {
					t.Errorf("the seal has rested for %v, want %v to %v", took, test.least, test.most)
				}
			})
		})
	}
}
