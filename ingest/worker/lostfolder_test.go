package worker

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/history"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/redis"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
	"github.com/freshet/freshet/featurestore/registry"
	archive "github.com/freshet/freshet/ingest/history"
	"github.com/freshet/freshet/ingest/kafka/kafkatest"
	"github.com/freshet/freshet/ingest/logrecord"
)

// changedActivity gives the activity view another meaning.
func changedActivity() string {
	return strings.Replace(definitions, "window: 10m, offset: 1m", "window: 5m", 1)
}

// keptAway is a plant of which 40 events of each partition are at rest, applied, and
// no longer in the log; ten more of each are in both. Its folder stands aside, too.
func keptAway(t *testing.T) (*plant, *definition.StreamView) {
	t.Helper()
	p, view := newActivity(t)
	p.keepAway(view)
	return p, view
}

func (p *plant) keepAway(view *definition.StreamView) {
	p.t.Helper()
	p.random("clicks", 0, 80, 50)
	p.random("clicks", 1, 81, 50)
	p.random("orders", 0, 82, 50)
	p.start()
	p.right(view, 1)
	p.stop()
	for _, id := range []online.Partition{partition0("clicks", 0), partition0("clicks", 1), partition0("orders", 0)} {
		p.expire(id.Source, id.Number, 40)
	}
	ok(p.t, os.CopyFS(p.path("aside"), os.DirFS(p.path("history"))))
}

// leftOf says that what was sent to the plant's partitions before an offset is nowhere.
func (p *plant) leftOf(from int) {
	for id := range p.sent {
		for i := range min(from, len(p.sent[id])) {
			p.sent[id][i].Value = nil
		}
	}
}

func (p *plant) condition(view string, number uint32) Condition {
	return p.worker.Conditions()[online.Generation{Project: "p", View: view, Number: number}]
}

// inGapFor waits for a generation to say that what it would be built from is lost.
func (p *plant) inGapFor(view string, number uint32) {
	p.t.Helper()
	p.eventually("it says what is missing", func() bool {
		c := p.condition(view, number)
		return c.State == online.StateGap.String() && strings.Contains(c.Reason, "offsets 0 to 39") && strings.Contains(c.Next, "freshet archive accept-loss ")
	})
}

// missing waits for the worker to have looked, and gives the offsets that it misses.
func (p *plant) missing(want int64) {
	p.t.Helper()
	p.eventually("what is missing is said", func() bool {
		var n int64
		for _, m := range p.worker.Missing() {
			n += m.Offsets()
		}
		return n == want
	})
}

func (p *plant) inspector() Inspector {
	return Inspector{Project: "p", Log: p.log, Online: p.store, History: p.config().History}
}

func (p *plant) acceptMissing(view *definition.StreamView) {
	p.t.Helper()
	for _, b := range view.Bindings {
		missing, err := p.inspector().Missing(p.t.Context(), b.Source, 1)
		ok(p.t, err)
		ok(p.t, p.inspector().AcceptMissing(p.t.Context(), missing, "a test", wallClock()))
	}
}

// A folder of events at rest that is lost, with events that the log no longer has, is
// told. What is live goes on; what would be built from less waits, and goes on once the
// folder is restored.
func TestLostFolder(t *testing.T) {
	p, view := keptAway(t)
	p.wipe("history")
	p.start()
	p.random("orders", 0, 83, 10)
	p.right(view, 1)
	p.missing(120)
	if c := p.condition("activity", 1); c.State != conditionRunning {
		t.Errorf("the live one is %+v", c)
	}
	changed := p.apply(changedActivity()).StreamView("activity")
	p.inGapFor("activity", 2)
	if p.live("activity") != 1 || p.registered("activity", 2).State != registry.Building {
		t.Errorf("live is %d, and the other %+v", p.live("activity"), p.registered("activity", 2))
	}
	p.stop()
	p.start() // what is known stays known
	p.inGapFor("activity", 2)
	p.stop()

	p.wipe("history")
	ok(t, os.Rename(p.path("aside"), p.path("history")))
	p.start()
	p.eventually("it takes over", func() bool { return p.live("activity") == 2 })
	p.right(changed, 2)
	p.missing(0)
	p.stop()
	p.wantArchived(changed)
}

