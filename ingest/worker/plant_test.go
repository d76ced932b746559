package worker

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
	"github.com/freshet/freshet/featurestore/offline/history"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/embedded"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/featurestore/registry/sqlite"
	"github.com/freshet/freshet/ingest/deadletter"
	"github.com/freshet/freshet/ingest/decode"
	archive "github.com/freshet/freshet/ingest/history"
	"github.com/freshet/freshet/ingest/kafka"
	embeddedlog "github.com/freshet/freshet/ingest/kafka/embedded"
	"github.com/freshet/freshet/ingest/logrecord"
)

// plant is a whole ingester over real parts: a log, an online store, a registry,
// an archive and dead letters, all below one folder.
type plant struct {
	t        *testing.T
	dir      string
	brokers  string // "": an embedded log of its own
	broker   *embeddedlog.Broker
	log      *spyLog
	store    online.Store
	registry *sqlite.Store
	letters  *deadletter.Folder
	worker   *Worker

	clock       func() featurestore.Instant                     // of the log; nil: it stands still
	openArchive func(*definition.StreamSource) (Archive, error) // nil: the real one
	physicalTTL bool
	configure   func(*Config)
	keepLetters Letters                                 // nil: the folder
	sent        map[online.Partition][]logrecord.Record // all records, in their places
	logs        map[string]uint32                       // the generation of a topic's log, where it is not the first
}

// patience bounds every wait.
const patience = 30 * time.Second

func newPlant(t *testing.T) *plant {
	t.Helper()
	p := &plant{t: t, dir: t.TempDir(), sent: map[online.Partition][]logrecord.Record{}}
	var err error
	p.store, err = embedded.Open(embedded.Config{Dir: p.path("online"), Now: now})
	ok(t, err)
	return p.open()
}

// open opens what is not there yet, and closes everything at the end.
func (p *plant) open() *plant {
	t := p.t
	t.Helper()
	p.openLog()
	p.openRegistry()
	t.Cleanup(func() {
		p.stop()
		ok(t, p.registry.Close())
		ok(t, p.store.Close())
		p.closeLog()
	})
	return p
}

func (p *plant) path(name string) string { return filepath.Join(p.dir, name) }

// now is the clock of the parts: fetch times are of no interest here.
func now() featurestore.Instant { return base }

func wallClock() featurestore.Instant { return featurestore.InstantOf(time.Now()) }

func (p *plant) openRegistry() {
	p.t.Helper()
	var err error
	p.registry, err = sqlite.Open(p.t.Context(), p.path("registry.db"), lanesOfTests)
	ok(p.t, err)
}

func (p *plant) openLog() {
	p.t.Helper()
	addr := p.brokers
	if addr == "" {
		var err error
		p.broker, err = embeddedlog.Start(p.path("log"), embeddedlog.Options{})
		ok(p.t, err)
		addr = p.broker.Addr()
	}
	clock := now
	if p.clock != nil {
		clock = p.clock
	}
	client, err := kafka.Open(p.t.Context(), kafka.Config{Brokers: []string{addr}, Clock: clock, MaxWait: 20 * time.Millisecond})
	ok(p.t, err)
	p.log = &spyLog{Log: client, opened: map[string][]int64{}}
}

func (p *plant) closeLog() {
	p.t.Helper()
	ok(p.t, p.log.Close())
	if p.broker != nil {
		ok(p.t, p.broker.Close())
	}
}

// spyLog remembers from which offsets partitions were read.
type spyLog struct {
	logrecord.Log
	mu     sync.Mutex
	opened map[string][]int64 // by topic

	removed map[topicPartition][]int64 // by compaction

	expired atomic.Int64 // the first offset that every partition still holds
}

func (l *spyLog) Bounds(ctx context.Context, topic string, number int32) (logrecord.Bounds, error) {
	b, err := l.Log.Bounds(ctx, topic, number)
	b.Start = max(b.Start, l.expired.Load())
	return b, err
}

func (l *spyLog) Open(ctx context.Context, topic string, number int32, from int64) (logrecord.Reader, error) {
	l.mu.Lock()
	l.opened[topic] = append(l.opened[topic], from)
	l.mu.Unlock()
	r, err := l.Log.Open(ctx, topic, number, from)
	return &compactedReader{Reader: r, log: l, id: topicPartition{topic, number}, from: from}, err
}

func (l *spyLog) openings(topic string) []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.opened[topic])
}

