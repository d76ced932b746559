package worker

import (
	"testing"
	"time"
)

// However long the store was away, whoever waits for it looks again soon enough
// to notice within 2 s what it has lost.
func TestBackoffIsShort(t *testing.T) {
	b := backoff{}
	if first := b.next(); first > 50*time.Millisecond {
		t.Errorf("the first wait is %s", first)
	}
	for range 1000 {
		if d := b.next(); d < 25*time.Millisecond || d > 500*time.Millisecond {
			t.Fatalf("it waits %s", d)
		}
	}
}
