// Package decode turns the records of a source into events, and events into
// records again for a replay. It is compiled once from a source's definition;
// then it scans each record once, reads the declared fields and checks the rest.
// What does not decode gives an *Error with a code, never a panic, a guess or
// half an event.
//
// It reads no log and no clock, and drops nothing: what to do with a bad record
// is the ingester's.
package decode

import (
	"fmt"

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

	// Schemas is the schema registry; nil where there is none.
	Schemas logrecord.Schemas
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
	written  timeReader // of pushed records

	form    form // of the declared format
	plain   form // of replayed records: JSON by the names of the fields
	pushed  form // of records that we write for a source of another format
	content content
	scratch []byte
}

// form reads the records of one format.
type form interface {
	// read fills c from a record's value, which is neither empty nor too large.
	// An error is an *Error, or of another kind where nothing is known of the
	// record because the schema registry does not answer.
	read(rec *logrecord.Record, times *timeReader, b *Batch, c *content) error
}

// content is what a record says: no row (a tombstone), one, or a row that takes
// another one's place.
type content struct {
	images  [2]image
	count   int
	mutated featurestore.Instant // of changes
}

// image is one row: a value a slot, and the event time where it is among them.
type image struct {
	row    []featurestore.Value
	change featurestore.Change
	when   featurestore.Instant
	timed  bool
}

// add gives the next row of the record, all null.
func (c *content) add(b *Batch, width int, change featurestore.Change) *image {
	m := &c.images[c.count]
	*m = image{row: b.row(width), change: change}
	c.count++
	return m
}

// New compiles a decoder. It is ErrInvalid where the source cannot be read.
func New(src *definition.StreamSource, opts Options) (*Decoder, error) {
	if opts.MaxBytes == 0 {
		opts.MaxBytes = 1 << 20
	}
	if opts.MaxDepth == 0 {
		opts.MaxDepth = 32
	}
	spec := src.Timestamp
	d := &Decoder{opts: opts, source: src, fields: len(src.Fields), timeSlot: -1}
	d.declared = timeReader{format: spec.Format, layout: spec.Layout, zone: spec.Zone}
	d.replayed, d.written = replayReader(spec), d.declared
	if spec.Format == definition.FormatNative {
		d.written = d.replayed
	}
	for i := range src.Fields {
		f := &src.Fields[i]
		if !readableType(f.Type) {
			return nil, featurestore.Invalidf("source %q: field %q of type %s cannot be read from records", src.Name, f.Name, f.Type)
		}
		d.slots = append(d.slots, slot{name: f.Name, path: f.At(), typ: f.Type, pii: f.PII})
	}
	if spec.Origin == definition.TimeField && !changeTime(d.source) {
		d.timeSlot = d.slotOf(spec.Name)
	}
	return d, d.compile()
}

func readableType(t featurestore.Type) bool {
	switch t.Kind {
	case featurestore.KindNull, featurestore.KindStruct:
		return false
	case featurestore.KindList, featurestore.KindMap:
		return t.Elem != nil && readableType(*t.Elem)
	}
	return true
}

// changeTime reports whether the event time is that of the change.
func changeTime(s *definition.StreamSource) bool {
	return s.Changes() && s.Timestamp.Name == definition.ChangeTime
}

// slotOf finds the slot of the timestamp, or adds one: it need not be a field.
func (d *Decoder) slotOf(name string) int {
	for i, s := range d.slots {
		if s.name == name {
			return i
		}
	}
	d.slots = append(d.slots, slot{name: name, path: []string{name}, typ: featurestore.Timestamp})
	return len(d.slots) - 1
}

// compile chooses the form.
func (d *Decoder) compile() error {
	plain, err := newJSONForm(d)
	if err != nil {
		return err
	}
	d.plain, d.form, d.pushed = plain, plain, plain
	switch d.source.Format {
	case definition.FormatJSON, "":
		if d.source.Schema != nil {
			d.form = &framedForm{d: d, inner: plain}
		}
	case definition.FormatCSV:
		d.form, err = newCSVForm(d)
	case definition.FormatAvro:
		d.form, err = newAvroForm(d)
	case definition.FormatProtobuf:
		d.form, err = newProtoForm(d)
	case definition.FormatDebezium:
		err = d.compileChanges(plain)
	default:
		err = featurestore.Invalidf("source %q: format %q is unknown", d.source.Name, d.source.Format)
	}
	if err == nil && d.source.Timestamp.Format == definition.FormatNative && d.source.Timestamp.Origin == definition.TimeField && !d.opts.Replay && !d.hasNativeTimes() {
		err = featurestore.Invalidf("source %q: %s has no native timestamp: declare rfc3339, unix_s, unix_ms, unix_us or layout", d.source.Name, d.source.Format)
	}
	return err
}

// hasNativeTimes reports whether the format has a timestamp type of its own.
func (d *Decoder) hasNativeTimes() bool {
	f := d.source.Format
	return f == definition.FormatAvro || f == definition.FormatProtobuf || f == definition.FormatDebezium && d.source.Schema != nil
}

// Append decodes one record to the end of the batch: as one event, as two where
// a row takes another one's place, or as none where a tombstone says nothing. at
// is the partition that it was read from; the position of a replayed record is
// its own. An error leaves the batch as it was. It is an *Error, but for one of
// kind ErrUnavailable where the record's schema cannot be asked for: then the
// same call may succeed later.
func (d *Decoder) Append(b *Batch, rec *logrecord.Record, at featurestore.PartitionID) error {
	values, events := b.values, len(b.Events)
	if err := d.append(b, rec, at); err != nil {
		b.undo(values)
		b.Events = b.Events[:events]
		return err
	}
	return nil
}

