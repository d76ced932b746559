package worker

import (
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/embedded"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/kafka/kafkatest"
	"github.com/freshet/freshet/ingest/logrecord"
)

// again deletes a topic and makes it anew. What was sent to it stays sent; what
// is produced from here on is of its next log.
func (p *plant) again(topic string, partitions int) {
	p.t.Helper()
	addr := p.brokers
	if addr == "" {
		addr = p.broker.Addr()
	}
	ok(p.t, kafkatest.DeleteTopic(p.t.Context(), addr, topic))
	p.eventually("the topic can be made anew", func() bool {
		_, err := p.log.Partitions(p.t.Context(), topic)
		return err != nil
	})
	p.topic(topic, partitions)
	if p.logs == nil {
		p.logs = map[string]uint32{}
	}
	p.logs[topic] = max(p.logs[topic], registry.FirstLog) + 1
}

// gap waits for a view to be in a GAP, and for the reason.
func (p *plant) gap(view, source string) *GapError {
	p.t.Helper()
	var gap *GapError
	p.eventually("a GAP of "+source, func() bool {
		for id, err := range p.worker.Progress().Halted() {
			if id.Source == source && errors.As(err, &gap) {
				return p.state(view, 1) == online.StateGap
			}
		}
		return false
	})
	return gap
}

func (p *plant) wantNoneHalted() {
	p.t.Helper()
	if halted := p.worker.Progress().Halted(); len(halted) > 0 {
		p.t.Errorf("still halted: %v", halted)
	}
}

func (p *plant) accept(source string) {
	p.t.Helper()
	_, err := p.registry.AcceptTopic(p.t.Context(), source, p.logs[source]-1, "a test", now())
	ok(p.t, err)
}

func (p *plant) random(topic string, number int32, seed uint64, n int) {
	p.t.Helper()
	p.produce(topic, number, recordsOf(randomEvents(rand.New(rand.NewPCG(seed, 3)), n)...)...)
}

// A topic that is deleted and made anew while the ingester runs is noticed, also
// where it is longer than before, and where the records come to a partition that
// was empty. Nothing of it is applied until a person accepts it; then the views
// go on with old and new records, each once, and answer again. A generation that
// is built later, and an entity that is rebuilt, have both too.
func TestTopicMadeAnewLive(t *testing.T) {
	for name, at := range map[string]struct {
		partition int32
		n         int
	}{"longer": {0, 120}, "shorter": {0, 7}, "elsewhere": {1, 30}} {
		t.Run(name, func(t *testing.T) {
			p, view := newActivity(t)
			p.random("clicks", 0, 30, 50) // partition 1 is empty
			p.random("orders", 0, 31, 40)
			p.start()
			p.right(view, 1)
			p.again("clicks", 2)
			p.random("clicks", at.partition, 32, at.n)
			gap := p.gap("activity", "clicks")
			if !strings.Contains(gap.Error(), "freshet accept-new-topic clicks") {
				t.Errorf("the way out is not said: %v", gap)
			}
			p.random("orders", 0, 33, 10) // the others go on
			p.accept("clicks")
			p.eventually("it is live again", func() bool { return p.state("activity", 1) == online.StateLive })
			p.random("clicks", 1, 34, 20)
			p.right(view, 1)
			p.wantNoneHalted()
			changed := p.newGeneration(view)
			p.stop()
			p.wantArchived(view)
			p.start()
			p.random("clicks", 0, 35, 20)
			p.right(changed, 2)
		})
	}
}

// newGeneration changes the view and waits until its next generation is right.
func (p *plant) newGeneration(view *definition.StreamView) *definition.StreamView {
	p.t.Helper()
	changed := p.apply(strings.Replace(definitions, "window: 10m, offset: 1m", "window: 5m", 1)).StreamView(view.Name)
	p.eventually("the changed view is live", func() bool { return p.live("activity") == 2 && p.state("activity", 2) == online.StateLive })
	p.right(changed, 2)
	return changed
}

