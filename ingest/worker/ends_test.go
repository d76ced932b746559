package worker

import (
	"testing"

	"github.com/freshet/freshet/featurestore"
)

func TestEnds(t *testing.T) {
	var e ends
	want := func(next int64, at featurestore.Instant) {
		t.Helper()
		if got := e.through(next); got != at {
			t.Errorf("through %d: %d, not %d", next, got, at)
		}
	}
	want(5, 0)
	e.saw(100, 10) // a transaction is open from 7 on
	want(7, 0)
	e.saw(110, 12)
	e.saw(120, 15)
	want(12, 110) // it has ended there, another is open
	want(12, 110)
	e.saw(130, 15) // nothing new has come
	want(14, 110)
	want(15, 130)
	e.saw(140, 15)
	want(15, 140)
	e.saw(150, 9) // the log was cut off
	want(9, 150)
	for i := range featurestore.Instant(10 * mostEnds) {
		e.saw(200+i, 20+int64(i))
	}
	if len(e.seen) > mostEnds {
		t.Errorf("%d are kept", len(e.seen))
	}
	want(20+10*mostEnds-1, 200+10*mostEnds-1)
}
