package worker

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/history"
	"github.com/freshet/freshet/ingest/logrecord"
)

// A source whose records have more than its first definition reads.
const firstRead = `kind: Entity
name: user
keys: [{name: user, type: string}]
---
kind: StreamSource
name: clicks
kafka: {topic: clicks}
format: json
timestamp: {field: at, format: unix_us}
allowed_lateness: 1m
fields: {user: string, v: int64}
---
kind: StreamView
name: activity
entity: user
source: clicks
features:
  - {name: n, agg: count, window: 10m}
  - {name: total, agg: sum(v), window: 1h}
`

// moreRead reads a field besides, with a feature on it; lessRead reads one less.
func moreRead() string {
	return strings.Replace(firstRead, "fields: {user: string, v: int64}", "fields: {user: string, extra: double, v: int64, tag: string}", 1) +
		"  - {name: extras, agg: sum(extra), window: 1h}\n  - {name: tags, agg: count_distinct(tag), window: 1h}\n"
}

func lessRead() string {
	return strings.Replace(strings.Replace(firstRead, ", v: int64}", "}", 1), "  - {name: total, agg: sum(v), window: 1h}\n", "", 1)
}

// rich are records with every field that any of these definitions reads.
func rich(from, n int) (out []logrecord.Record) {
	for i := from; i < from+n; i++ {
		at := base + featurestore.Instant(i)*3*micros
		out = append(out, logrecord.Record{
			LogTime: featurestore.LogTime(at), Value: fmt.Appendf(nil, `{"user": "u%d", "v": %d, "extra": %d.5, "tag": "t%d", "at": %d}`, i%4, i, i%7, i%5, at),
		})
	}
	return out
}

// newRich is a plant whose first definition has read some records, which are at rest.
func newRich(t *testing.T, change func(*Config)) *plant {
	t.Helper()
	p := newPlant(t)
	p.configure = func(c *Config) {
		c.Audit.Every = 50 * time.Millisecond
		if change != nil {
			change(c)
		}
	}
	p.topic("clicks", 2)
	first := p.apply(firstRead).StreamView("activity")
	p.produce("clicks", 0, rich(0, 40)...)
	p.produce("clicks", 1, rich(40, 40)...)
	p.start()
	p.right(first, 1)
	ok(t, p.worker.Flush())
	return p
}

// A field that the records have and no definition read is added, with features on it:
// the generation that history fills has the values that it would have had if the field
// had been read from the beginning. The check and the audits see the same, and nothing
// else changes.
func TestAddedFieldIsReadAgain(t *testing.T) {
	p := newRich(t, nil)
	first := load(t, firstRead).StreamView("activity")
	second := p.apply(moreRead()).StreamView("activity")
	p.eventually("the second is live", func() bool { return p.live("activity") == 2 })
	p.produce("clicks", 0, rich(80, 20)...)
	p.right(second, 2)
	p.right(first, 1) // STANDBY
	p.audited()
	p.wantNoFindings(p.worker)
	p.stop()
	p.wantArchived(second)

	// Built from what is at rest alone, it is the same.
	p.log.expired.Store(20)
	p.start()
	p.order(moreRead())
	p.eventually("the third is live", func() bool { return p.live("activity") == 3 })
	p.right(second, 3)
	p.audited()
	p.wantNoFindings(p.worker)
}

// A field that was removed and is read again is there all the time.
func TestRemovedFieldIsReadAgain(t *testing.T) {
	p := newRich(t, func(c *Config) { c.KeepPrevious = 0 })
	less := p.apply(lessRead()).StreamView("activity")
	p.eventually("the second is live", func() bool { return p.live("activity") == 2 })
	p.produce("clicks", 0, rich(80, 20)...)
	p.right(less, 2)
	ok(t, p.worker.Flush())
	again := p.apply(firstRead).StreamView("activity")
	p.eventually("the third is live", func() bool { return p.live("activity") == 3 })
	p.right(again, 3)
	p.audited()
	p.wantNoFindings(p.worker)
}

// A generation of before, which goes on reading a field that the newest definition has
// no more, is found right when it is wanted again: the field is read again for it.
func TestStandbyReadsARemovedField(t *testing.T) {
	p := newRich(t, nil)
	p.apply(lessRead())
	p.eventually("the second is live", func() bool { return p.live("activity") == 2 })
	p.produce("clicks", 0, rich(80, 20)...)
	first := load(t, firstRead).StreamView("activity")
	p.right(first, 1)
	ok(t, p.worker.Flush())
	p.apply(firstRead)
	p.eventually("the first is live again", func() bool { return p.live("activity") == 1 })
	p.right(first, 1)
	p.audited()
	p.wantNoFindings(p.worker)
}

