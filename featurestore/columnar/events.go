// Package columnar holds decoded events column by column. An event takes a few
// dozen bytes of it and no pointer, where an event of its own takes hundreds: what
// is decoded ahead of the store stays small, and costs the collector nothing.
package columnar

import (
	"iter"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// Events are events of one source in the order in which they were appended. They
// are used again after Reset: what All gives is valid until then. They are not safe
// for concurrent use, but for readers alone.
type Events struct {
	source *definition.StreamSource
	most   int // that it may come to hold; 0 is not known

	places  []place
	offsets []int64
	times   []featurestore.EventTime
	logs    []featurestore.LogTime
	changes []featurestore.Change    // of change feeds
	mutated []featurestore.EventTime // likewise
	ids     Column                   // of sources with an event id
	fields  []Column
}

// place is where events stand from a row on.
type place struct {
	row int
	id  featurestore.PartitionID
}

// New gives room for events of a source.
func New(source *definition.StreamSource) *Events { return newEvents(source, false) }

// NewStored is New with lists and maps kept as the JSON text of
// featurestore.AppendJSON, as files hold them. It takes rows of other Events alone.
func NewStored(source *definition.StreamSource) *Events { return newEvents(source, true) }

func newEvents(source *definition.StreamSource, stored bool) *Events {
	e := &Events{source: source, ids: Column{typ: featurestore.String, form: asText}, fields: make([]Column, len(source.Fields))}
	for i := range e.fields {
		e.fields[i] = Column{typ: source.Fields[i].Type, form: formOf(source.Fields[i].Type.Kind)}
		if stored && e.fields[i].form == asValue {
			e.fields[i].form = asText
		}
	}
	return e
}

// Expect says how many events there may come to be. Once there are more than a few,
// room is made for all of them, instead of moving them again and again.
func (e *Events) Expect(n int) { e.most = n }

// Len is how many events there are.
func (e *Events) Len() int { return len(e.offsets) }

// Bytes is what the events take, about.
func (e *Events) Bytes() int {
	n := len(e.offsets)*rowBytes + e.ids.bytes()
	for i := range e.fields {
		n += e.fields[i].bytes()
	}
	return n
}

// EventBytes is what an event of a source takes at least, but for its texts.
func EventBytes(source *definition.StreamSource) int {
	return rowBytes + len(source.Fields)*fieldBytes
}

// fieldBytes is what a field takes beside its text: its bits, or where that ends, and
// whether it is there.
const fieldBytes = 9

// rowBytes is what an event takes beside its fields.
const rowBytes = 24

// Columns that every event has. They must not be changed.

// Offsets are the events' offsets.
func (e *Events) Offsets() []int64 { return e.offsets }

// Times are the events' times.
func (e *Events) Times() []featurestore.EventTime { return e.times }

// LogTimes are the events' log times.
func (e *Events) LogTimes() []featurestore.LogTime { return e.logs }

// Changes says what each event is; empty where the source is no change feed.
func (e *Events) Changes() []featurestore.Change { return e.changes }

// Mutated says when each change happened; empty where the source is no change feed.
func (e *Events) Mutated() []featurestore.EventTime { return e.mutated }

// Field is the column of a field.
func (e *Events) Field(i int) *Column { return &e.fields[i] }

// Append copies an event behind the others. It is ErrInvalid for one that has not
// the fields of the source.
func (e *Events) Append(ev *featurestore.Event) error {
	if err := e.check(ev); err != nil {
		return err
	}
	if len(e.offsets) == cap(e.offsets) {
		e.grow(1)
	}
	if n := len(e.places); n == 0 || e.places[n-1].id != ev.PartitionID {
		e.places = append(e.places, place{len(e.offsets), ev.PartitionID})
	}
	e.offsets, e.times, e.logs = append(e.offsets, ev.Offset), append(e.times, ev.Time), append(e.logs, ev.LogTime)
	if e.source.Changes() {
		e.changes, e.mutated = append(e.changes, ev.Change), append(e.mutated, ev.Mutated)
	}
	if e.source.EventID >= 0 {
		e.ids.addText(ev.ID)
	}
	for i := range e.fields {
		e.fields[i].add(&ev.Fields[i])
	}
	return nil
}

func (e *Events) check(ev *featurestore.Event) error {
	if len(ev.Fields) != len(e.fields) {
		return featurestore.Invalidf("source %q, offset %d: the event has %d fields, the source %d", e.source.Name, ev.Offset, len(ev.Fields), len(e.fields))
	}
	for i := range ev.Fields {
		if k := ev.Fields[i].Kind(); k != featurestore.KindNull && k != e.fields[i].typ.Kind {
			return featurestore.Invalidf("source %q, offset %d: field %q: a %s in place of a %s", e.source.Name, ev.Offset, e.source.Fields[i].Name, k, e.fields[i].typ)
		}
	}
	return nil
}

// few is how many events are held before room is made for all that may come.
const few = 4096

// grow makes room for n more events, and for others that follow.
func (e *Events) grow(n int) {
	have := len(e.offsets)
	room := max(2*have, have+n, 64)
	if have+n > few && room < e.most {
		room = e.most
	}
	more := room - have
	e.offsets, e.times, e.logs = slices.Grow(e.offsets, more), slices.Grow(e.times, more), slices.Grow(e.logs, more)
	if e.source.Changes() {
		e.changes, e.mutated = slices.Grow(e.changes, more), slices.Grow(e.mutated, more)
	}
	if e.source.EventID >= 0 {
		e.ids.grow(have, more)
	}
	for i := range e.fields {
		e.fields[i].grow(have, more)
	}
}

// AppendRows copies rows from up to to of events of the same source behind the
// others. It is ErrInvalid where their fields are not the same.
func (e *Events) AppendRows(of *Events, from, to int) error {
	if err := e.fits(of); err != nil {
		return err
	}
	if from >= to {
		return nil
	}
	if len(e.offsets)+to-from > cap(e.offsets) {
		e.grow(to - from)
	}
	of.eachPlace(from, to, func(id featurestore.PartitionID, from, to int) {
		if n := len(e.places); n == 0 || e.places[n-1].id != id {
			e.places = append(e.places, place{len(e.offsets), id})
		}
		e.offsets = append(e.offsets, of.offsets[from:to]...)
	})
	e.times, e.logs = append(e.times, of.times[from:to]...), append(e.logs, of.logs[from:to]...)
	if e.source.Changes() {
		e.changes, e.mutated = append(e.changes, of.changes[from:to]...), append(e.mutated, of.mutated[from:to]...)
	}
	if e.source.EventID >= 0 {
		e.ids.addRows(&of.ids, from, to)
	}
	for i := range e.fields {
		e.fields[i].addRows(&of.fields[i], from, to)
	}
	return nil
}

func (e *Events) fits(of *Events) error {
	same := len(e.fields) == len(of.fields) && e.source.Changes() == of.source.Changes() && (e.source.EventID >= 0) == (of.source.EventID >= 0)
	for i := 0; same && i < len(e.fields); i++ {
		same = e.fields[i].typ.Equal(of.fields[i].typ)
	}
	if !same {
		return featurestore.Invalidf("source %q: the events are of another definition of it", e.source.Name)
	}
	return nil
}

// Runs gives the rows partition by partition: where those of one end, others begin.
func (e *Events) Runs() iter.Seq2[featurestore.PartitionID, [2]int] {
	return func(yield func(featurestore.PartitionID, [2]int) bool) {
		for i, p := range e.places {
			end := len(e.offsets)
			if i+1 < len(e.places) {
				end = e.places[i+1].row
			}
			if !yield(p.id, [2]int{p.row, end}) {
				return
			}
		}
	}
}

func (e *Events) eachPlace(from, to int, do func(id featurestore.PartitionID, from, to int)) {
	for id, rows := range e.Runs() {
		if a, b := max(from, rows[0]), min(to, rows[1]); a < b {
			do(id, a, b)
		}
	}
}

// Reset empties it and keeps its memory.
func (e *Events) Reset() {
	e.places, e.offsets, e.times, e.logs = e.places[:0], e.offsets[:0], e.times[:0], e.logs[:0]
	e.changes, e.mutated = e.changes[:0], e.mutated[:0]
	e.ids.reset()
	for i := range e.fields {
		e.fields[i].reset()
	}
}

// All gives the events in order, each valid until the next. Texts, lists and maps
// in them are valid until Reset.
func (e *Events) All() iter.Seq[*featurestore.Event] {
	return func(yield func(*featurestore.Event) bool) {
		ev := &featurestore.Event{Fields: make([]featurestore.Value, len(e.fields))}
		for id, rows := range e.Runs() {
			ev.PartitionID = id
			for row := rows[0]; row < rows[1]; row++ {
				e.read(row, ev)
				if !yield(ev) {
					return
				}
			}
		}
	}
}

// read makes ev the event of a row, but for its partition.
func (e *Events) read(row int, ev *featurestore.Event) {
	ev.Offset, ev.Time, ev.LogTime = e.offsets[row], e.times[row], e.logs[row]
	for i := range e.fields {
		ev.Fields[i] = e.fields[i].value(row)
	}
	if e.source.Changes() {
		ev.Change, ev.Mutated = e.changes[row], e.mutated[row]
	}
	if i := e.source.Sequence; i >= 0 {
		ev.Sequence = ev.Fields[i]
	}
	if e.source.EventID >= 0 {
		ev.ID = e.ids.text(row)
	}
}
