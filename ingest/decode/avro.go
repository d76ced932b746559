package decode

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/schema"
	"github.com/freshet/freshet/ingest/logrecord"
)

// avroForm reads records in Avro's binary encoding: all written with one schema,
// or each with one of the registry.
type avroForm struct {
	d      *Decoder
	tree   *node
	plan   *avroPlan // nil: each record names its schema
	plans  registered[*avroPlan]
	reader avroReader
}

func newAvroForm(d *Decoder) (*avroForm, error) {
	f := &avroForm{d: d}
	var ok bool
	if f.tree, _, ok = newTree(d.paths()); !ok {
		return nil, featurestore.Invalidf("source %q: the path of a field goes on where another field's path ends", d.source.Name)
	}
	f.plans = registered[*avroPlan]{d: d, compile: func(s *logrecord.Schema, _ string) (*avroPlan, *Error) {
		root, err := parseAvro(s)
		if err != nil {
			return nil, err
		}
		return d.planAvro(f.tree, root)
	}}
	ref := d.source.Schema
	switch {
	case ref == nil, ref.File != "" && ref.Avro == nil:
		return nil, featurestore.Invalidf("source %q: Avro needs a schema: a file, or a subject of the schema registry", d.source.Name)
	case ref.Avro != nil:
		plan, err := d.planAvro(f.tree, ref.Avro)
		if err != nil {
			return nil, featurestore.Invalidf("source %q: %v", d.source.Name, err)
		}
		f.plan = plan
	}
	return f, nil
}

func parseAvro(s *logrecord.Schema) (*schema.Avro, *Error) {
	if s.Kind != logrecord.AvroSchema {
		return nil, &Error{Code: CodeSchema, Message: "it is not an Avro schema"}
	}
	var references []string
	for _, r := range s.References {
		references = append(references, r.Text)
	}
	root, err := schema.ParseAvro(s.Text, references...)
	if err != nil {
		return nil, &Error{Code: CodeSchema, Message: err.Error()}
	}
	return root, nil
}

// paths are those of all slots.
func (d *Decoder) paths() [][]string {
	out := make([][]string, len(d.slots))
	for i := range d.slots {
		out[i] = d.slots[i].path
	}
	return out
}

// avroPlan is how a record of a schema is read: its fields in their order.
type avroPlan struct{ steps []avroStep }

// avroStep is a field of a record: read into a slot, read further, or passed
// over.
type avroStep struct {
	typ  *schema.Avro
	slot int       // -1: not read
	sub  *avroPlan // of the record that typ is, or holds beside null
	into int       // the reader's target of what stands below; 0 for the one around it
}

// planAvro says how to read a tree of paths from records of a schema. A field
// that the schema does not have is null; one of another type is an error.
func (d *Decoder) planAvro(tree *node, root *schema.Avro) (*avroPlan, *Error) {
	if root.Kind != schema.Record {
		return nil, &Error{Code: CodeSchema, Message: fmt.Sprintf("the schema is %s, not a record", root.Kind)}
	}
	plan := &avroPlan{}
	for i := range root.Fields {
		f := &root.Fields[i]
		step := avroStep{typ: f.Type, slot: -1}
		if j, found := tree.byName[f.Name]; found {
			m := &tree.members[j]
			switch {
			case m.slot >= 0:
				s := &d.slots[m.slot]
				if err := f.Type.Readable(s.typ, definition.SchemaTimes(d.source.Timestamp)); err != nil {
					return nil, &Error{Code: CodeSchema, Field: s.name, Message: fmt.Sprintf("the schema's %q cannot be read: %v", pathText(s.path), err)}
				}
				step.slot = m.slot
			case m.child != nil:
				r := f.Type.TheRecord()
				if r == nil {
					return nil, &Error{Code: CodeSchema, Message: fmt.Sprintf("the schema's %q is %s, not one record: a declared path goes on below it", f.Name, f.Type.Kind)}
				}
				var err *Error
				if step.sub, err = d.planAvro(m.child, r); err != nil {
					return nil, err
				}
			}
		}
		plan.steps = append(plan.steps, step)
	}
	return plan, nil
}

func (f *avroForm) read(rec *logrecord.Record, times *timeReader, b *Batch, c *content) error {
	plan, value := f.plan, rec.Value
	if plan == nil {
		fr, bad := frameOf(rec)
		if bad != nil {
			return bad
		}
		var err error
		if plan, err = f.plans.of(fr.id, ""); err != nil {
			return err
		}
		value = fr.value()
	}
	r := &f.reader
	r.begin(f.d, value, times, b)
	r.to = &r.targets[0]
	*r.to = target{slots: f.d.slots, timeSlot: f.d.timeSlot, image: c.add(b, len(f.d.slots), featurestore.NoChange)}
	r.record(plan, 1)
	return r.end(b)
}

// target is an image that is being filled.
type target struct {
	slots    []slot
	timeSlot int
	image    *image
	there    bool // it is not null
}

