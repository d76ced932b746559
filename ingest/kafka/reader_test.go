package kafka

import (
	"testing"
	"time"

	"github.com/freshet/freshet/ingest/logrecord"
)

// Who is behind reads on at once; who is at the end rests, the longer the more came.
func TestRestAfter(t *testing.T) {
	for _, c := range []struct {
		records int
		next    int64
		want    time.Duration
	}{{1, 10, 20 * time.Microsecond}, {100, 10, 2 * time.Millisecond}, {10_000, 10, mostRest}, {10_000, 9, 0}} {
		b := &logrecord.Batch{Records: make([]logrecord.Record, c.records), Next: c.next, LastStable: 10}
		if got := restAfter(b); got != c.want {
			t.Errorf("%d records up to %d of 10: %v, want %v", c.records, c.next, got, c.want)
		}
	}
}
