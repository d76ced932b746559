package worker

import (
	"context"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
	"github.com/freshet/freshet/featurestore/online/embedded"
	archive "github.com/freshet/freshet/ingest/history"
)

// keeper keeps the archives of a plant in order all the time, and leaves nothing
// for those who read.
type keeper struct {
	p *plant

	mu       sync.Mutex
	keepFrom featurestore.Instant
	done     archive.Compacted
}

// keeping makes a plant seal small files, and merge and audit all the time.
func (p *plant) keeping() *keeper {
	k := &keeper{p: p}
	p.openArchive = func(s *definition.StreamSource) (Archive, error) {
		return archive.Open(archive.Options{Dir: p.dir, Source: s, SealRows: 5, Disk: atomicfile.Disk{Durability: atomicfile.Crash}})
	}
	p.configure = func(c *Config) {
		c.Audit.Every = 50 * time.Millisecond
		c.Upkeep = Upkeep{Every: 10 * time.Millisecond, Do: k.do}
	}
	return k
}

func (k *keeper) do(ctx context.Context) (more bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, source := range []string{"clicks", "orders"} {
		c := archive.Compaction{Dir: k.p.dir, Source: source, Disk: atomicfile.Disk{Durability: atomicfile.Crash}, Now: 1, KeepFrom: k.keepFrom}
		done, err := c.Run(ctx)
		k.done.Add(&done)
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

func (k *keeper) so() archive.Compacted {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.done
}

func (k *keeper) keep(from featurestore.Instant) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keepFrom = from
}

// later sends random events that come some time after those of other calls.
func (p *plant) later(seed uint64, n int, by time.Duration) {
	p.t.Helper()
	for i, topic := range []string{"clicks", "orders"} {
		events := randomEvents(rand.New(rand.NewPCG(seed, uint64(i))), n)
		for k := range events {
			events[k].a += by.Microseconds()
			events[k].at += by.Microseconds()
		}
		p.produce(topic, 0, recordsOf(events...)...)
	}
}

// Small files are merged beside the stream, audits and a rebuild: all read every
// event once, and every event stays at rest in its place.
func TestUpkeepBesideTheStream(t *testing.T) {
	p, view := newActivity(t)
	k := p.keeping()
	p.start()
	for i := range 6 {
		p.later(uint64(i), 60, time.Duration(i)*time.Hour)
		p.right(view, 1)
	}
	p.eventually("files are merged", func() bool { return k.so().Made > 0 })
	p.order(definitions)
	p.later(7, 60, 7*time.Hour)
	p.eventually("the second is live", func() bool { return p.live("activity") == 2 })
	p.right(view, 2)
	p.audited()
	p.wantNoFindings(p.worker)
	p.stop()
	p.wantArchived(view)
	t.Logf("%+v", k.so())
}

// What retention has dropped hinders nobody: audits leave alone what they can no
// longer judge, a generation is built from the rest, and a view that stands where
// history was dropped, and the log has expired, goes on behind it.
func TestRetentionBesideTheStream(t *testing.T) {
	p := newPlant(t)
	p.topic("clicks", 1)
	p.topic("orders", 1)
	view := p.apply(definitions).StreamView("activity")
	k := p.keeping()
	p.later(1, 60, 0)
	p.start()
	p.right(view, 1)
	p.stop()
	ok(t, p.store.Close())
	ok(t, os.CopyFS(p.path("before"), os.DirFS(p.path("online"))))
	reopen := func() {
		var err error
		p.store, err = embedded.Open(embedded.Config{Dir: p.path("online"), Now: now})
		ok(t, err)
	}
	reopen()
	p.start()
	p.later(2, 60, 30*time.Minute)
	december := featurestore.InstantOf(time.Date(2023, time.December, 1, 0, 0, 0, 0, time.UTC))
	for _, at := range []int64{int64(december) - 600*micros, int64(december) + 300*micros} { // half of it will be dropped
		p.produce("clicks", 0, recordsOf(event{user: "z", v: 1, a: at, at: at})...)
	}
	p.later(3, 60, 20*24*time.Hour)
	p.later(4, 60, 20*24*time.Hour+4*time.Hour)
	p.right(view, 1)
	k.keep(december)
	p.eventually("November is dropped", func() bool { return k.so().DroppedRows > 200 })
	p.audited()
	p.wantNoFindings(p.worker)
	p.order(definitions)
	p.eventually("the second is live", func() bool { return p.live("activity") == 2 })
	p.right(view, 2)
	p.audited()
	p.wantNoFindings(p.worker)
	p.stop()

	ok(t, p.store.Close())
	p.wipe("online")
	ok(t, os.Rename(p.path("before"), p.path("online")))
	reopen()
	p.log.expired.Store(100) // of 240 of each
	p.start()
	p.right(view, 1)
	p.later(5, 60, 20*24*time.Hour+5*time.Hour)
	p.right(view, 1)
	if halted := p.worker.Progress().Halted(); len(halted) > 0 {
		t.Errorf("halted: %v", halted)
	}
}