// The same across a restart; the topic has fewer partitions then.
func TestTopicMadeAnewBetweenRuns(t *testing.T) {
	p, view := newActivity(t)
	p.random("clicks", 1, 40, 50)
	p.random("orders", 0, 41, 40)
	p.start()
	p.right(view, 1)
	p.stop()
	p.again("clicks", 1)
	p.random("clicks", 0, 42, 60)
	p.start()
	_ = p.gap("activity", "clicks")
	p.stop()
	p.start()
	_ = p.gap("activity", "clicks")
	p.accept("clicks")
	p.right(view, 1)
	p.eventually("it is live again", func() bool { return p.state("activity", 1) == online.StateLive })
	p.stop()
	p.wantArchived(view)
}

// expire deletes what a partition holds before an offset, as retention does.
func (p *plant) expire(topic string, number int32, before int64) {
	p.t.Helper()
	addr := p.brokers
	if addr == "" {
		addr = p.broker.Addr()
	}
	ok(p.t, kafkatest.DeleteRecords(p.t.Context(), addr, topic, number, before))
}

// Records that have expired before a view had them come from history where they
// are at rest: the store was put back to an older state while nobody looked.
func TestExpiredIsFilledFromHistory(t *testing.T) {
	p, view := newActivity(t)
	p.some(50, 40)
	p.start()
	p.right(view, 1)
	p.stop()
	p.copyStore("before")
	p.some(51, 40)
	p.start()
	p.right(view, 1)
	p.stop() // which seals
	p.restoreStore("before")
	p.expire("clicks", 0, 70)
	p.expire("orders", 0, 80) // all of it
	p.start()
	p.some(52, 10)
	p.right(view, 1)
	p.eventually("it is live", func() bool { return p.state("activity", 1) == online.StateLive })
	refilled := map[online.Partition]int64{}
	for _, s := range p.worker.Progress().Statuses() {
		refilled[s.Partition] = s.Refilled
	}
	if refilled[partition0("clicks", 0)] != 40 || refilled[partition0("clicks", 1)] != 0 || refilled[partition0("orders", 0)] != 40 {
		t.Errorf("from history came %v", refilled)
	}
	p.stop()
	p.wantArchived(view)
}

// A quiet topic whose records have all expired is in order. One that has lost
// records that are nowhere else is in a GAP; where a person accepts that, what
// the log still holds counts, and what was applied of it does not count twice.
func TestExpired(t *testing.T) {
	p, view := newActivity(t)
	p.some(60, 40)
	p.start()
	p.right(view, 1)
	p.stop()
	p.expire("clicks", 0, 40)
	p.expire("orders", 0, 40)
	p.start()
	p.eventually("it is live", func() bool { return p.state("activity", 1) == online.StateLive })
	p.some(61, 10)
	p.right(view, 1)
	p.stop()

	p.random("clicks", 1, 62, 30)
	p.expire("clicks", 1, 60)
	p.start()
	gap := p.gap("activity", "clicks")
	if gap.Partition != 1 || !strings.Contains(gap.Reason, "begins at 60, but 50") {
		t.Errorf("%+v", gap)
	}
	lost := partition0("clicks", 1)
	p.moveTo(lost, 50, 60)
	p.moveTo(partition0("clicks", 0), 50, 50)
	p.logs = map[string]uint32{"clicks": 2}
	p.accept("clicks")
	p.random("clicks", 0, 63, 10)
	p.right(view, 1)
	p.eventually("it is live again", func() bool { return p.state("activity", 1) == online.StateLive })
	p.stop()
	p.wantArchived(view)
}

// moveTo says that what was sent to a partition from an offset on counts under
// the next generation of its log; what lies before that is lost to it.
func (p *plant) moveTo(id online.Partition, from, to int64) {
	next := id
	next.Generation++
	p.sent[next] = make([]logrecord.Record, len(p.sent[id]))
	copy(p.sent[next][to:], p.sent[id][to:])
	p.sent[id] = p.sent[id][:from]
}

func (p *plant) copyStore(name string) {
	p.t.Helper()
	ok(p.t, p.store.Close())
	ok(p.t, os.CopyFS(p.path(name), os.DirFS(p.path("online"))))
	p.openStore()
}

func (p *plant) restoreStore(name string) {
	p.t.Helper()
	ok(p.t, p.store.Close())
	p.wipe("online")
	ok(p.t, os.Rename(p.path(name), p.path("online")))
	p.openStore()
}

func (p *plant) openStore() {
	p.t.Helper()
	var err error
	p.store, err = embedded.Open(embedded.Config{Dir: p.path("online"), Now: now})
	ok(p.t, err)
}
