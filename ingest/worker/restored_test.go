package worker

import (
	"context"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/logrecord"
)

// looked looks at a log as the worker does, and says whether it is there again.
func (p *plant) looked(source string) bool {
	p.worker.mu.Lock()
	parts := p.worker.parts
	p.worker.mu.Unlock()
	for _, part := range parts {
		if part.source.Name != source {
			continue
		}
		again, err := part.shared.look(p.t.Context(), nil)
		ok(p.t, err)
		return again
	}
	p.t.Fatalf("nobody reads %s", source)
	return false
}

// A topic that was made anew, or is shorter, and is restored while the ingester runs
// leaves its GAP by itself, once it is as long again and its records are the same.
func TestRestoredTopicGoesOn(t *testing.T) {
	others := recordsOf(event{user: "eve", v: 1, at: int64(base), a: int64(base)})
	for name, meanwhile := range map[string][]logrecord.Record{"shorter": nil, "others": others} {
		t.Run(name, func(t *testing.T) {
			p, view := newActivity(t)
			p.random("orders", 0, 122, 25)
			p.random("clicks", 0, 124, 10)
			p.start()
			p.right(view, 1)
			old := p.sent[partition0("orders", 0)]
			p.again("orders", 1)
			if len(meanwhile) > 0 {
				_, err := p.log.Produce(t.Context(), "orders", 0, meanwhile)
				ok(t, err)
			}
			gap := p.gap("activity", "orders")
			if !strings.Contains(gap.Error(), "restore the topic, and it goes on by itself") {
				t.Errorf("it says %v", gap)
			}
			if len(meanwhile) > 0 {
				p.again("orders", 1)
			}
			p.logs = nil // it becomes the same log again
			_, err := p.log.Produce(t.Context(), "orders", 0, old[:20])
			ok(t, err)
			if p.looked("orders") {
				t.Error("it is taken for whole, and 5 records are missing")
			}
			_, err = p.log.Produce(t.Context(), "orders", 0, old[20:])
			ok(t, err)
			p.eventually("it is live again", func() bool { return p.state("activity", 1) == online.StateLive })
			p.random("orders", 0, 123, 10)
			p.right(view, 1)
			p.wantNoneHalted()
			p.stop()
			p.wantArchived(view)
		})
	}
}

// What the lanes say later is no evidence: a store that has failed over to an older
// state agrees with the log as far as it was cut off.
func TestRestoredByWhatWasKnownThen(t *testing.T) {
	p, view := newActivity(t)
	p.random("orders", 0, 125, 25)
	p.start()
	p.right(view, 1)
	old := p.sent[partition0("orders", 0)]
	p.again("orders", 1)
	_ = p.gap("activity", "orders")
	p.logs = nil
	_, err := p.log.Produce(t.Context(), "orders", 0, old[:20])
	ok(t, err)
	gap := p.worker.parts[len(p.worker.parts)-1].shared.gone.Load()
	if gap == nil || gap.had.high != 24 || len(gap.had.prints) == 0 {
		t.Fatalf("what was known is %+v", gap)
	}
	for _, kept := range [][]online.Fingerprint{nil, gap.had.prints} {
		s := &sourceLog{source: "orders", topic: "orders", partitions: 1, log: p.log}
		s.gone.Store(&GapError{Source: "orders", had: applied{high: 19, prints: kept}})
		if again, err := s.look(context.Background(), nil); again || err != nil {
			t.Errorf("with %v it is there again: %t, %v", kept, again, err)
		}
	}
	_, err = p.log.Produce(t.Context(), "orders", 0, old[20:])
	ok(t, err)
	p.eventually("it is live again", func() bool { return p.state("activity", 1) == online.StateLive })
	p.right(view, 1)
}

// Records that have expired before they were applied do not come back by themselves.
func TestExpiredIsNotRestored(t *testing.T) {
	p, view := newActivity(t)
	p.random("orders", 0, 126, 25)
	p.start()
	p.right(view, 1)
	p.stop()
	p.random("orders", 0, 127, 10)
	p.expire("orders", 0, 30)
	p.start()
	if gap := p.gap("activity", "orders"); !strings.Contains(gap.Error(), "restore the topic and start the ingester again") {
		t.Errorf("it says %v", gap)
	}
	if p.looked("orders") {
		t.Error("it is taken for restored")
	}
}
