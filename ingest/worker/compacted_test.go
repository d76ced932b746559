package worker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/ingest/logrecord"
)

// compact removes records of a partition, as a broker's cleaner does.
func (p *plant) compact(topic string, number int32, offsets ...int64) {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	if p.log.removed == nil {
		p.log.removed = map[topicPartition][]int64{}
	}
	id := topicPartition{topic, number}
	p.log.removed[id] = append(p.log.removed[id], offsets...)
}

// without takes what was removed out of a batch of a partition.
func (l *spyLog) without(id topicPartition, from int64, b *logrecord.Batch) *logrecord.Batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, at := range l.removed[id] {
		if at >= from && at < b.Next {
			b.Removed = append(b.Removed, logrecord.Offsets{From: at, To: at + 1})
		}
	}
	b.Records = slices.DeleteFunc(b.Records, func(r logrecord.Record) bool { return slices.Contains(l.removed[id], r.Offset) })
	return b
}

func (l *spyLog) Peek(ctx context.Context, topic string, number int32, offset int64) (*logrecord.Batch, error) {
	b, err := l.Log.Peek(ctx, topic, number, offset)
	if err != nil {
		return nil, err
	}
	return l.without(topicPartition{topic, number}, offset, b), nil
}

// compactedReader reads what is left of a partition.
type compactedReader struct {
	logrecord.Reader
	log  *spyLog
	id   topicPartition
	from int64
}

func (r *compactedReader) Next(ctx context.Context) (*logrecord.Batch, error) {
	b, err := r.Reader.Next(ctx)
	if err != nil {
		return nil, err
	}
	b = r.log.without(r.id, r.from, b)
	r.from = b.Next
	return b, nil
}

// goBack stops an ingester, lets it come back and apply fifteen records of orders, which are
// at rest then, and lets the store go back to before.
func (p *plant) goBack(view *definition.StreamView, seed uint64) {
	p.t.Helper()
	p.stop()
	p.copyStore("before")
	p.start()
	p.random("orders", 0, seed, 15)
	p.right(view, 1)
	p.stop()
	p.restoreStore("before")
}

// A store that goes back to an older copy gets from history what compaction has removed of
// the log since, however far it has gone back, and what is not at rest from the log.
func TestStoreGoesBackOverACompactedLog(t *testing.T) {
	for name, removed := range map[string][]int64{
		"one":       {17},
		"the first": {copied},
		"all":       {10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23},
		"before":    {2, 3, 12},
	} {
		t.Run(name, func(t *testing.T) {
			p, view := newActivity(t)
			p.random("orders", 0, 201, copied)
			p.random("clicks", 0, 202, 30)
			p.start()
			p.right(view, 1)
			p.goBack(view, 203)
			p.compact("orders", 0, removed...)
			p.random("orders", 0, 204, 6)
			p.auditing()
			p.start()
			p.random("orders", 0, 205, 5)
			p.right(view, 1)
			p.wantNoneHalted()
			if s := p.audited(); s.Findings != 0 || s.Trouble != "" || s.Compared == 0 {
				t.Errorf("the audit has found %+v", s)
			}
			changed := p.newGeneration(view)
			p.stop()
			p.wantArchived(view)
			p.start()
			p.right(changed, 2)
		})
	}
}

// A compacted log is read as it is where nobody has applied, and nothing keeps at rest,
// what was removed.
func TestCompactedLogIsRead(t *testing.T) {
	p, view := newActivity(t)
	p.random("orders", 0, 206, 30)
	p.compact("orders", 0, 3, 4, 20)
	id := partition0("orders", 0)
	for _, at := range []int{3, 4, 20} {
		p.sent[id][at].Value = []byte("{") // it counts as none
	}
	p.auditing()
	p.start()
	p.right(view, 1)
	if s := p.audited(); s.Findings != 0 || s.Trouble != "" || s.Compared == 0 || s.Skipped > 0 {
		t.Errorf("the audit has found %+v", s)
	}
	notes, err := p.inspector().notes(t.Context(), removedNotes, "orders")
	if ok(t, err); len(notes) > 0 {
		t.Errorf("nobody had them, and it is noted %v", notes)
	}
}

