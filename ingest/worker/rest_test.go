package worker

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
)

// What is applied comes to rest in its time, also of a source that never pauses, and
// beside one that does: the first of a partition at once, the rest within a while.
func TestEventsComeToRestWhileTheyFlow(t *testing.T) {
	p, view := newActivity(t)
	within := time.Second
	p.configure = func(c *Config) { c.RestWithin = within }
	p.start()
	p.produce("orders", 0, recordsOf(randomEvents(rand.New(rand.NewPCG(3, 4)), 5)...)...) // once
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	sent := 0
	go func() {
		defer close(done)
		r := rand.New(rand.NewPCG(1, 2))
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			p.produce("clicks", 0, recordsOf(randomEvents(r, 3)...)...)
			sent += 3
			<-tick.C
		}
	}()
	atRest := func(name string) int {
		for _, b := range view.Bindings {
			if b.Source.Name == name {
				return len(p.archived(b.Source)[offline.Partition{Generation: 1}])
			}
		}
		t.Fatalf("no source %q", name)
		return 0
	}
	p.eventually("the quiet source is at rest", func() bool { return atRest("orders") == 5 })
	p.eventually("the first events of the busy one are", func() bool { return atRest("clicks") > 0 })
	first := atRest("clicks")
	p.eventually("more of them are, while they flow", func() bool { return atRest("clicks") > first })
	stop()
	<-done
	p.eventually("all of them are, once none comes", func() bool { return atRest("clicks") == sent })
	p.right(view, 1)
}

// slowDisk is an archive that takes what it is given, and waits for its disk.
type slowDisk struct {
	nothingKept
	waited  chan struct{} // for it
	durable chan error
}

func (s slowDisk) Seal() (durable func() error) {
	return func() error {
		close(s.waited)
		return <-s.durable
	}
}

// nothingKept is an archive of nothing.
type nothingKept struct{ Archive }

func (nothingKept) Next(offline.Partition) (int64, bool)    { return 0, true }
func (nothingKept) Append(*columnar.Events) error           { return nil }
func (nothingKept) Consumed(offline.Partition, int64) error { return nil }

// The stream does not wait while what was applied comes to rest: a minute of events
// takes a slow disk for long.
func TestStreamGoesOnWhileEventsComeToRest(t *testing.T) {
	disk := slowDisk{waited: make(chan struct{}), durable: make(chan error)}
	a := &openArchive{Archive: disk, source: new(definition.StreamSource), fed: map[offline.Partition]int64{}}
	p, chunk := offline.Partition{Generation: 1}, &decodedPart{}
	ok(t, a.take(p, chunk))
	ok(t, a.tend(0, time.Minute))
	tended := make(chan error)
	go func() { tended <- a.tend(featurestore.Instant(time.Minute.Microseconds()), time.Minute) }()
	<-disk.waited
	ok(t, a.take(p, chunk))
	failed := featurestore.Unavailablef("the disk is full")
	disk.durable <- failed
	if err := <-tended; !errors.Is(err, failed) {
		t.Errorf("got %v, not the disk's error", err)
	}
	if !a.broken.Load() {
		t.Error("the archive goes on though what it was given is not at rest")
	}
}