// set puts a value into the image, and its time where it is the event's.
func (t *target) set(c *cells, slot int, v featurestore.Value) *Error {
	t.image.row[slot] = v
	if slot != t.timeSlot || v.IsNull() {
		return nil
	}
	var err *Error
	t.image.when, err = c.when(&t.slots[slot], v)
	t.image.timed = err == nil
	return err
}

// avroReader walks one record. At the first fault it sets err and returns zero
// values; callers check err.
type avroReader struct {
	cells
	d      *Decoder
	b      []byte
	pos    int
	budget int // of values, so that what takes no bytes is bounded too
	err    *Error
	nans   int

	to      *target
	targets [3]target
}

func (r *avroReader) begin(d *Decoder, value []byte, times *timeReader, b *Batch) {
	r.cells = cells{text: &b.text, times: times}
	r.d, r.b, r.pos, r.err, r.nans = d, value, 0, nil, 0
	r.budget = 1<<16 + 4*len(value)
}

// end checks that the whole record was read.
func (r *avroReader) end(b *Batch) error {
	if r.err == nil && r.pos < len(r.b) {
		r.fail("%d bytes follow the record that the schema describes", len(r.b)-r.pos)
	}
	if r.err != nil {
		return r.err
	}
	b.Invalid += r.nans
	return nil
}

func (r *avroReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = &Error{Code: CodeAvro, Message: fmt.Sprintf("bad Avro at byte %d: ", r.pos) + fmt.Sprintf(format, args...)}
	}
}

// spend counts a value; false ends the record.
func (r *avroReader) spend(depth int) bool {
	if depth > r.d.opts.MaxDepth && r.err == nil {
		r.err = &Error{Code: CodeTooDeep, Message: fmt.Sprintf("the record is nested deeper than %d at byte %d", r.d.opts.MaxDepth, r.pos)}
	}
	if r.budget--; r.budget < 0 && r.err == nil {
		r.err = &Error{Code: CodeTooLarge, Message: "the record has more values than its bytes can hold"}
	}
	return r.err == nil
}

func (r *avroReader) record(p *avroPlan, depth int) {
	for i := range p.steps {
		s := &p.steps[i]
		switch {
		case s.slot >= 0:
			slot := &r.to.slots[s.slot]
			v := r.value(slot, &slot.typ, s.typ, depth)
			if r.err == nil {
				r.err = r.to.set(&r.cells, s.slot, v)
			}
		case s.sub != nil:
			r.nested(s, depth)
		default:
			r.skip(s.typ, depth)
		}
		if r.err != nil {
			return
		}
	}
}

// nested reads a record that a path goes through; null has no fields.
func (r *avroReader) nested(s *avroStep, depth int) {
	t := s.typ
	if t.Kind == schema.Union {
		if t = r.branch(t); t == nil {
			return
		}
	}
	if !r.spend(depth + 1) {
		return
	}
	if t.Kind != schema.Record {
		r.skip(t, depth)
		return
	}
	if s.into == 0 {
		r.record(s.sub, depth+1)
		return
	}
	around := r.to
	r.to = &r.targets[s.into]
	r.to.there = true
	r.record(s.sub, depth+1)
	r.to = around
}

// branch reads which branch of a union stands; nil after a fault.
func (r *avroReader) branch(t *schema.Avro) *schema.Avro {
	n := r.long()
	if r.err == nil && (n < 0 || n >= int64(len(t.Branches))) {
		r.fail("a union of %d branches has no branch %d", len(t.Branches), n)
	}
	if r.err != nil {
		return nil
	}
	return t.Branches[n]
}

// long reads a zigzag varint of at most 64 bits.
func (r *avroReader) long() int64 {
	n, size := binary.Varint(r.b[r.pos:])
	if size <= 0 {
		r.fail("expected a number")
		return 0
	}
	r.pos += size
	return n
}

// take gives the next n bytes; they alias the record.
func (r *avroReader) take(n int64) []byte {
	if n < 0 || n > int64(len(r.b)-r.pos) {
		r.fail("expected %d bytes, %d are left", n, len(r.b)-r.pos)
		return nil
	}
	b := r.b[r.pos : r.pos+int(n)]
	r.pos += int(n)
	return b
}

// chunk reads text, bytes or a fixed.
func (r *avroReader) chunk(t *schema.Avro) []byte {
	if t.Fixed {
		return r.take(int64(t.Size))
	}
	n := r.long()
	if r.err != nil {
		return nil
	}
	return r.take(n)
}

func (r *avroReader) float(t *schema.Avro) float64 {
	if t.Narrow {
		if b := r.take(4); b != nil {
			return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
		}
		return 0
	}
	if b := r.take(8); b != nil {
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	return 0
}

func (r *avroReader) boolean() bool {
	b := r.take(1)
	if b == nil {
		return false
	}
	if b[0] > 1 {
		r.fail("a boolean is 0 or 1")
	}
	return b[0] == 1
}

// symbol reads an enum.
func (r *avroReader) symbol(t *schema.Avro) string {
	n := r.long()
	if r.err == nil && (n < 0 || n >= int64(len(t.Symbols))) {
		r.fail("an enum of %d symbols has no symbol %d", len(t.Symbols), n)
	}
	if r.err != nil {
		return ""
	}
	return t.Symbols[n]
}
