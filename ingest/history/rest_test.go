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
	const rows = 20_000
	for name, test := range map[string]struct {
		then func(t *testing.T, w *Writer, more func(n int))
		most time.Duration // of resting
	}{
		"nobody waits": {func(_ *testing.T, _ *Writer, more func(int)) { more(100) }, time.Minute},
		"flush": {func(t *testing.T, w *Writer, more func(int)) {
			more(rows/hurryAt - 1)
			ok(t, w.Flush())
		}, mostRest},
		"abandon":        {func(t *testing.T, w *Writer, _ func(int)) { ok(t, w.Abandon()) }, mostRest},
		"some are there": {func(_ *testing.T, _ *Writer, more func(int)) { more(rows / hurryAt) }, mostRest},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := open(t, Options{Dir: t.TempDir(), Source: testSource(), Disk: fast, SealRows: rows})
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
				synctest.Wait() // it rests after its first page
				begin := time.Now()
				test.then(t, w, more)
				for tick := time.NewTicker(time.Millisecond); len(w.spare) == 0; { // it seals
					<-tick.C
				}
				took := time.Since(begin)
				ok(t, w.Close())
				switch {
				case took > test.most:
					t.Errorf("the seal has rested for %v", took)
				case name == "nobody waits" && took < 10*leastRest:
					t.Errorf("the seal has rested for %v only", took)
				}
			})
		})
	}
}
