package worker

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
)

// auditing makes a plant audit all the time.
func (p *plant) auditing() {
	p.configure = func(c *Config) { c.Audit.Every = 20 * time.Millisecond }
}

// keys are the entities of a view, ascending.
func (p *plant) keys(view *definition.StreamView) (keys []string) {
	p.t.Helper()
	for key := range expect(p.t, view, p.parts(view)...).rows {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func entityOf(key string) online.EntityID {
	return online.EntityID{LaneID: online.LaneID{Generation: generation, Lane: codec.Lane([]byte(key), lanesOfTests)}, Key: []byte(key), Split: true}
}

func (p *plant) stored(key string) online.Parts {
	p.t.Helper()
	parts, err := p.store.Get(p.t.Context(), []online.EntityID{entityOf(key)})
	ok(p.t, err)
	return parts[0]
}

// put writes an entity behind the worker's back.
func (p *plant) put(view *definition.StreamView, w online.Write) {
	p.t.Helper()
	id := entityOf(string(w.Key))
	p.eventually("the write came between two of the worker's", func() bool {
		w.Expect = p.stored(string(w.Key)).Open
		lanes, err := p.store.Lanes(p.t.Context(), generation, lanesOfTests)
		ok(p.t, err)
		for q, mark := range lanes[id.Lane].Watermarks {
			b := online.Batch{Lane: id.LaneID, Definition: view.Hash, Partition: q, From: mark.Offset, To: mark, Writes: []online.Write{w}}
			return p.store.Apply(p.t.Context(), []online.Batch{b})[0].Outcome == online.OutcomeOK
		}
		return false
	})
}

// audited waits for an audit that began after now.
func (p *plant) audited() AuditStatus {
	p.t.Helper()
	before := p.worker.AuditStatus().Runs
	p.eventually("two audits have ended", func() bool { return p.worker.AuditStatus().Runs >= before+2 })
	return p.worker.AuditStatus()
}

// wantNoFindings wants that audits were made, and found nothing: what a store
// loses and the stream mends is no finding.
func (p *plant) wantNoFindings(workers ...*Worker) {
	p.t.Helper()
	p.eventually("something was audited", func() bool {
		return slices.ContainsFunc(workers, func(w *Worker) bool { return w.AuditStatus().Compared > 0 })
	})
	for _, w := range workers {
		if s := w.AuditStatus(); s.Findings > 0 {
			p.t.Errorf("the audit has findings: %+v", s)
		}
	}
}

// While events come in, two topics and ties and late events included, an audit
// finds nothing: what it compares is what it read, however busy the lanes are.
func TestAuditOfABusyViewFindsNothing(t *testing.T) {
	p, view := newActivity(t)
	p.auditing()
	p.start()
	for seed := range uint64(20) {
		p.some(70+seed, 40)
	}
	p.audited()
	p.right(view, 1)
	if s := p.audited(); s.Findings != 0 || s.Trouble != "" || s.Compared == 0 {
		t.Errorf("%+v", s)
	}
}

// What somebody has changed behind the ingester's back is found where no record
// comes, said, and mended: an entity that was set back, one with other values, one
// that does not decode.
func TestAuditMendsWhatWasChanged(t *testing.T) {
	p, view := newActivity(t)
	p.some(90, 40)
	p.start()
	p.right(view, 1)
	old := map[string]online.Parts{}
	for _, key := range p.keys(view) {
		old[key] = p.stored(key)
	}
	p.some(91, 40)
	p.right(view, 1)
	p.stop()
	p.auditing()
	keys := p.keys(view)
	p.start()
	p.audited()
	want := map[string]online.Parts{}
	for i, key := range keys {
		now := p.stored(key)
		want[key] = now
		w := online.Write{Key: []byte(key), Blob: bytes.Clone(now.Open), Closed: now.Closed}
		switch i % 3 {
		case 0:
			w.Blob, w.Closed = old[key].Open, orEmpty(old[key].Closed)
		case 1:
			otherValues(view, &w)
		case 2:
			w.Blob[len(w.Blob)-1] ^= 1
		}
		if now.Open != nil && !bytes.Equal(w.Blob, now.Open) {
			p.put(view, w)
		} else {
			delete(want, key)
		}
	}
	if len(want) < 3 {
		t.Fatalf("only %d entities were changed", len(want))
	}
	p.eventually("all are mended", func() bool { return p.worker.AuditStatus().Repaired == int64(len(want)) })
	for key, parts := range want {
		if got := p.stored(key); !bytes.Equal(got.Open, parts.Open) || !bytes.Equal(got.Closed, parts.Closed) {
			t.Errorf("%q has other bytes than before", key)
		}
	}
	if s := p.audited(); s.Findings != int64(len(want)) || s.Trouble != "" {
		t.Errorf("%+v", s)
	}
	p.some(92, 40)
	p.right(view, 1)
}

// Deleted entities are noticed, because the audit takes its sample from history:
// on a real redis-server, while events come in.
func TestAuditFindsDeletedEntities(t *testing.T) {
	p, server := newRedisPlant(t)
	p.auditing()
	view := p.apply(definitions).StreamView("activity")
	p.some(93, 60)
	p.start()
	p.right(view, 1)
	r := rand.New(rand.NewPCG(94, 1))
	keys := p.keys(view)
	for round := range 3 {
		before := p.worker.AuditStatus().Repaired
		id := entityOf(keys[r.IntN(len(keys))])
		for p.stored(string(id.Key)).Open == nil {
			id = entityOf(keys[r.IntN(len(keys))])
		}
		ok(t, server.Do(t.Context(), "DEL", string(id.AppendEntityKey(nil, id.Key))))
		p.eventually("it is mended", func() bool { return p.worker.AuditStatus().Repaired > before })
		if p.stored(string(id.Key)).Open == nil {
			t.Error("it is still not there")
		}
		p.some(95+uint64(round), 20)
		p.right(view, 1)
	}
}

// An entity whose time to live has passed is no finding.
func TestAuditLeavesExpiredEntities(t *testing.T) {
	p, server := newRedisPlant(t)
	p.auditing()
	p.physicalTTL = true // the events are years old: their features are empty by now
	view := p.apply(definitions).StreamView("activity")
	p.some(98, 60)
	p.start()
	p.right(view, 1)
	for _, key := range p.keys(view) {
		id := entityOf(key)
		ok(t, server.Do(t.Context(), "DEL", string(id.AppendEntityKey(nil, id.Key))))
	}
	if s := p.audited(); s.Findings != 0 || s.Entities == 0 {
		t.Errorf("%+v", s)
	}
}

// What came from a log that is gone, and was never at rest, is nowhere any more:
// an entity that still holds it is left alone, and counted; the others are compared.
func TestAuditLeavesWhatIsNowhere(t *testing.T) {
	p, view := newActivity(t)
	p.openArchive = func(s *definition.StreamSource) (Archive, error) {
		a, err := p.realArchive(s)
		if s.Name == "clicks" {
			a = unsealed{a}
		}
		return a, err
	}
	p.random("clicks", 0, 110, 30)
	p.produce("orders", 0, recordsOf(user("x", 1, 0), user("y", 2, 1))...) // users without a click
	p.auditing()
	p.start()
	p.right(view, 1)
	p.again("clicks", 1)
	p.random("clicks", 0, 111, 20)
	if gap := p.gap("activity", "clicks"); gap.Source != "clicks" {
		t.Errorf("%+v", gap)
	}
	p.accept("clicks")
	p.eventually("it is live again", func() bool { return p.state("activity", 1) == online.StateLive })
	p.right(view, 1)
	s := p.audited()
	if s.Findings != 0 || s.Repaired != 0 || s.Trouble != "" || s.Skipped == 0 || s.Entities < 2 {
		t.Errorf("%+v", s)
	}
	p.right(view, 1)
}