// A backfill of a generation that a person has gone back to has a field that the newest
// definition reads no more: it is read again by the older one.
func TestBackfillReadsARemovedField(t *testing.T) {
	p := newRich(t, nil)
	p.apply(lessRead())
	p.eventually("the second is live", func() bool { return p.live("activity") == 2 })
	ok(t, p.registry.Switch(t.Context(), []registry.Choice{{View: "activity", Number: 1}}, "a person", wallClock()))
	p.produce("clicks", 0, rich(80, 20)...)
	first := load(t, firstRead).StreamView("activity")
	p.right(first, 1)
	ok(t, p.worker.Flush())
	_, err := p.registry.Rebuild(t.Context(), registry.Order{
		Target: registry.Target{View: "activity", Hash: first.Hash}, Revision: 2, Meaning: 1, Reason: "a test asked for it", At: wallClock(),
	})
	ok(t, err)
	p.eventually("the third is live", func() bool { return p.live("activity") == 3 })
	p.right(first, 3)
}

// A view that does not change where its source gets another field is audited on.
func TestAuditGoesOnWhereOnlyTheSourceChanges(t *testing.T) {
	p := newRich(t, nil)
	view := p.apply(strings.Replace(firstRead, "v: int64}", "v: int64, extra: double}", 1)).StreamView("activity")
	p.produce("clicks", 0, rich(80, 20)...)
	p.right(view, 1)
	ok(t, p.worker.Flush())
	p.audited()
	p.wantNoFindings(p.worker)
	if s := p.worker.AuditStatus(); s.Trouble != "" {
		t.Error(s.Trouble)
	}
}

// A generation that a person has gone back to is not audited where the newest definition
// reads records otherwise: what that one refuses, or takes, is at rest or not, whatever
// this one has counted.
func TestAuditLeavesOtherReadingsAlone(t *testing.T) {
	for name, newest := range map[string]string{"a field less": lessRead(), "more fields": moreRead()} {
		t.Run(name, func(t *testing.T) {
			p := newRich(t, nil)
			p.apply(newest)
			p.eventually("the second is live", func() bool { return p.live("activity") == 2 })
			ok(t, p.registry.Switch(t.Context(), []registry.Choice{{View: "activity", Number: 1}}, "a person", wallClock()))
			records := rich(80, 20)
			for i := range records { // each of these is refused by one of the two
				bad, wrong := `"v":`, `"v": "none", "was":`
				if name == "more fields" {
					bad, wrong = `"extra":`, `"extra": "none", "was":`
				}
				if i%3 == 0 {
					records[i].Value = []byte(strings.Replace(string(records[i].Value), bad, wrong, 1))
				}
			}
			p.produce("clicks", 0, records...)
			first := load(t, firstRead).StreamView("activity")
			p.right(first, 1)
			ok(t, p.worker.Flush())
			runs := p.worker.AuditStatus().Runs
			p.eventually("two audits are over", func() bool { return p.worker.AuditStatus().Runs > runs+1 })
			p.right(first, 1)
			if s := p.worker.AuditStatus(); s.Findings > 0 || !strings.Contains(s.Trouble, "not audited") {
				t.Errorf("%+v", s)
			}
		})
	}
}

// What has expired stays null, and is not tried again and again; what the log still has
// is read.
func TestExpiredRecordsStayAsTheyAre(t *testing.T) {
	p := newRich(t, nil)
	p.produce("clicks", 0, rich(80, 20)...)
	p.produce("clicks", 1, rich(100, 20)...)
	first := load(t, firstRead).StreamView("activity")
	p.right(first, 1)
	p.stop() // two files of each partition: up to 40, and up to 60
	p.log.expired.Store(50)
	p.start()
	second := p.apply(moreRead()).StreamView("activity")
	p.eventually("the second is live", func() bool { return p.live("activity") == 2 })
	p.audited()
	p.wantNoFindings(p.worker)
	lacking, missing, err := p.worker.c.Widener.Lacking("clicks", 1, []string{"extra"})
	if err != nil || len(lacking) != 2 || lacking[0].To != 40 || lacking[1].To != 40 || len(missing) != 1 {
		t.Errorf("lacking %+v of %v, %v", lacking, missing, err)
	}
	extras := 0
	for _, x := range p.scan(second.Bindings[0].Source, 0) {
		for _, ev := range x.events {
			if had := !ev.Fields[1].IsNull(); had != (ev.Offset >= 50) {
				t.Errorf("partition %d, offset %d has the field: %t", ev.Partition, ev.Offset, had)
			} else if had {
				extras++
			}
		}
	}
	if extras != 20 {
		t.Errorf("%d rows have the field", extras)
	}
}

// spyWidener counts, and is away now and then.
type spyWidener struct {
	Widener
	fail func() error
	done int
}

func (s *spyWidener) Widen(ctx context.Context, one *history.Widening) (history.Widened, error) {
	if err := s.fail(); err != nil {
		return history.Widened{}, err
	}
	s.done++
	return s.Widener.Widen(ctx, one)
}

