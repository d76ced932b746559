package load

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/transforms/window"
)

// Partition is one partition of one life of a topic.
type Partition struct {
	Source     string
	Generation uint32
	Number     int32
}

// Placed is an event with its place in the log.
type Placed struct {
	Event
	Offset int64
}

// Ledger is what the log has committed. It is safe for concurrent use.
type Ledger struct {
	mu      sync.Mutex
	parts   map[Partition][]Placed
	ends    map[Partition]int64 // the end of the log: markers and aborted records have offsets, too
	records int64
	newest  featurestore.Instant
}

// NewLedger is empty.
func NewLedger() *Ledger {
	return &Ledger{parts: map[Partition][]Placed{}, ends: map[Partition]int64{}}
}

// Committed notes events in their places, and where the log ends now.
func (l *Ledger) Committed(p Partition, base int64, events []Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, e := range events {
		l.parts[p] = append(l.parts[p], Placed{e, base + int64(i)})
		l.newest = max(l.newest, featurestore.Instant(e.LogTime), min(featurestore.Instant(e.Time), featurestore.Instant(e.LogTime)+featurestore.Instant(5*featurestore.Minute)))
	}
	l.records += int64(len(events))
	l.ends[p] = max(l.ends[p], base+int64(len(events)))
}

// Ends notes that the log of a partition ends at an offset.
func (l *Ledger) Ends(p Partition, end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends[p] = end
}

// Clone is a ledger of its own that says the same.
func (l *Ledger) Clone() *Ledger {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := &Ledger{parts: map[Partition][]Placed{}, ends: maps.Clone(l.ends), records: l.records, newest: l.newest}
	for p, list := range l.parts {
		out.parts[p] = slices.Clone(list)
	}
	return out
}

// NewLife says that the topics of a source are another log from now on: of what
// was, what was applied stays, up to the ends that are given; the new log holds
// what the old one held from the starts on.
func (l *Ledger) NewLife(source string, generation uint32, applied, starts map[int32]int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p, list := range l.parts {
		if p.Source != source || p.Generation != generation-1 {
			continue
		}
		next := Partition{Source: source, Generation: generation, Number: p.Number}
		for _, e := range list {
			if e.Offset >= starts[p.Number] {
				l.parts[next] = append(l.parts[next], e)
			}
		}
		l.ends[next] = l.ends[p]
		l.parts[p] = slices.DeleteFunc(list, func(e Placed) bool { return e.Offset >= applied[p.Number] })
	}
}

// Put puts a partition back as another ledger has it.
func (l *Ledger) Put(p Partition, from *Ledger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parts[p] = slices.Clone(from.parts[p])
}

// Forget drops what stands at an offset or after it: the log was cut there.
func (l *Ledger) Forget(p Partition, from int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parts[p] = slices.DeleteFunc(l.parts[p], func(x Placed) bool { return x.Offset >= from })
	l.ends[p] = from
}

// Records are how many were committed.
func (l *Ledger) Records() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.records
}

// End is where a partition's log ends.
func (l *Ledger) End(p Partition) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ends[p]
}

// Partitions are all that have a record.
func (l *Ledger) Partitions() []Partition {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Partition
	for p := range l.ends {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Partition) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.Number, b.Number))
	})
	return out
}

// Newest is the greatest instant that a state can have folded.
func (l *Ledger) Newest() featurestore.Instant {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.newest
}

// Events are those of a partition, in order.
func (l *Ledger) Events(p Partition) []Placed {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.parts[p])
}

// Rows are all rows of a view by entity key, as plain code makes them of what
// was sent: an entity that only late or filtered events are about has an entry
// too.
func (l *Ledger) Rows(view *definition.StreamView) (map[string]*Entity, error) {
	out := map[string]*Entity{}
	var types []featurestore.Type
	for _, k := range view.Entity.Keys {
		types = append(types, k.Type)
	}
	for _, p := range l.Partitions() {
		i := slices.IndexFunc(view.Bindings, func(b definition.Binding) bool { return b.Source.Name == p.Source })
		if i < 0 {
			continue
		}
		b := &view.Bindings[i]
		for _, e := range l.Events(p) {
			if e.Poison != "" {
				continue
			}
			for _, x := range e.effects() {
				if err := add(out, b, types, e.changed(row(b, uint16(i), p, &e), x), fields(b.Source, x.event)); err != nil {
					return nil, err
				}
			}
		}
	}
	return out, nil
}

func add(out map[string]*Entity, b *definition.Binding, types []featurestore.Type, r window.Row, values []featurestore.Value) error {
	if b.Where != nil {
		if keep, _ := b.Where.Eval(values); !keep.Bool() {
			return nil
		}
	}
	var key []featurestore.Value
	for _, k := range b.Keys {
		v, _ := k.Eval(values)
		if v.IsNull() {
			return nil
		}
		key = append(key, v)
	}
	bytes, err := codec.AppendKey(nil, types, key)
	if err != nil {
		return err
	}
	for _, p := range b.Inputs {
		v, _ := p.Eval(values)
		r.Inputs = append(r.Inputs, v)
	}
	x := out[string(bytes)]
	if x == nil {
		x = &Entity{Key: key, Bytes: bytes}
		out[string(bytes)] = x
	}
	x.rows = append(x.rows, r)
	return nil
}

func fields(s *definition.StreamSource, e *Event) []featurestore.Value {
	out := make([]featurestore.Value, len(s.Fields))
	for i := range s.Fields {
		out[i] = e.value(s.Fields[i].Name, s.Fields[i].Type)
	}
	return out
}

func row(b *definition.Binding, source uint16, p Partition, e *Placed) window.Row {
	r := window.Row{Time: e.Time, LogTime: e.LogTime}
	if b.Source.Sequence >= 0 {
		r.Sequence = featurestore.Int64Value(e.Seq)
	}
	r.Position = featurestore.Position{PartitionID: featurestore.PartitionID{Source: source, Generation: p.Generation, Partition: p.Number}, Offset: e.Offset}
	if b.Source.EventID >= 0 {
		r.ID = e.ID
	}
	return r
}
