package worker

import (
	"context"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/decode"
	"github.com/freshet/freshet/ingest/logrecord"
	"github.com/freshet/freshet/transforms/window"
)

// modelRecord is one offset of a log: a record, or what gives none (a marker, an
// aborted transaction).
type modelRecord struct {
	record  logrecord.Record
	visible bool
	removed bool                // by compaction
	event   *featurestore.Event // nil where it is none
	key     string              // of its entity; "" where no entity has it
	row     window.Row
}

// modelPart is one partition of a log. begin is where it began for everybody.
type modelPart struct {
	id           online.Partition
	binding      int
	begin, start int64
	records      []modelRecord // the index is the offset; what lies before start has expired
	lives        int           // how often its end was replaced
	clock        int64         // the newest log time

	// truth is what counts: the log's own records, until one was replaced of
	// which somebody had kept something. Then it is what stood before, the
	// partition is broken, and nothing of what stands now may ever be applied.
	truth  []modelRecord
	broken bool
	cut    int64 // the least offset that was replaced
}

func (m *modelPart) end() int64 { return int64(len(m.records)) }

// modelLog is the topics of a world.
type modelLog struct {
	topics   map[string][]*modelPart
	view     *definition.StreamView
	decoders []*decode.Decoder // by binding
	batch    *decode.Batch
	until    featurestore.Instant // after every record
}

func (l *modelLog) addPart(topic string, binding int, begin int64) *modelPart {
	m := &modelPart{id: partition0(topic, int32(len(l.topics[topic]))), binding: binding, begin: begin, start: begin, clock: 1_700_000_000 * micros}
	m.records = make([]modelRecord, begin, begin+16)
	m.truth = m.records
	l.topics[topic] = append(l.topics[topic], m)
	return m
}

// all are all partitions, in a fixed order.
func (l *modelLog) all() []*modelPart {
	return append(slices.Clone(l.topics["clicks"]), l.topics["orders"]...)
}

// produce appends a record: of an event on some edge, or of none.
func (l *modelLog) produce(m *modelPart, t *tape, visible bool) {
	m.clock += []int64{0, 1000, micros, 10 * micros, 61 * micros}[t.n(5)]
	e := event{user: string(rune('a' + t.n(4))), v: int64(t.n(7)), seq: int64(t.n(3)), a: m.clock}
	e.at = e.a - []int64{0, 1, 5 * micros, 60 * micros, 61 * micros, -30 * micros, -300 * micros}[t.n(7)]
	kind := t.n(24)
	switch {
	case kind > 20:
		e.user = ""
	case kind > 18:
		e.drop = true
	case kind > 9:
		e.id = string(rune('p' + t.n(3)))
	}
	r := modelRecord{visible: visible || kind != 9}
	r.record = logrecord.Record{Partition: m.id.Number, Offset: m.end(), LogTime: featurestore.LogTime(e.a), Value: e.json()}
	if kind == 8 {
		r.record.Value = []byte("{poison")
	}
	if r.visible {
		l.understand(m, &r)
	}
	m.records = append(m.records, r)
	if !m.broken {
		m.truth = m.records
	}
}

// understand notes what a record is to the view, by plain code.
func (l *modelLog) understand(m *modelPart, r *modelRecord) {
	before := len(l.batch.Events)
	id := featurestore.PartitionID{Source: uint16(m.binding), Generation: m.id.Generation, Partition: m.id.Number}
	if l.decoders[m.binding].Append(l.batch, &r.record, id) != nil || len(l.batch.Events) == before {
		return
	}
	own, b := l.batch.Events[before], &l.view.Bindings[m.binding]
	ev := &own
	r.event = ev
	l.until = max(l.until, featurestore.Instant(ev.Time)+1, featurestore.Instant(ev.LogTime)+1)
	user, _ := b.Keys[0].Eval(ev.Fields)
	if keep, _ := b.Where.Eval(ev.Fields); !keep.Bool() || user.IsNull() {
		return
	}
	key, err := codec.AppendKey(nil, []featurestore.Type{featurestore.String}, []featurestore.Value{user})
	if err != nil {
		return
	}
	r.key = string(key)
	r.row = window.Row{Position: ev.Position, Time: ev.Time, LogTime: ev.LogTime, Sequence: ev.Sequence, ID: ev.ID}
	r.row.PartitionID = id
	for _, program := range b.Inputs {
		v, _ := program.Eval(ev.Fields)
		r.row.Inputs = append(r.row.Inputs, v)
	}
}

// logOf is the log as one process sees it.
type logOf struct {
	logrecord.Log // what is not called
	p             *process
}

func (l logOf) part(topic string, number int32) *modelPart { return l.p.w.log.topics[topic][number] }

func (l logOf) Partitions(_ context.Context, topic string) (int, error) {
	return len(l.p.w.log.topics[topic]), l.p.perhapsAway("log")
}

func (l logOf) Bounds(_ context.Context, topic string, number int32) (logrecord.Bounds, error) {
	m := l.part(topic, number)
	return logrecord.Bounds{Start: m.start, End: m.end()}, l.p.perhapsAway("log")
}

func (l logOf) Open(_ context.Context, topic string, number int32, from int64) (logrecord.Reader, error) {
	m := l.part(topic, number)
	return &modelReader{p: l.p, part: m, from: from, lives: m.lives}, l.p.perhapsAway("log")
}

func (l logOf) Peek(_ context.Context, topic string, number int32, offset int64) (*logrecord.Batch, error) {
	m := l.part(topic, number)
	b := &logrecord.Batch{Partition: number, Next: m.end(), LastStable: m.end()}
	for at := max(offset, m.start); at < m.end() && len(b.Records) == 0; at++ {
		if m.records[at].visible && !m.records[at].removed {
			b.Records = append(b.Records, m.records[at].record)
		}
	}
	return b, l.p.perhapsAway("log")
}

// modelReader reads one partition.
type modelReader struct {
	p     *process
	part  *modelPart
	from  int64
	lives int
}

// Next gives some records. Where a log was replaced below a reader's feet, its
// client was told so by the broker, or has lost the connection at least.
func (r *modelReader) Next(context.Context) (*logrecord.Batch, error) {
	m := r.part
	if err := r.p.perhapsAway("log"); err != nil {
		return nil, err
	}
	interrupted := r.lives != m.lives
	if r.lives = m.lives; interrupted && r.p.w.n(2) == 1 {
		return nil, featurestore.Unavailablef("the partition has another leader")
	}
	if r.from < m.start || r.from > m.end() {
		return nil, &logrecord.OutOfRangeError{Topic: m.id.Source, Partition: m.id.Number, Offset: r.from, Start: m.start, End: m.end()}
	}
	to := m.end()
	if r.p.w.faults {
		to = min(r.from+1+int64(r.p.w.n(4)), to)
	}
	b := &logrecord.Batch{Partition: m.id.Number, Interrupted: interrupted, Next: to, LogStart: m.start, LastStable: m.end(), FetchTime: featurestore.Instant(r.p.w.clock + r.p.skew)}
	for i, rec := range m.records[r.from:to] {
		switch at := r.from + int64(i); {
		case rec.removed:
			b.Removed = append(b.Removed, logrecord.Offsets{From: at, To: at + 1})
		case rec.visible:
			b.Records = append(b.Records, rec.record)
		}
	}
	r.from = to
	return b, nil
}

func (r *modelReader) Close() error { return nil }
