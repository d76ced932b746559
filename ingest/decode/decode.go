// Package decode turns the JSON records of a source into events, and events
// into records again for a replay. It is compiled once from a source's
// definition; then it scans each record once, reads the declared fields and
// checks the rest. What does not decode gives an *Error with a code, never a
// panic, a guess or half an event.
//
// It reads no log and no clock, and drops nothing: what to do with a bad record
// is the ingester's.
package decode

import (
	"fmt"
	"unicode/utf8"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/logrecord"
)

// Options bound what a record may be. Zero values take the defaults.
type Options struct {
	MaxBytes int // of a record's value; default 1 MiB
	MaxDepth int // of arrays and objects in it; default 32

	// Replay honours the headers of replayed history (logrecord.HeaderGeneration
	// and its kin). It must be set for replay topics only.
	Replay bool
}

// Decoder decodes the records of one source. It is cheap, and not safe for
// concurrent use: one a goroutine.
type Decoder struct {
	opts     Options
	source   *definition.StreamSource
	slots    []slot
	fields   int // the first so many slots are the source's fields
	timeSlot int // -1: the time is not in a field
	declared timeReader
	replayed timeReader
	names    lookup
	seen     []bool // by slot, in this record
	scratch  []byte
}

// slot is one name that is read from the object.
type slot struct {
	name string
	typ  featurestore.Type
	pii  bool
}

// New compiles a decoder. It is ErrInvalid where the source cannot be read from
// JSON.
func New(src *definition.StreamSource, opts Options) (*Decoder, error) {
	if opts.MaxBytes == 0 {
		opts.MaxBytes = 1 << 20
	}
	if opts.MaxDepth == 0 {
		opts.MaxDepth = 32
	}
	spec := src.Timestamp
	if spec.Format == definition.FormatNative && !opts.Replay {
		return nil, featurestore.Invalidf("source %q: JSON has no native timestamp: declare rfc3339, unix_s, unix_ms, unix_us or layout", src.Name)
	}
	d := &Decoder{opts: opts, source: src, fields: len(src.Fields), timeSlot: -1}
	d.declared = timeReader{format: spec.Format, layout: spec.Layout, zone: spec.Zone}
	d.replayed = replayReader(spec)
	for _, f := range src.Fields {
		if f.Type.Kind < featurestore.KindBool || f.Type.Kind > featurestore.KindDecimal {
			return nil, featurestore.Invalidf("source %q: field %q of type %s cannot be read from JSON records", src.Name, f.Name, f.Type)
		}
		d.slots = append(d.slots, slot{name: f.Name, typ: f.Type, pii: f.PII})
	}
	if spec.Origin == definition.TimeField {
		d.timeSlot = d.slotOf(spec.Name)
	}
	d.names = newLookup(d.slots)
	d.seen = make([]bool, len(d.slots))
	return d, nil
}

// slotOf finds the slot of the timestamp, or adds one: it need not be a field.
func (d *Decoder) slotOf(name string) int {
	for i, s := range d.slots {
		if s.name == name {
			return i
		}
	}
	d.slots = append(d.slots, slot{name: name, typ: featurestore.Timestamp})
	return len(d.slots) - 1
}

// Append decodes one record to the end of the batch. at is the partition that
// it was read from; the position of a replayed record is its own. An error is
// an *Error, and leaves the batch as it was.
func (d *Decoder) Append(b *Batch, rec *logrecord.Record, at featurestore.PartitionID) error {
	row := b.row(len(d.slots))
	e, err := d.event(&b.text, rec, at, row)
	if err != nil {
		b.values = b.values[:len(b.values)-len(row)]
		return err
	}
	b.Events = append(b.Events, e)
	return nil
}

