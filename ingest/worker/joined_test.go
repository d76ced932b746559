package worker

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/history"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/redis"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
	"github.com/freshet/freshet/ingest/kafka/kafkatest"
	"github.com/freshet/freshet/ingest/logrecord"
)

// withHistory gives clicks a history.
func withHistory(how string) string {
	return strings.Replace(definitions, "event_id: id", "event_id: id\nhistory: {files: [\"history/*.jsonl\"], format: jsonl, available_at: {field: seen, format: unix_us}, "+how+"}", 1)
}

// writeRows writes a history file of events, with more columns behind.
func (p *plant) writeRows(name string, rows [][]byte) {
	p.t.Helper()
	ok(p.t, os.MkdirAll(p.path("history"), 0o755))
	ok(p.t, os.WriteFile(p.path("history/"+name), append(bytes.Join(rows, []byte("\n")), '\n'), 0o600))
}

func rowOf(e event, more string) []byte {
	e.at, e.a = e.at/1000*1000, e.a/1000*1000
	return fmt.Appendf(bytes.TrimSuffix(e.json(), []byte("}")), `, "seen": %d%s}`, e.a, more)
}

// wants compares a generation with the oracle over some events, and with the
// oracle over what the history that training sets are made from gives.
func (p *plant) wants(view *definition.StreamView, number uint32, parts []*part) {
	p.t.Helper()
	p.settled(view, number)
	g := online.Generation{Project: "p", View: view.Name, Number: number}
	expect(p.t, view, parts...).check(p.t, p.store, g, lanesOfTests)
	ok(p.t, p.worker.Flush())
	var scanned []*part
	for i, b := range view.Bindings {
		scanned = append(scanned, p.scan(b.Source, uint16(i))...)
	}
	events := func(list []*part) (n int) {
		for _, x := range list {
			n += len(x.events)
		}
		return n
	}
	if got, want := events(scanned), events(parts); got != want {
		p.t.Errorf("history gives %d events, there are %d", got, want)
	}
	expect(p.t, view, scanned...).check(p.t, p.store, g, lanesOfTests)
}

// scan reads all of a source as training sets do.
func (p *plant) scan(s *definition.StreamSource, index uint16) []*part {
	p.t.Helper()
	stream, err := history.New(history.Options{Root: p.dir, Dir: p.dir}).Scan(p.t.Context(), offline.Spec{Source: s, Index: index})
	ok(p.t, err)
	defer func() { ok(p.t, stream.Close()) }()
	var out []*part
	for {
		batch, err := stream.Next(p.t.Context())
		if errors.Is(err, io.EOF) {
			return out
		}
		ok(p.t, err)
		id := online.Partition{Source: s.Name, Generation: batch.Partition.Generation, Number: batch.Partition.Partition}
		x := &part{id: id}
		for _, ev := range batch.Events {
			ev.Fields = slices.Clone(ev.Fields)
			x.events = append(x.events, ev)
		}
		out = append(out, x)
	}
}

// cutoverRun joins files and topic at an instant. Both have copies of records
// that are the other's, with other values; late events, and those of just before
// the cutover that came after it, lie on both sides.
func cutoverRun(p *plant) {
	t := p.t
	r := rand.New(rand.NewPCG(80, 3))
	events := randomEvents(r, 300)
	cut := events[150].a / 1000 * 1000
	var filed, live []event
	var rows [2][][]byte
	var records []logrecord.Record
	for i, e := range events {
		e.at, e.a = e.at/1000*1000, e.a/1000*1000
		decoy := e
		decoy.v, decoy.id = 999, ""
		if e.a < cut {
			filed = append(filed, e)
			rows[i%2] = append(rows[i%2], rowOf(e, ""))
			records = append(records, recordsOf(decoy)...)
		} else {
			live = append(live, e)
			rows[i%2] = append(rows[i%2], rowOf(decoy, ""))
			records = append(records, recordsOf(e)...)
		}
	}
	if len(filed) < 100 || len(live) < 100 {
		t.Fatalf("%d and %d events", len(filed), len(live))
	}
	// In the order of ranks: by log time, then by file and row.
	slices.SortStableFunc(filed, func(a, b event) int { return int(a.a - b.a) })
	slices.Reverse(rows[0]) // a file that is not sorted
	p.writeRows("one.jsonl", rows[0])
	p.writeRows("two.jsonl", rows[1])
	text := withHistory(fmt.Sprintf("cutover: %q", featurestore.Instant(cut)))
	view := p.apply(text).StreamView("activity")
	p.produce("clicks", 0, records[:200]...)
	p.produce("clicks", 1, records[200:]...)
	p.random("orders", 0, 81, 50)
	p.start()
	live2 := func(number uint32) {
		p.eventually("it is live", func() bool { return p.state("activity", number) == online.StateLive })
	}
	live2(1)
	parts := func() []*part {
		out := []*part{}
		for _, x := range p.parts(view) {
			if x.id.Source == "clicks" {
				x.events = slices.DeleteFunc(x.events, func(ev featurestore.Event) bool { return int64(ev.LogTime) < cut })
			}
			out = append(out, x)
		}
		return append(out, p.filedPart(view))
	}
	p.wants(view, 1, parts())
	if n := p.worker.ViewCounts()[generation].Before; n < 100 {
		t.Errorf("%d records of the topic were left to the files", n)
	}
	p.random("clicks", 0, 82, 40)
	p.wants(view, 1, parts())
	p.throughLoss(view, text, parts)
}