// While the log is away, or a compaction has the partition, a fill waits and says so;
// then it goes on.
func TestRereadingWaits(t *testing.T) {
	spy := &spyWidener{}
	tries, seen := 0, map[online.Generation]Rereading{}
	p := newRich(t, func(c *Config) { spy.Widener, c.Widener = c.Widener, spy })
	spy.fail = func() error {
		if tries++; tries == 1 {
			return featurestore.Unavailablef("the log is away")
		}
		if tries%3 == 0 {
			return history.ErrBusy
		}
		for id, at := range p.worker.Rereading() {
			seen[id] = at
		}
		return nil
	}
	second := p.apply(moreRead()).StreamView("activity")
	p.eventually("the second is live", func() bool { return p.live("activity") == 2 })
	p.right(second, 2)
	at := seen[online.Generation{Project: "p", View: "activity", Number: 2}]
	if at.OfFiles != 2 || at.OfRows != 80 || tries < 4 || spy.done != 2 {
		t.Errorf("seen %+v, %d tries, %d files", seen, tries, spy.done)
	}
	if len(p.worker.Rereading()) > 0 {
		t.Errorf("still: %v", p.worker.Rereading())
	}
}

// Fields are taken from no log but the one that the events came from.
func TestAnotherTopicSaysNothing(t *testing.T) {
	p := newRich(t, nil)
	files := func() []archive.File {
		m, err := archive.Load(p.dir, "clicks")
		ok(t, err)
		return m.Files
	}
	p.stop()
	before := files()
	other := rich(0, 60)
	for i := range other {
		other[i].Value = []byte(strings.Replace(string(other[i].Value), `"tag": "t`, `"tag": "x`, 1)) // the times are the same
	}
	p.log.Log = elsewhere{p.log.Log, "others"}
	p.topic("others", 2)
	_, err := p.log.Produce(t.Context(), "clicks", 0, other)
	ok(t, err)
	_, err = p.log.Produce(t.Context(), "clicks", 1, rich(40, 60)) // the same, and more
	ok(t, err)
	p.apply(moreRead())
	p.start()
	p.eventually("the second waits", func() bool {
		return len(p.worker.Progress().Halted()) > 0 && p.registered("activity", 2).State == registry.Building
	})
	for id, at := range p.worker.Rereading() {
		t.Errorf("%v: %+v", id, at)
	}
	if after := files(); after[0] != before[0] {
		t.Errorf("listed are %+v\nbefore %+v", after, before)
	}
}

// elsewhere reads and writes another topic.
type elsewhere struct {
	logrecord.Log
	topic string
}

func (e elsewhere) Bounds(ctx context.Context, _ string, number int32) (logrecord.Bounds, error) {
	return e.Log.Bounds(ctx, e.topic, number)
}

func (e elsewhere) Open(ctx context.Context, _ string, number int32, from int64) (logrecord.Reader, error) {
	return e.Log.Open(ctx, e.topic, number, from)
}

func (e elsewhere) Peek(ctx context.Context, _ string, number int32, offset int64) (*logrecord.Batch, error) {
	return e.Log.Peek(ctx, e.topic, number, offset)
}

func (e elsewhere) Produce(ctx context.Context, _ string, number int32, records []logrecord.Record) (int64, error) {
	return e.Log.Produce(ctx, e.topic, number, records)
}

// What a process that does not know the newest definition yet puts to rest while a
// generation is being filled has not the field: the generation takes it from the log.
func TestAFillTakesWhatWasLookedAt(t *testing.T) {
	p := newRich(t, nil)
	project := p.apply(moreRead())
	p.stop()
	p.worker = New(p.config())
	defer func() { p.worker = nil }()
	p.worker.revision = 2
	view := project.StreamView("activity")
	store := newMemoryStore()
	v := openView(t, view, store, lanesOfTests)
	spec, err := p.worker.fillable(t.Context(), v, 0)
	ok(t, err)
	older, err := history.Open(history.Options{Dir: p.dir, Source: load(t, firstRead).StreamSource("clicks")})
	ok(t, err)
	p.produce("clicks", 0, rich(80, 5)...)
	for _, x := range p.parts(load(t, firstRead).StreamView("activity")) {
		at := offline.Partition{Generation: 1, Partition: x.id.Number}
		ok(t, older.Begin(at, 40))
		events := columnar.New(load(t, firstRead).StreamSource("clicks"))
		for i := range x.events[40:] {
			ok(t, events.Append(&x.events[40+i]))
		}
		ok(t, older.Append(events))
	}
	ok(t, older.Close())
	_, err = fillFrom(t.Context(), p.worker.c.History, v, spec)
	ok(t, err)
	if through := v.through(partition0("clicks", 0)); through != 39 {
		t.Errorf("it was filled through %d; without the field are those from 40 on", through)
	}
	// The check and the audit look again.
	spec, err = p.worker.fillable(t.Context(), v, 0)
	ok(t, err)
	_, err = fillFrom(t.Context(), p.worker.c.History, v, spec)
	ok(t, err)
	expect(t, view, p.parts(view)...).check(t, store, generation, lanesOfTests)
}