func (d *Decoder) event(t *text, rec *logrecord.Record, at featurestore.PartitionID, row []featurestore.Value) (featurestore.Event, error) {
	e := featurestore.Event{LogTime: rec.LogTime, Position: featurestore.Position{PartitionID: at, Offset: rec.Offset}}
	times, replayed := &d.declared, false
	if d.opts.Replay && rec.Headers != nil {
		var r logrecord.Replay
		if r, replayed = rec.Headers.ReplayOf(); replayed {
			times = &d.replayed
			e.LogTime = r.LogTime
			e.Position = featurestore.Position{PartitionID: featurestore.PartitionID{Source: at.Source, Generation: r.Generation}, Offset: r.Rank}
		}
		if reason, refused := rec.Headers.Get(logrecord.HeaderRefused); refused && len(rec.Value) == 0 {
			return e, &Error{Code: CodeHistory, Message: string(reason)}
		}
	}
	if times.format == definition.FormatNative {
		return e, &Error{Code: CodeTime, Message: "the record is no replayed one, and JSON has no native timestamp"}
	}
	when, found, err := d.object(t, rec.Value, row, times)
	if err != nil {
		return e, err
	}
	e.Fields = row[:d.fields:d.fields]
	e.Time = featurestore.EventTime(when)
	if !found {
		if e.Time, err = d.time(rec, e.LogTime, times, replayed); err != nil {
			return e, err
		}
	}
	if e.Ahead() {
		return e, &Error{Code: CodeAhead, Field: d.source.Timestamp.Name, Message: fmt.Sprintf("the event time %s lies more than %s after the log time %s", e.Time, featurestore.AheadLimit, e.LogTime)}
	}
	if i := d.source.Sequence; i >= 0 {
		e.Sequence = row[i]
	}
	if i := d.source.EventID; i >= 0 {
		e.ID = idOf(t, row[i])
	}
	return e, nil
}

// object scans the record. It gives the event time where that is a field and
// found there.
func (d *Decoder) object(t *text, value []byte, row []featurestore.Value, times *timeReader) (when featurestore.Instant, found bool, err error) {
	switch {
	case len(value) == 0:
		return 0, false, &Error{Code: CodeEmpty, Message: "the record has no value"}
	case len(value) > d.opts.MaxBytes:
		return 0, false, &Error{Code: CodeTooLarge, Message: fmt.Sprintf("the record has %d bytes; at most %d are taken", len(value), d.opts.MaxBytes)}
	case !utf8.Valid(value):
		return 0, false, &Error{Code: CodeUTF8, Message: "the record is not valid UTF-8"}
	}
	r := objectReader{d: d, scanner: scanner{b: value, maxDepth: d.opts.MaxDepth}, text: t, row: row, times: times}
	clear(d.seen)
	r.read()
	if r.err != nil {
		return 0, false, r.err
	}
	return r.time, r.hasTime, nil
}

// time finds an event time that no field gave.
func (d *Decoder) time(rec *logrecord.Record, a featurestore.LogTime, times *timeReader, replayed bool) (featurestore.EventTime, error) {
	spec := &d.source.Timestamp
	switch {
	case spec.Origin == definition.TimeField:
		return 0, &Error{Code: CodeNoTime, Field: spec.Name, Message: "the timestamp is missing or null"}
	case replayed:
		t, ok := rec.Headers.Micros(logrecord.HeaderEventTime)
		if !ok {
			return 0, &Error{Code: CodeNoTime, Message: fmt.Sprintf("the replayed record has no header %q", logrecord.HeaderEventTime)}
		}
		return featurestore.EventTime(t), nil
	case spec.Origin == definition.TimeRecord:
		return featurestore.EventTime(a), nil
	}
	return headerTime(rec, spec.Name, times)
}

func headerTime(rec *logrecord.Record, name string, times *timeReader) (featurestore.EventTime, error) {
	v, _ := rec.Headers.Get(name)
	if v == nil {
		return 0, &Error{Code: CodeNoTime, Message: fmt.Sprintf("the record has no header %q", name)}
	}
	read := times.number
	if times.isText() {
		read = times.text
	}
	t, err := read(v)
	if err != nil {
		return 0, timeError(name, v, false, err)
	}
	return featurestore.EventTime(t), nil
}
