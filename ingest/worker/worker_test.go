package worker

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/deadletter"
	"github.com/freshet/freshet/ingest/decode"
	"github.com/freshet/freshet/ingest/logrecord"
)

// some sends random events to every partition of clicks and orders.
func (p *plant) some(seed uint64, n int) {
	p.t.Helper()
	r := rand.New(rand.NewPCG(seed, 3))
	p.produce("clicks", 0, recordsOf(randomEvents(r, n)...)...)
	p.produce("clicks", 1, recordsOf(randomEvents(r, n)...)...)
	p.produce("orders", 0, recordsOf(randomEvents(r, n)...)...)
}

// newActivity is a plant with both topics and the definitions applied.
func newActivity(t *testing.T) (*plant, *definition.StreamView) {
	t.Helper()
	p := newPlant(t)
	p.topic("clicks", 2)
	p.topic("orders", 1)
	return p, p.apply(definitions).StreamView("activity")
}

// Events come in, values come out, and records that are no events become dead
// letters with their place and reason while the stream goes on. A restart
// continues where the store stands.
func TestEventsIn(t *testing.T) {
	p, view := newActivity(t)
	p.some(1, 40)
	p.start()
	good := user("a", 1, 0)
	poison := map[decode.Code]string{
		decode.CodeJSON: "{", decode.CodeType: `{"user": 7, "at": 1}`, decode.CodeEmpty: "", decode.CodeNoTime: `{"user": "a"}`,
		decode.CodeDuplicate: `{"user": "a", "user": "b", "at": 1}`, decode.CodeUTF8: "\xff", decode.CodeAhead: `{"user": "a", "at": 1800000000000000}`,
	}
	for _, code := range []decode.Code{decode.CodeJSON, decode.CodeType, decode.CodeEmpty, decode.CodeNoTime, decode.CodeDuplicate, decode.CodeUTF8, decode.CodeAhead} {
		p.produce("orders", 0, logrecord.Record{LogTime: base, Value: []byte(poison[code])}, recordsOf(good)[0])
	}
	p.right(view, 1)
	p.stop()

	left := setOf(poison)
	for l, err := range deadletter.Read(p.path("deadletters"), deadletter.Filter{}) {
		ok(t, err)
		sent := p.sent[partition0(l.Source, l.Partition)][l.Offset]
		if string(l.Value) != poison[decode.Code(l.Code)] || string(sent.Value) != string(l.Value) || l.Message == "" || l.Source != "orders" || l.Generation != 1 {
			t.Errorf("dead letter %+v", l)
		}
		delete(left, decode.Code(l.Code))
	}
	if len(left) > 0 {
		t.Errorf("no dead letter says %v", left)
	}
	p.wantArchived(view)

	before := len(p.log.openings("orders"))
	p.some(2, 30)
	p.start()
	p.right(view, 1)
	p.stop()
	p.wantArchived(view)
	if from := p.log.openings("orders")[before:]; len(from) != 1 || from[0] != 40+14 {
		t.Errorf("after the restart, orders was read from %v", from)
	}
}

func setOf(m map[decode.Code]string) map[decode.Code]bool {
	out := map[decode.Code]bool{}
	for k := range m {
		out[k] = true
	}
	return out
}

// A new view of a new revision is picked up without a restart and starts with all
// that is archived; a changed view becomes a generation beside the old, filled
// from the archive and not from the topic, and takes over.
func TestNewRevision(t *testing.T) {
	p, view := newActivity(t)
	p.some(3, 60)
	p.start()
	p.right(view, 1)
	p.eventually("the first generation is live", func() bool { return p.state("activity", 1) == online.StateLive })
	const second = `---
kind: StreamView
name: spending
entity: user
source: orders
features: [{name: most, agg: max(v), window: 1d}]
`
	spending := p.apply(definitions + second).StreamView("spending")
	p.right(spending, 1)
	p.eventually("the new view is live", func() bool { return p.state("spending", 1) == online.StateLive })

	changed := p.apply(strings.Replace(definitions+second, "window: 10m, offset: 1m", "window: 5m", 1)).StreamView("activity")
	p.eventually("the changed view is live", func() bool { return p.live("activity") == 2 && p.state("activity", 2) == online.StateLive })
	if got := p.worker.Revision(); got != 3 {
		t.Errorf("the worker is at revision %d", got)
	}
	from := p.log.openings("clicks")
	if last := slices.Min(from[len(from)-2:]); last != 60 {
		t.Errorf("the topic was read from %d, not from where the archive ends", last)
	}
	p.some(4, 20)
	p.right(changed, 2)
	p.right(spending, 1)
	p.right(view, 1) // still written, under its own meaning
	p.stop()
	p.wantArchived(view)
}