// A loss that a person accepts is no reason to wait: what is built has what is left.
// What was built before keeps what it has, and its audit leaves it alone.
func TestLostFolderIsAccepted(t *testing.T) {
	p, view := keptAway(t)
	p.wipe("history")
	p.start()
	p.right(view, 1)
	p.apply(changedActivity())
	p.inGapFor("activity", 2)
	p.acceptMissing(view)
	p.missing(0)
	p.eventually("it takes over", func() bool { return p.live("activity") == 2 })
	whole := p.parts(view)
	x, err := p.worker.examine(t.Context(), p.view(generation), auditSampling(0))
	ok(t, err)
	if len(x.Findings) > 0 || x.Skipped == 0 {
		t.Errorf("of the one before, %d entities differ, %d are skipped", len(x.Findings), x.Skipped)
	}
	expect(t, view, whole...).check(t, p.store, generation, lanesOfTests)
	p.leftOf(40)
	p.right(load(t, changedActivity()).StreamView("activity"), 2)
	p.stop()
	p.start()
	p.random("clicks", 0, 84, 10)
	p.right(load(t, changedActivity()).StreamView("activity"), 2)
	p.missing(0)
}

// The same on Apache Kafka and redis-server, with two ingesters: both say it, and one
// of them builds what is restored. Where the store has lost what it knew as well, nobody
// can say that anything is missing.
func TestLostFolderOnRealParts(t *testing.T) {
	broker := kafkatest.StartForTest(t)
	server, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir()})
	ok(t, err)
	t.Cleanup(func() { ok(t, server.Stop()) })
	p := &plant{t: t, dir: t.TempDir(), brokers: broker.Addr(), sent: map[online.Partition][]logrecord.Record{}}
	p.store, err = redis.Open(redis.Config{Addrs: []string{server.Addr()}})
	ok(t, err)
	ok(t, p.store.Check(t.Context()))
	p.open()
	p.topic("clicks", 2)
	p.topic("orders", 1)
	view := p.apply(definitions).StreamView("activity")
	p.keepAway(view)
	p.wipe("history")
	first, second := p.member(), p.member()
	p.worker = first
	p.eventually("both read", func() bool { return feeds(first) > 0 && feeds(second) > 0 })
	p.right(view, 1)
	changed := p.apply(changedActivity()).StreamView("activity")
	gaps := func(w *Worker) bool {
		return w.Conditions()[online.Generation{Project: "p", View: "activity", Number: 2}].State == online.StateGap.String()
	}
	p.eventually("it says what is missing", func() bool {
		return len(first.Missing()) == 3 && len(second.Missing()) == 3 && (gaps(first) || gaps(second))
	})
	ok(t, first.Stop())
	ok(t, second.Stop())
	p.worker = nil
	p.wipe("history")
	ok(t, os.CopyFS(p.path("history"), os.DirFS(p.path("aside"))))
	p.start()
	p.eventually("it takes over", func() bool { return p.live("activity") == 2 })
	p.right(changed, 2)
	p.missing(0)
	p.stop()

	p.wipe("history")
	for _, b := range view.Bindings {
		for number := range int32(2) {
			ok(t, p.store.SetNotes(t.Context(), "p", knownNotes, map[string][]byte{string(partition0(b.Source.Name, number).AppendField(nil)): nil}))
		}
	}
	p.start()
	p.right(changed, 2)
	p.missing(0)
}

// A live view whose lanes are lost together with the folder is not built anew from what
// is left as if that were all.
func TestLostFolderAndLanes(t *testing.T) {
	for name, drop := range map[string]bool{"before the start": true, "while it runs": false} {
		t.Run(name, func(t *testing.T) {
			p, view := keptAway(t)
			p.wipe("history")
			if drop {
				ok(t, p.store.Drop(t.Context(), generation, lanesOfTests))
				p.start()
			} else {
				p.start()
				p.right(view, 1)
				ok(t, p.store.Drop(t.Context(), generation, lanesOfTests))
			}
			p.inGapFor("activity", 1)
			if s := p.state("activity", 1); s == online.StateLive || s == online.StateCatchingUp {
				t.Errorf("its lanes are %s", s)
			}
			p.acceptMissing(view)
			p.eventually("it answers again", func() bool { return p.state("activity", 1) == online.StateLive })
			p.leftOf(40)
			p.right(view, 1)
		})
	}
}

// The audit makes nothing anew from a history that lacks what it held.
func TestAuditWithALostFolder(t *testing.T) {
	p, view := keptAway(t)
	p.wipe("history")
	p.start()
	p.right(view, 1)
	p.missing(120)
	x, err := p.worker.auditView(t.Context(), p.view(generation), 0)
	if !errors.As(err, new(*MissingError)) || !errors.Is(err, errRebuild) {
		t.Errorf("the audit says %v, %+v", err, x)
	}
	p.right(view, 1)
}

// Where the log still holds everything, the archive is made anew from it, and nothing is
// missing.
func TestLostFolderThatTheLogGives(t *testing.T) {
	p, view := newActivity(t)
	p.some(85, 60)
	p.start()
	p.right(view, 1)
	p.stop()
	p.wipe("history")
	p.start()
	p.right(view, 1)
	changed := p.apply(changedActivity()).StreamView("activity")
	p.eventually("it takes over", func() bool { return p.live("activity") == 2 })
	p.right(changed, 2)
	p.missing(0)
	p.stop()
	p.wantArchived(changed)
}