// filedPart is what the history files give, by rank, as decoded by the reader.
func (p *plant) filedPart(view *definition.StreamView) *part {
	for i, b := range view.Bindings {
		if b.Source.Name != "clicks" {
			continue
		}
		all := &part{id: online.Partition{Source: "clicks"}}
		for _, x := range p.scan(b.Source, uint16(i)) {
			if x.id == all.id {
				all.events = append(all.events, x.events...)
			}
		}
		return all
	}
	return nil
}

// throughLoss goes on through a restart, lanes that are lost, and a changed view.
func (p *plant) throughLoss(view *definition.StreamView, text string, parts func() []*part) {
	p.stop()
	p.random("orders", 0, 83, 10)
	p.start()
	p.wants(view, 1, parts())
	ok(p.t, p.store.Drop(p.t.Context(), generation, lanesOfTests))
	p.wants(view, 1, parts())
	p.eventually("it is live again", func() bool { return p.state("activity", 1) == online.StateLive })
	changed := p.apply(strings.Replace(text, "window: 10m, offset: 1m", "window: 5m", 1)).StreamView("activity")
	p.eventually("the changed view is live", func() bool { return p.live("activity") == 2 && p.state("activity", 2) == online.StateLive })
	p.wants(changed, 2, parts())
}

// positionsRun joins files and topic by position: the files hold the beginning of
// the log, partly twice and in any order, of which the topic still has some.
func positionsRun(p *plant) {
	r := rand.New(rand.NewPCG(90, 3))
	var one, two [][]byte
	for number, n := range []int{200, 150} {
		events := randomEvents(r, n)
		p.produce("clicks", int32(number), recordsOf(events...)...)
		for offset, e := range events[:n-40] {
			row := rowOf(e, fmt.Sprintf(`, "_p": %d, "_o": %d`, number, offset))
			if offset%3 != 0 {
				one = append(one, row)
			}
			if offset%3 != 1 {
				two = append(two, row)
			}
		}
	}
	r.Shuffle(len(two), func(i, j int) { two[i], two[j] = two[j], two[i] })
	p.writeRows("one.jsonl", one)
	p.writeRows("two.jsonl", two)
	p.expire("clicks", 0, 120)
	p.expire("clicks", 1, 110) // just behind the last row
	p.random("orders", 0, 91, 50)
	text := withHistory("partition: _p, offset: _o")
	view := p.apply(text).StreamView("activity")
	p.start()
	p.eventually("it is live", func() bool { return p.state("activity", 1) == online.StateLive })
	parts := func() []*part { return p.parts(view) }
	p.wants(view, 1, parts())
	p.random("clicks", 1, 92, 40)
	p.wants(view, 1, parts())
	p.throughLoss(view, text, parts)
}

func TestJoinedAtCutover(t *testing.T) {
	p := newPlant(t)
	p.topic("clicks", 2)
	p.topic("orders", 1)
	cutoverRun(p)
}

func TestJoinedByPosition(t *testing.T) {
	p := newPlant(t)
	p.topic("clicks", 2)
	p.topic("orders", 1)
	positionsRun(p)
}

// What has expired from the topic and is not in the files is said, and not jumped
// over: behind the last position, and behind the cutover.
func TestJoinsWithHoles(t *testing.T) {
	for name, how := range map[string]string{"positions": "partition: _p, offset: _o", "cutover": fmt.Sprintf("cutover: %q", featurestore.Instant(base))} {
		t.Run(name, func(t *testing.T) {
			p := newPlant(t)
			p.topic("clicks", 2)
			p.topic("orders", 1)
			e := user("a", 1, 0)
			p.writeRows("one.jsonl", [][]byte{rowOf(e, `, "_p": 0, "_o": 0`)})
			p.random("clicks", 0, 95, 30)
			p.random("orders", 0, 96, 5)
			p.expire("clicks", 0, 10)
			view := p.apply(withHistory(how)).StreamView("activity")
			p.start()
			gap := p.gap("activity", "clicks")
			if gap.Partition != 0 || !strings.Contains(gap.Reason, "expired") {
				t.Errorf("%v", gap)
			}
			p.logs = map[string]uint32{"clicks": 2}
			p.moveTo(partition0("clicks", 0), 0, 10)
			delete(p.sent, partition0("clicks", 0))
			p.accept("clicks")
			p.eventually("it is live", func() bool { return p.state("activity", 1) == online.StateLive })
			p.settled(view, 1)
		})
	}
}

// TestJoinedOnRealParts is both joins on Apache Kafka and redis-server.
func TestJoinedOnRealParts(t *testing.T) {
	broker := kafkatest.StartForTest(t)
	for name, run := range map[string]func(*plant){"cutover": cutoverRun, "positions": positionsRun} {
		t.Run(name, func(t *testing.T) {
			server, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir()})
			ok(t, err)
			t.Cleanup(func() { ok(t, server.Stop()) })
			p := &plant{t: t, dir: t.TempDir(), brokers: broker.Addr(), sent: map[online.Partition][]logrecord.Record{}}
			p.store, err = redis.Open(redis.Config{Addrs: []string{server.Addr()}})
			ok(t, err)
			p.open()
			p.topic("clicks", 2)
			p.topic("orders", 1)
			run(p)
			p.stop()
			ok(t, kafkatest.DeleteTopic(t.Context(), broker.Addr(), "clicks"))
			ok(t, kafkatest.DeleteTopic(t.Context(), broker.Addr(), "orders"))
		})
	}
}