// A generation that was not filled when the process ended is filled after the
// next start, and is not live before it has everything.
func TestFillGoesOn(t *testing.T) {
	p, view := newActivity(t)
	p.some(5, 50)
	p.start()
	p.right(view, 1)
	p.stop()
	changed := p.apply(strings.Replace(definitions, "window: 10m, offset: 1m", "window: 5m", 1)).StreamView("activity")
	g := online.Generation{Project: "p", View: "activity", Number: 2}
	half, err := OpenView(t.Context(), ViewConfig{View: changed, ID: g, Lanes: lanesOfTests, Store: p.store, CacheBytes: 1 << 20})
	ok(t, err)
	parts := p.parts(changed)
	some := parts[0].chunk(0, 20)
	some.Prints = nil // as a fill has none
	ok(t, half.Apply(t.Context(), some))
	p.some(6, 50)
	p.start()
	p.eventually("the changed view is live", func() bool { return p.live("activity") == 2 })
	p.right(changed, 2)
}

// A source that gains a field in front of the others: the view means the same
// and goes on in its generation; a view that is rebuilt reads by the new
// definition while the old one still reads by its own.
func TestSourceChanges(t *testing.T) {
	p, view := newActivity(t)
	p.some(7, 30)
	p.start()
	p.right(view, 1)
	more := strings.ReplaceAll(definitions, "fields: {user: string, v: int64,", "fields: {extra: double, v: int64, user: string,")
	same := p.apply(more).StreamView("activity")
	if same.Hash != view.Hash {
		t.Fatal("a field that nobody reads has changed the view")
	}
	p.eventually("the revision is picked up", func() bool { return p.worker.Revision() == 2 })
	p.some(8, 30)
	p.right(same, 1)
	again := strings.ReplaceAll(more, "fields: {extra: double, v: int64,", "fields: {late: bool, more: double, v: int64,")
	changed := p.apply(strings.Replace(again, "window: 10m, offset: 1m", "window: 5m", 1)).StreamView("activity")
	p.eventually("the changed view is live", func() bool { return p.live("activity") == 2 })
	p.some(9, 30)
	p.right(changed, 2)
	p.right(same, 1)
	p.stop()
	p.wantArchived(changed)
}

// A topic that does not exist yet holds up its own views only, and is read once
// it is there.
func TestTopicComesLater(t *testing.T) {
	p := newPlant(t)
	p.topic("orders", 1)
	const other = `---
kind: StreamView
name: spending
entity: user
source: orders
features: [{name: most, agg: max(v), window: 1d}]
`
	project := p.apply(definitions + other)
	p.produce("orders", 0, recordsOf(randomEvents(rand.New(rand.NewPCG(10, 3)), 20)...)...)
	p.start()
	p.right(project.StreamView("spending"), 1)
	p.topic("clicks", 2)
	p.some(11, 20)
	p.right(project.StreamView("activity"), 1)
}

// brokenArchive takes so many events and then fails once, as a full disk does.
type brokenArchive struct {
	Archive
	source *definition.StreamSource
	left   *atomic.Int64
}

func (a brokenArchive) Append(events *columnar.Events) error {
	before := a.left.Load()
	if left := a.left.Add(-int64(events.Len())); before > 0 && left <= 0 {
		some := columnar.New(a.source)
		if err := errors.Join(some.AppendRows(events, 0, int(before)-1), a.Archive.Append(some)); err != nil {
			return err
		}
		return featurestore.Unavailablef("the disk is full")
	}
	return a.Archive.Append(events)
}

// An archive that fails is opened anew; it holds every event once, and the
// views do not notice.
func TestArchiveFails(t *testing.T) {
	p, view := newActivity(t)
	left := &atomic.Int64{}
	left.Store(50)
	p.openArchive = func(s *definition.StreamSource) (Archive, error) {
		a, err := p.realArchive(s)
		return brokenArchive{a, s, left}, err
	}
	p.some(12, 40)
	p.start()
	p.right(view, 1)
	p.some(13, 40)
	p.right(view, 1)
	p.stop()
	if left.Load() >= 0 {
		t.Fatal("the archive never failed")
	}
	p.wantArchived(view)
}

// failingLetters cannot keep the first letters.
type failingLetters struct {
	Letters
	left atomic.Int64
}

func (l *failingLetters) Append(letters ...deadletter.DeadLetter) error {
	if l.left.Add(-1) >= 0 {
		return errors.New("the disk is full")
	}
	return l.Letters.Append(letters...)
}

// A bad record is not passed before it is kept as a dead letter.
func TestLettersFail(t *testing.T) {
	p, view := newActivity(t)
	folder, err := deadletter.Open(p.path("letters"), deadletter.Options{NoSync: true})
	ok(t, err)
	defer func() { ok(t, folder.Close()) }()
	letters := &failingLetters{Letters: folder}
	letters.left.Store(2)
	p.keepLetters = letters
	p.produce("orders", 0, recordsOf(user("a", 1, 0))...)
	p.produce("orders", 0, logrecord.Record{LogTime: base, Value: []byte("{")})
	p.produce("orders", 0, recordsOf(user("a", 2, 1))...)
	p.start()
	p.right(view, 1)
	p.stop()
	if folder.Count() != 1 || letters.left.Load() >= 0 {
		t.Errorf("%d letters are kept, %d failures are left", folder.Count(), letters.left.Load())
	}
}