// Retention is no loss: what was dropped is on record.
func TestRetentionIsNoLoss(t *testing.T) {
	p, view := keptAway(t)
	p.start()
	p.some(88, 20)
	p.right(view, 1)
	p.stop() // which seals further files
	for _, b := range view.Bindings {
		c := archive.Compaction{Dir: p.dir, Source: b.Source.Name, Now: wallClock(), TargetBytes: 1 << 20, Grace: time.Hour, KeepFrom: featurestore.Instant(base) + 1<<50}
		_, err := c.Run(t.Context())
		ok(t, err)
	}
	for _, b := range view.Bindings {
		dropped, err := p.config().History.Dropped(t.Context(), b.Source)
		ok(t, err)
		if len(dropped) == 0 {
			t.Fatal("nothing was dropped")
		}
		missing, err := p.inspector().Missing(t.Context(), b.Source, 1)
		if err != nil || len(missing) > 0 {
			t.Errorf("missing are %+v, %v", missing, err)
		}
	}
}

// An earlier log of a source, which no topic holds any more, is missed as well.
func TestLostFolderOfAnEarlierLog(t *testing.T) {
	p, view := newActivity(t)
	p.some(86, 40)
	p.start()
	p.right(view, 1)
	p.again("clicks", 2)
	p.random("clicks", 0, 87, 30)
	_ = p.gap("activity", "clicks")
	p.accept("clicks")
	p.right(view, 1)
	p.stop()
	source := view.Bindings[bindingOf(view, "clicks")].Source
	missing, err := p.inspector().Missing(t.Context(), source, 2)
	if err != nil || len(missing) > 0 {
		t.Fatalf("missing are %+v, %v", missing, err)
	}
	p.wipe("history")
	missing, err = p.inspector().Missing(t.Context(), source, 2)
	ok(t, err)
	want := []Missing{
		{partition0("clicks", 0), []offline.Range{{From: 0, To: int64(len(p.sent[partition0("clicks", 0)]))}}},
		{partition0("clicks", 1), []offline.Range{{From: 0, To: int64(len(p.sent[partition0("clicks", 1)]))}}},
	}
	if !slices.EqualFunc(missing, want, func(a, b Missing) bool { return a.Partition == b.Partition && slices.Equal(a.Ranges, b.Ranges) }) {
		t.Errorf("missing are %+v, want %+v", missing, want)
	}
}

// An ingester that has a folder of its own, where all must share one, is told.
func TestAFolderOfItsOwn(t *testing.T) {
	p, view := keptAway(t)
	own := t.TempDir()
	p.configure = func(c *Config) {
		c.History = history.New(history.Options{Root: own, Dir: own, Files: history.JoinedFiles})
		c.OpenArchive = func(s *definition.StreamSource) (Archive, error) {
			return archive.Open(archive.Options{Dir: own, Source: s})
		}
	}
	p.start()
	p.right(view, 1)
	p.missing(120)
	p.stop()
	p.configure = nil
	p.start()
	p.right(view, 1)
	p.missing(0)
}

// What cannot be read is not taken for nothing.
func TestNotesOfAnotherVersion(t *testing.T) {
	p, view := keptAway(t)
	s := view.Bindings[0].Source
	field := string(partition0(s.Name, 0).AppendField(nil))
	notes, err := p.store.Notes(t.Context(), "p", knownNotes)
	ok(t, err)
	if got := string(notes[field]); got != `{"version":1,"ranges":[[0,50]]}` {
		t.Errorf("the note is %s", got)
	}
	for _, value := range []string{`{"version":2}`, "x"} {
		ok(t, p.store.SetNotes(context.Background(), "p", knownNotes, map[string][]byte{field: []byte(value)}))
		if _, err := p.inspector().Missing(t.Context(), s, 1); !errors.Is(err, featurestore.ErrInvalid) {
			t.Errorf("%s: %v", value, err)
		}
		if err := p.inspector().Note(t.Context(), s); !errors.Is(err, featurestore.ErrInvalid) {
			t.Errorf("noting over %s: %v", value, err)
		}
	}
	ok(t, p.store.SetNotes(t.Context(), "p", knownNotes, map[string][]byte{field: nil})) // the store has lost it: it is noted anew
	ok(t, p.inspector().Note(t.Context(), s))
	p.wipe("history")
	if missing, err := p.inspector().Missing(t.Context(), s, 1); err != nil || len(missing) == 0 {
		t.Errorf("missing are %+v, %v", missing, err)
	}
}