// placed is a record on its way to events: where it stands, and how its times are
// written.
type placed struct {
	rec      *logrecord.Record
	at       featurestore.Event // position and log time
	form     form
	times    *timeReader
	replayed bool
}

func (d *Decoder) append(b *Batch, rec *logrecord.Record, at featurestore.PartitionID) error {
	p := placed{rec: rec, form: d.form, times: &d.declared}
	p.at.LogTime, p.at.Position = rec.LogTime, featurestore.Position{PartitionID: at, Offset: rec.Offset}
	if rec.Headers != nil {
		if err := d.place(&p); err != nil {
			return err
		}
	}
	c := &d.content
	c.count = 0
	if err := d.read(&p, b, c); err != nil {
		return err
	}
	if d.source.Changes() && c.count == 1 && p.form == d.plain {
		writtenChange(&p, c)
	}
	if c.count == 0 {
		b.Tombstones++
		return nil
	}
	for i := range c.count {
		if err := d.event(b, &p, &c.images[i]); err != nil {
			return err
		}
	}
	return nil
}

// place reads the headers that we write ourselves.
func (d *Decoder) place(p *placed) error {
	h := p.rec.Headers
	if d.opts.Replay {
		var r logrecord.Replay
		if r, p.replayed = h.ReplayOf(); p.replayed {
			p.form, p.times = d.plain, &d.replayed
			p.at.LogTime = r.LogTime
			p.at.PartitionID = featurestore.PartitionID{Source: p.at.Source, Generation: r.Generation}
			p.at.Offset = r.Rank
		}
		if reason, refused := h.Get(logrecord.HeaderRefused); refused && len(p.rec.Value) == 0 {
			return &Error{Code: CodeHistory, Message: string(reason)}
		}
	}
	if !p.replayed && h.IsPushed() {
		p.form, p.times = d.pushed, &d.written
	}
	return nil
}

// read checks what is common to all formats, and reads.
func (d *Decoder) read(p *placed, b *Batch, c *content) error {
	rec := p.rec
	switch {
	case len(rec.Value) > d.opts.MaxBytes:
		return &Error{Code: CodeTooLarge, Message: fmt.Sprintf("the record has %d bytes; at most %d are taken", len(rec.Value), d.opts.MaxBytes)}
	case len(rec.Value) == 0 && rec.Value == nil && d.source.Changes():
		return nil // the tombstone that follows a deletion
	case len(rec.Value) == 0:
		return &Error{Code: CodeEmpty, Message: "the record has no value"}
	case p.times.format == definition.FormatNative && p.form == d.plain:
		return &Error{Code: CodeTime, Message: "the record is no replayed one, and JSON has no native timestamp"}
	}
	return p.form.read(rec, p.times, b, c)
}

// event appends the event of one row.
func (d *Decoder) event(b *Batch, p *placed, m *image) error {
	e := b.next()
	*e = p.at
	e.Fields = m.row[:d.fields:d.fields]
	if d.source.Key >= 0 && p.rec.Key != nil && e.Fields[d.source.Key].IsNull() {
		v, err := d.keyField(&b.text, p.rec.Key)
		if err != nil {
			return err
		}
		e.Fields[d.source.Key] = v
	}
	e.Time, e.Change = featurestore.EventTime(m.when), m.change
	if e.Change != featurestore.NoChange {
		e.Mutated = featurestore.EventTime(d.content.mutated)
	}
	if !m.timed {
		if m.change == featurestore.Retracted && d.timeSlot >= 0 {
			return noBefore("it has no %q, which says when the row happened", d.source.Timestamp.Name)
		}
		var err error
		if e.Time, err = d.time(p, e); err != nil {
			return err
		}
	}
	if e.Ahead() {
		return &Error{Code: CodeAhead, Field: d.source.Timestamp.Name, Message: fmt.Sprintf("the event time %s lies more than %s after the log time %s", e.Visible(), featurestore.AheadLimit, e.LogTime)}
	}
	if i := d.source.Sequence; i >= 0 {
		e.Sequence = e.Fields[i]
	}
	if i := d.source.EventID; i >= 0 {
		e.ID = idOf(&b.text, e.Fields[i])
	}
	return nil
}

// time finds an event time that no field gave.
func (d *Decoder) time(p *placed, e *featurestore.Event) (featurestore.EventTime, error) {
	spec := &d.source.Timestamp
	switch {
	case changeTime(d.source) && !p.replayed:
		return e.Mutated, nil
	case spec.Origin == definition.TimeField && !changeTime(d.source):
		return 0, &Error{Code: CodeNoTime, Field: spec.Name, Message: "the timestamp is missing or null"}
	case p.replayed:
		t, ok := p.rec.Headers.Micros(logrecord.HeaderEventTime)
		if !ok {
			return 0, &Error{Code: CodeNoTime, Message: fmt.Sprintf("the replayed record has no header %q", logrecord.HeaderEventTime)}
		}
		return featurestore.EventTime(t), nil
	case spec.Origin == definition.TimeRecord:
		return featurestore.EventTime(e.LogTime), nil
	}
	return headerTime(p.rec, spec.Name, p.times)
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

// Pushed makes a record of an event in JSON, such that this decoder reads it
// whatever the format of the source's records: fields stand in it as they do
// there, and an event of a change feed is a change. The value is not copied.
func (d *Decoder) Pushed(json []byte, at featurestore.LogTime) logrecord.Record {
	rec := logrecord.Record{LogTime: at, Value: json}
	if d.form != d.pushed {
		rec.Headers = rec.Headers.Append(logrecord.HeaderPushed, []byte{})
	}
	return rec
}

// idOf gives an event id as text; null is no id.
func idOf(t *text, v featurestore.Value) string {
	if v.Kind() == featurestore.KindInt64 {
		return t.integer(v.Int64())
	}
	return v.Str()
}