// Records that were applied, were not at rest at a crash, and were removed before the
// ingester was back stay in the values that answer: the audit leaves alone what may hold
// them, and takes nothing out.
func TestAppliedAndRemovedBeforeItWasAtRest(t *testing.T) {
	p, view := newActivity(t)
	p.random("orders", 0, 207, 30)
	p.start()
	p.right(view, 1)
	p.stop() // at rest
	p.crashAfter(view, 208, 25)
	removed := []int64{31, 33, 34, 35, 36, 40, 50}
	p.compact("orders", 0, removed...)
	p.auditing()
	p.start()
	p.right(view, 1)
	if s := p.audited(); s.Findings != 0 || s.Trouble != "" || s.Skipped == 0 {
		t.Errorf("the audit has found %+v", s)
	}
	p.random("orders", 0, 209, 10)
	p.right(view, 1)
	if s := p.audited(); s.Findings != 0 || s.Trouble != "" || s.Skipped == 0 {
		t.Errorf("later, the audit has found %+v", s)
	}
	p.right(view, 1)
	p.eventually("it is said", func() bool { return len(p.worker.Removed()) > 0 })
	var said []int64
	for _, m := range p.worker.Removed() {
		for _, r := range m.Ranges {
			for at := r.From; at < r.To; at++ {
				said = append(said, at)
			}
		}
	}
	if !slices.Equal(said, removed) {
		t.Errorf("removed were %v, and it says %v", removed, said)
	}

	// A check before a generation answers leaves them alone, too: it may have had them. One
	// that is built now has not, and is compared whole.
	all := sampling{rank: func(h uint64) uint64 { return h }, whole: ^uint64(0), most: 1000, least: 1000, rowLimit: 100_000}
	got, err := p.worker.examine(t.Context(), p.view(generation), all)
	if ok(t, err); len(got.Findings) > 0 || got.Skipped == 0 {
		t.Errorf("a check finds %v, and skips %d", got.Findings, got.Skipped)
	}
	p.order(definitions)
	p.eventually("the next generation is live", func() bool { return p.live("activity") == 2 })
	all.before = true
	next := generation
	next.Number = 2
	got, err = p.worker.examine(t.Context(), p.view(next), all)
	if ok(t, err); len(got.Findings) > 0 || got.Skipped > 0 || got.Entities == 0 {
		t.Errorf("of what was built since, the audit finds %v, and skips %d of %d", got.Findings, got.Skipped, got.Entities)
	}
}

// An entity is not folded anew from a log that lacks what compaction has removed, while it is
// not at rest.
func TestCompactedLogIsNotReplayed(t *testing.T) {
	p, view := newActivity(t)
	p.random("orders", 0, 215, 30)
	p.compact("orders", 0, 12, 20)
	s := view.Bindings[bindingOf(view, "orders")].Source
	w := New(p.config())
	replay := func(from, to int64) (events int, err error) {
		err = w.replayLog(t.Context(), s, partition0("orders", 0), offline.Range{From: from, To: to}, func(c *Chunk) { events += c.events() })
		return events, err
	}
	for _, whole := range [][2]int64{{0, 12}, {13, 20}, {21, 30}} {
		if n, err := replay(whole[0], whole[1]); err != nil || n == 0 {
			t.Errorf("%v: %d events, %v", whole, n, err)
		}
	}
	for _, lacks := range [][2]int64{{0, 13}, {12, 14}, {13, 30}} {
		if n, err := replay(lacks[0], lacks[1]); !errors.Is(err, featurestore.ErrUnavailable) || n > 0 {
			t.Errorf("%v: %d events, %v", lacks, n, err)
		}
	}
}

// So does a generation of an older definition of the source that goes on, where what it
// needs comes to rest by the newest one, too.
func TestOlderDefinitionGoesBackOverACompactedLog(t *testing.T) {
	const orders = "fields: {user: string, v: int64, keep: bool, id: string, seq: int64}\nsequence: seq"
	for name, c := range map[string]struct {
		with  string
		rests bool
	}{
		"a field more":     {"fields: {user: string, v: int64, keep: bool, id: string, seq: int64, more: string}\nsequence: seq", true},
		"another sequence": {"fields: {user: string, v: int64, keep: bool, id: string, seq: int64, also: int64}\nsequence: also", false},
	} {
		t.Run(name, func(t *testing.T) {
			p, view := newActivity(t)
			at := strings.LastIndex(definitions, orders)
			text := strings.Replace(definitions[:at]+c.with+definitions[at+len(orders):], "window: 10m, offset: 1m", "window: 5m", 1)
			if got := restsAs(load(t, text).StreamSource("orders"), &view.Bindings[bindingOf(view, "orders")]); got != c.rests {
				t.Fatalf("what comes to rest by the newer one is what the older one needs: %t", got)
			}
			if !c.rests {
				return
			}
			p.random("orders", 0, 216, copied)
			p.start()
			p.right(view, 1)
			changed := p.apply(text).StreamView("activity")
			p.eventually("the changed view is live", func() bool { return p.live("activity") == 2 })
			p.goBack(view, 217)
			p.compact("orders", 0, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23)
			p.start()
			p.random("orders", 0, 218, 5)
			p.right(changed, 2)
			p.right(view, 1)
		})
	}
}

// Of another process's partition, of which compaction has removed records that are not at
// rest yet, what is at rest is compared: an audit goes on, and finds nothing.
func TestAuditOfACompactedLogThatIsNotAtRest(t *testing.T) {
	p, view := newActivity(t)
	p.some(219, 40)
	p.start()
	p.right(view, 1)
	p.stop() // at rest
	p.openArchive = p.crashingArchive
	p.start()
	p.random("orders", 0, 220, 6)
	p.right(view, 1)
	p.compact("orders", 0, 41, 43, 44)
	other := New(p.config())
	p.worker.mu.Lock()
	other.revision, other.logs, other.topics = p.worker.revision, p.worker.logs, p.worker.topics
	p.worker.mu.Unlock()
	got, err := other.examine(t.Context(), p.view(generation), sampling{rank: func(h uint64) uint64 { return h }, whole: ^uint64(0), most: 1000, least: 1000, rowLimit: 100_000, before: true})
	if ok(t, err); len(got.Findings) > 0 || got.Skipped == 0 || got.Entities == 0 {
		t.Errorf("it finds %v, skips %d and compares %d", got.Findings, got.Skipped, got.Entities)
	}
}
