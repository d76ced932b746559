package worker

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/embedded"
	"github.com/freshet/freshet/ingest/kafka/kafkatest"
	"github.com/freshet/freshet/ingest/logrecord"
)

// keyed sends events to orders whose record key is a prefix and their user.
func (p *plant) keyed(prefix string, seed uint64, n int) {
	p.t.Helper()
	events := randomEvents(rand.New(rand.NewPCG(seed, 3)), n)
	records := recordsOf(events...)
	for i := range records {
		records[i].Key = []byte(prefix + events[i].user)
		records[i].LogTime = base + featurestore.LogTime(len(p.sent[partition0("orders", 0)])+i)*micros // segments are closed by it
	}
	p.produce("orders", 0, records...)
}

// removedBetween are how many offsets a broker's cleaner has removed of a range of orders.
func (p *plant) removedBetween(from, to int64) (n int64) {
	p.t.Helper()
	r, err := p.log.Open(p.t.Context(), "orders", 0, from)
	ok(p.t, err)
	defer func() { ok(p.t, r.Close()) }()
	for at := from; at < to; {
		b, err := r.Next(p.t.Context())
		ok(p.t, err)
		for _, gone := range b.Removed {
			n += max(0, min(gone.To, to)-max(gone.From, from))
		}
		at = b.Next
		b.Release()
	}
	return n
}

// TestCompactionOnRealParts lets the cleaner of Apache Kafka remove records that are at
// rest: a store that goes back to an older copy gets them from there.
func TestCompactionOnRealParts(t *testing.T) {
	broker := kafkatest.StartForTest(t)
	p := &plant{t: t, dir: t.TempDir(), brokers: broker.Addr(), sent: map[online.Partition][]logrecord.Record{}}
	var err error
	p.store, err = embedded.Open(embedded.Config{Dir: p.path("online"), Now: now})
	ok(t, err)
	p.open()
	p.topic("clicks", 2)
	ok(t, kafkatest.CreateCompacted(t.Context(), broker.Addr(), "orders"))
	view := p.apply(definitions).StreamView("activity")

	const before, after = 20, 60
	p.keyed("user ", 211, before)
	p.random("clicks", 0, 212, 20)
	p.start()
	p.right(view, 1)
	p.stop()
	p.copyStore("before")
	p.start()
	p.keyed("user ", 213, after-before)
	p.right(view, 1)
	p.stop()
	p.restoreStore("before")
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	p.eventually("the cleaner has removed most", func() bool {
		<-ticker.C
		p.keyed(fmt.Sprint("filler ", len(p.sent[partition0("orders", 0)])), 214, 1) // a segment is closed by its next record; none of these is removed
		return p.removedBetween(before, after) > (after-before)/2
	})
	t.Logf("%d of %d records were removed", p.removedBetween(before, after), after-before)
	p.auditing()
	p.start()
	p.right(view, 1)
	if s := p.audited(); s.Findings != 0 || s.Trouble != "" || s.Compared == 0 {
		t.Errorf("the audit has found %+v", s)
	}
	refilled := int64(0)
	for _, s := range p.worker.Progress().Statuses() {
		refilled += s.Refilled
	}
	if refilled != after-before {
		t.Errorf("%d offsets came from history, not %d", refilled, after-before)
	}
	p.wantNoneHalted()
	p.stop()
	p.wantArchived(view)
}