// topic makes a topic.
func (p *plant) topic(name string, partitions int) {
	p.t.Helper()
	ok(p.t, p.log.CreateTopic(p.t.Context(), logrecord.TopicSpec{Name: name, Partitions: partitions, Retention: logrecord.Forever}))
}

// apply makes definitions the newest revision.
func (p *plant) apply(text string) *definition.Project {
	p.t.Helper()
	project := load(p.t, text)
	base, err := p.registry.CurrentNumber(p.t.Context())
	ok(p.t, err)
	var targets []registry.Target
	for _, v := range project.StreamViews {
		targets = append(targets, registry.Target{View: v.Name, Hash: v.Hash})
	}
	_, err = p.registry.Apply(p.t.Context(), base, registry.Revision{Files: []definition.File{{Path: "activity.yaml", Data: []byte(text)}}}, targets)
	ok(p.t, err)
	return project
}

func (p *plant) start() {
	p.t.Helper()
	var err error
	p.letters, err = deadletter.Open(p.path("deadletters"), deadletter.Options{NoSync: true})
	ok(p.t, err)
	p.worker = New(p.config())
	p.worker.Start()
}

// config is that of a worker on the plant's parts.
func (p *plant) config() Config {
	c := Config{
		Project: "p", Registry: p.registry, Log: p.log, Online: p.store, Letters: p.letters,
		History:     history.New(history.Options{Root: p.dir, Dir: p.dir, Files: history.JoinedFiles}),
		Logger:      slog.New(slog.NewTextHandler(testWriter{p.t}, nil)),
		PhysicalTTL: p.physicalTTL, OpenArchive: p.realArchive, Heartbeat: 20 * time.Millisecond, Poll: 20 * time.Millisecond,
		Now: wallClock, KeepPrevious: time.Hour, Losses: p.dir, NoteRest: true,
		Widener: archive.NewWidener(p.dir, atomicfile.Disk{Durability: atomicfile.Crash}, wallClock),
		Files:   history.New(history.Options{Root: p.dir}), Refused: p.refused,
	}
	if p.configure != nil {
		p.configure(&c)
	}
	if p.openArchive != nil {
		c.OpenArchive = p.openArchive
	}
	if p.keepLetters != nil {
		c.Letters = p.keepLetters
	}
	return c
}

func (p *plant) realArchive(s *definition.StreamSource) (Archive, error) {
	return archive.Open(archive.Options{Dir: p.dir, Source: s})
}

func (p *plant) stop() {
	p.t.Helper()
	if p.worker == nil {
		return
	}
	ok(p.t, p.worker.Stop())
	ok(p.t, p.letters.Close())
	p.worker = nil
}

// testWriter shows the worker's log where a test fails.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("%s", b)
	return len(b), nil
}

// produce sends records to a partition.
func (p *plant) produce(topic string, number int32, records ...logrecord.Record) {
	p.t.Helper()
	id := partition0(topic, number)
	id.Generation = max(id.Generation, p.logs[topic])
	base, err := p.log.Produce(p.t.Context(), topic, number, records)
	ok(p.t, err)
	if want := int64(len(p.sent[id])); base != want {
		p.t.Fatalf("the log gave offset %d, want %d", base, want)
	}
	for i := range records {
		records[i].Partition, records[i].Offset = number, base+int64(i)
	}
	p.sent[id] = append(p.sent[id], records...)
}

func recordsOf(events ...event) []logrecord.Record {
	var out []logrecord.Record
	for _, e := range events {
		e.at, e.a = e.at/1000*1000, e.a/1000*1000 // the log keeps milliseconds
		out = append(out, logrecord.Record{LogTime: featurestore.LogTime(e.a), Value: e.json()})
	}
	return out
}

// parts decodes what was sent to a view's sources; what does not decode is left out.
func (p *plant) parts(view *definition.StreamView) []*part {
	p.t.Helper()
	var out []*part
	for _, id := range slices.SortedFunc(maps.Keys(p.sent), func(a, b online.Partition) int {
		return cmp.Or(cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.Number, b.Number))
	}) {
		i := slices.IndexFunc(view.Bindings, func(b definition.Binding) bool { return b.Source.Name == id.Source })
		if i < 0 {
			continue
		}
		d, err := decode.New(view.Bindings[i].Source, decode.Options{})
		ok(p.t, err)
		var batch decode.Batch
		for k := range p.sent[id] {
			if p.sent[id][k].Value == nil { // lost
				continue
			}
			_ = d.Append(&batch, &p.sent[id][k], featurestore.PartitionID{Generation: id.Generation, Partition: id.Number}) // a dead letter
		}
		out = append(out, &part{id: id, events: batch.Events})
	}
	return out
}

