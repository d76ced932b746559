package worker

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
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

// What is said of the partitions of a source ends where no view reads it any more, and
// that its reading was ended is no trouble.
func TestAPartitionThatNobodyReads(t *testing.T) {
	p := newPlant(t)
	p.topic("clicks", 2)
	p.topic("orders", 1)
	view := p.apply(definitions).StreamView("activity")
	p.some(1, 40)
	p.start()
	p.right(view, 1)
	if len(p.worker.Progress().Statuses()) == 0 {
		t.Fatal("nothing is said of what is read")
	}
	entity, _, _ := strings.Cut(definitions, "\n---\n")
	p.apply(entity)
	p.eventually("nothing is said any more", func() bool { return len(p.worker.Progress().Statuses()) == 0 })
}

// Whoever is told to end has no trouble, though what it waited for was not answered.
func TestTheEndIsNoTrouble(t *testing.T) {
	p := &partition{source: &definition.StreamSource{}, progress: newProgress()}
	ended, end := context.WithCancel(t.Context())
	cut := featurestore.Unavailablef("redis: reading lanes: %w", context.Canceled)
	said := func() string {
		s, _ := p.progress.status(p.id())
		return s.Trouble
	}
	pause := func(ctx context.Context) error { return context.Canceled }
	if err := p.resume(ended, cut, pause); !errors.Is(err, context.Canceled) || said() == "" {
		t.Errorf("while it goes on: %v, %q", err, said())
	}
	p.progress = newProgress()
	end()
	if err := p.resume(ended, cut, pause); !errors.Is(err, context.Canceled) || said() != "" {
		t.Errorf("at its end: %v, %q", err, said())
	}
}
