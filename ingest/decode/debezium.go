package decode

import (
	"fmt"
	"unicode/utf8"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/schema"
	"github.com/freshet/freshet/ingest/logrecord"
)

// The names of a Debezium record. An envelope says what a row was before a change
// and is after it; a flattened record (ExtractNewRecordState) is the row itself,
// with what the transform was told to add. A wrapped one stands below "payload",
// beside its schema.
const (
	memberBefore = "before"
	memberAfter  = "after"
	memberSource = "source"
	memberOp     = "op"
	memberTime   = "ts_ms"

	flatOp         = "__op"
	flatDeleted    = "__deleted"
	flatSourceTime = "__source_ts_ms"
	flatTime       = "__ts_ms"
)

// unavailable stands in place of a large value that the database did not send
// because it did not change.
const unavailable = "__debezium_unavailable_value"

// compileChanges chooses the forms of a change feed.
func (d *Decoder) compileChanges(row *jsonForm) (err error) {
	json := &debeziumJSON{d: d, row: row}
	d.form, d.pushed = json, json
	if d.source.Schema != nil {
		d.form, err = newDebeziumAvro(d, json)
	}
	return err
}

// change is what a record says of a row.
type change struct {
	op            string
	before, after bool // whether they stand, and are not null
	flat          bool // there is one image only, which was read as after
	at            int64
	timed         bool
}

// noBefore says that a change cannot be taken back from what it was added to.
func noBefore(format string, args ...any) *Error {
	return &Error{Code: CodeNoBefore, Message: "the row before the change is not known: " + fmt.Sprintf(format, args...) +
		"; let the database log whole rows (PostgreSQL: ALTER TABLE ... REPLICA IDENTITY FULL; MySQL: binlog_row_image=FULL)"}
}

// settle keeps of a record's two images, before and after, what takes effect, in
// that order.
func (d *Decoder) settle(ch *change, c *content) *Error {
	from, to, err := d.imagesOf(ch, c)
	if err != nil {
		return err
	}
	if !ch.timed {
		return &Error{Code: CodeDebezium, Message: "the record does not say when the change happened: neither source.ts_ms nor ts_ms" + flatHint(ch)}
	}
	at, bad := inUnit(ch.at, schema.Millis)
	if bad != nil {
		return &Error{Code: CodeTime, Message: fmt.Sprintf("the time of the change, %d ms, is no time: %v", ch.at, bad)}
	}
	c.mutated, c.count = at, to-from
	if from > 0 {
		c.images[0] = c.images[from]
	}
	for i := range c.count {
		if err := d.complete(&c.images[i]); err != nil {
			return err
		}
	}
	return nil
}

func flatHint(ch *change) string {
	if ch.flat {
		return "; give the transform add.fields=op,source.ts_ms"
	}
	return ""
}

// imagesOf says which of the images an operation leaves: from the one up to
// before the other.
func (d *Decoder) imagesOf(ch *change, c *content) (from, to int, err *Error) {
	c.images[0].change, c.images[1].change = featurestore.Retracted, featurestore.Added
	fail := func(format string, args ...any) (int, int, *Error) {
		return 0, 0, &Error{Code: CodeDebezium, Message: fmt.Sprintf(format, args...)}
	}
	if changeTime(d.source) && (ch.op == "u" || ch.op == "d") {
		return fail("operation %q cannot be taken back: the event time is declared to be that of the change, so that the row's own is not known; declare a timestamp of the row", ch.op)
	}
	switch ch.op {
	case "c", "r":
		if !ch.after {
			return fail("operation %q without the row that it adds", ch.op)
		}
		return 1, 2, nil
	case "u":
		switch {
		case ch.flat:
			return 0, 0, noBefore("a flattened update holds the new row only: read the envelope, without ExtractNewRecordState")
		case !ch.before:
			return 0, 0, noBefore("the update has no before-image")
		case !ch.after:
			return fail("an update without the row that it leaves")
		}
		return 0, 2, nil
	case "d":
		if ch.flat { // the transform's rewrite keeps what the row was
			c.images[1].change = featurestore.Retracted
			return 1, 2, nil
		}
		if !ch.before {
			return 0, 0, noBefore("the deletion has no before-image")
		}
		return 0, 1, nil
	case "t":
		return 0, 0, &Error{Code: CodeTruncate, Message: "the table was emptied, which does not say which rows are gone: build the views anew from a new snapshot"}
	case "":
		return fail("the record is neither an envelope (op, before, after, source) nor a flattened row that says its operation (__op): give the transform ExtractNewRecordState add.fields=op,source.ts_ms and delete.handling.mode=rewrite")
	}
	return fail("operation %s is no change of a row", shown([]byte(ch.op), false))
}

// complete refuses a row with a value that the database did not send.
func (d *Decoder) complete(m *image) *Error {
	for i := range d.slots {
		if v := m.row[i]; (v.Kind() == featurestore.KindString || v.Kind() == featurestore.KindBytes) && v.Str() == unavailable {
			e := noBefore("a large value that did not change was not sent")
			e.Field = d.slots[i].name
			return e
		}
	}
	return nil
}

// writtenChange reads what a row does that we wrote ourselves.
func writtenChange(p *placed, c *content) {
	m := &c.images[0]
	m.change, c.mutated = featurestore.Added, featurestore.Instant(p.at.LogTime)
	if change, at, ok := p.rec.Headers.ChangeOf(); ok {
		m.change, c.mutated = change, featurestore.Instant(at)
	}
}

// debeziumJSON reads changes in JSON.
type debeziumJSON struct {
	d     *Decoder
	row   *jsonForm
	names unknownNames // scratch
}

func (f *debeziumJSON) read(rec *logrecord.Record, times *timeReader, b *Batch, c *content) error {
	if !utf8.Valid(rec.Value) {
		return &Error{Code: CodeUTF8, Message: "the record is not valid UTF-8"}
	}
	value := rec.Value
	env, err := f.scan(value)
	if err == nil && env.payload != nil && env.schema {
		value = env.payload
		if string(value) == "null" {
			return nil // a wrapped tombstone
		}
		env, err = f.scan(value)
	}
	if err != nil {
		return err
	}
	if env.flat {
		env.after = value
	}
	ch := change{op: env.op, at: env.at, timed: env.timed, before: env.before != nil, after: env.after != nil, flat: env.flat}
	before := c.add(b, len(f.d.slots), featurestore.Retracted)
	after := c.add(b, len(f.d.slots), featurestore.Added)
	if env.before != nil {
		if err := f.row.value(env.before, times, b, before); err != nil {
			return err
		}
		if env.after != nil {
			if err := f.sameColumns(times, b, &env, after); err != nil {
				return err
			}
		}
	}
	if env.after != nil {
		if err := f.row.value(env.after, times, b, after); err != nil {
			return err
		}
	}
	if err := f.d.settle(&ch, c); err != nil {
		return err
	}
	return nil
}

// sameColumns refuses a before-image that lacks a declared column that the row
// after it has: what it was is not known. The after-image is read again later.
func (f *debeziumJSON) sameColumns(times *timeReader, b *Batch, env *envelope, after *image) error {
	var lacks []int
	for i := range f.d.slots {
		if !f.row.holds(f.d.slots[i].path) {
			lacks = append(lacks, i)
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	if err := f.row.value(env.after, times, b, after); err != nil {
		return err
	}
	for _, i := range lacks {
		if f.row.holds(f.d.slots[i].path) {
			return noBefore("its before-image has no column %q", pathText(f.d.slots[i].path))
		}
	}
	return nil
}