// settled waits until every lane of a generation stands at the end of all that
// was sent to its sources.
func (p *plant) settled(view *definition.StreamView, number uint32) {
	p.t.Helper()
	g := online.Generation{Project: "p", View: view.Name, Number: number}
	p.eventually("all lanes at the end", func() bool {
		lanes, err := p.store.Lanes(p.t.Context(), g, lanesOfTests)
		if err != nil {
			return false
		}
		for id, sent := range p.sent {
			reads := slices.ContainsFunc(view.Bindings, func(b definition.Binding) bool { return b.Source.Name == id.Source })
			for _, l := range lanes {
				if w, met := l.Watermarks[id]; reads && len(sent) > 0 && (!met || w.Offset != int64(len(sent))-1) {
					return false
				}
			}
		}
		return true
	})
}

// right waits for a generation to have everything and compares it with the oracle.
func (p *plant) right(view *definition.StreamView, number uint32) {
	p.t.Helper()
	p.settled(view, number)
	g := online.Generation{Project: "p", View: view.Name, Number: number}
	x := expect(p.t, view, p.parts(view)...)
	if len(x.rows) == 0 {
		p.t.Fatal("there is nothing to compare")
	}
	x.check(p.t, p.store, g, lanesOfTests)
}

// eventually waits for a state of the world that no channel tells of.
func (p *plant) eventually(what string, reached func() bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !reached() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			if p.worker != nil {
				for _, s := range p.worker.Progress().Statuses() {
					p.t.Logf("%+v", s)
				}
			}
			p.t.Fatalf("it never came to this: %s", what)
		}
	}
}

// state is the state of all lanes of a generation; StateMissing where they differ.
func (p *plant) state(view string, number uint32) online.State {
	p.t.Helper()
	lanes, err := p.store.Lanes(p.t.Context(), online.Generation{Project: "p", View: view, Number: number}, lanesOfTests)
	ok(p.t, err)
	for _, l := range lanes {
		if l.Meta.State != lanes[0].Meta.State {
			return online.StateMissing
		}
	}
	return lanes[0].Meta.State
}

// live is the number of a view's generation that the registry says is live.
func (p *plant) live(view string) uint32 {
	p.t.Helper()
	list, err := p.registry.Generations(p.t.Context())
	ok(p.t, err)
	for _, g := range list {
		if g.View == view && g.State == registry.Live {
			return g.Number
		}
	}
	return 0
}

// archived are the offsets of the archived events of a source, by partition.
func (p *plant) archived(s *definition.StreamSource) map[offline.Partition][]int64 {
	p.t.Helper()
	stream, err := history.New(history.Options{Root: p.dir, Dir: p.dir, Files: history.ArchiveOnly}).Scan(p.t.Context(), offline.Spec{Source: s})
	ok(p.t, err)
	defer func() { ok(p.t, stream.Close()) }()
	out := map[offline.Partition][]int64{}
	for {
		batch, err := stream.Next(p.t.Context())
		if errors.Is(err, io.EOF) {
			return out
		}
		ok(p.t, err)
		for i := range batch.Events {
			id := offline.Partition{Generation: batch.Partition.Generation, Partition: batch.Partition.Partition}
			out[id] = append(out[id], batch.Events[i].Offset)
		}
	}
}

// wantArchived wants every event of a source once, in its place.
func (p *plant) wantArchived(view *definition.StreamView) {
	p.t.Helper()
	for _, b := range view.Bindings {
		got := p.archived(b.Source)
		for _, x := range p.parts(view) {
			if x.id.Source != b.Source.Name {
				continue
			}
			var want []int64
			for i := range x.events {
				want = append(want, x.events[i].Offset)
			}
			if !slices.Equal(got[offline.Partition{Generation: x.id.Generation, Partition: x.id.Number}], want) {
				p.t.Errorf("%v: archived are %v, want %v", x.id, got[offline.Partition{Generation: x.id.Generation, Partition: x.id.Number}], want)
			}
		}
	}
}

// wipe removes a part's folder, as if it had never been.
func (p *plant) wipe(name string) {
	p.t.Helper()
	ok(p.t, os.RemoveAll(p.path(name)))
}
