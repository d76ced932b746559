package decode

import (
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/schema"
	"github.com/freshet/freshet/ingest/logrecord"
)

// protoForm reads Protobuf messages: all of one message of a file, or each of
// one that the registry has.
type protoForm struct {
	d      *Decoder
	tree   *node
	plan   *protoPlan // nil: each record names its schema
	plans  registered[*protoPlan]
	reader protoReader
}

func newProtoForm(d *Decoder) (*protoForm, error) {
	f := &protoForm{d: d}
	var ok bool
	if f.tree, _, ok = newTree(d.paths()); !ok {
		return nil, featurestore.Invalidf("source %q: the path of a field goes on where another field's path ends", d.source.Name)
	}
	f.plans = registered[*protoPlan]{d: d, compile: func(s *logrecord.Schema, index string) (*protoPlan, *Error) {
		m, err := parseProto(s, []byte(index))
		if err != nil {
			return nil, err
		}
		return d.planProto(f.tree, m)
	}}
	ref := d.source.Schema
	switch {
	case ref == nil, ref.File != "" && ref.Proto == nil:
		return nil, featurestore.Invalidf("source %q: Protobuf needs a schema: a file and a message, or a subject of the schema registry", d.source.Name)
	case ref.Proto != nil:
		plan, err := d.planProto(f.tree, ref.Proto)
		if err != nil {
			return nil, featurestore.Invalidf("source %q: %v", d.source.Name, err)
		}
		f.plan = plan
	}
	return f, nil
}

func parseProto(s *logrecord.Schema, index []byte) (*schema.Message, *Error) {
	if s.Kind != logrecord.ProtobufSchema {
		return nil, &Error{Code: CodeSchema, Message: "it is not a Protobuf schema"}
	}
	var at []int
	for _, i := range index {
		at = append(at, int(i))
	}
	m, err := schema.ParseProtoIndex(s.Text, at, importsOf(s))
	if err != nil {
		return nil, &Error{Code: CodeSchema, Message: err.Error()}
	}
	return m, nil
}

// importsOf are the texts that a Protobuf schema imports, by name.
func importsOf(s *logrecord.Schema) map[string]string {
	imports := map[string]string{}
	for _, r := range s.References {
		imports[r.Name] = r.Text
	}
	return imports
}

// protoPlan is how a message is read: by the numbers of its fields.
type protoPlan struct {
	steps map[protowire.Number]*protoStep
	zeros []*protoStep // slots that are their type's zero where the field is absent
}

type protoStep struct {
	field *schema.ProtoField
	slot  int // -1: read further
	sub   *protoPlan
}

// planProto says how to read a tree of paths from a message. A field that the
// message does not have is null; one of another type is an error.
func (d *Decoder) planProto(tree *node, m *schema.Message) (*protoPlan, *Error) {
	plan := &protoPlan{steps: map[protowire.Number]*protoStep{}}
	for name, j := range tree.byName {
		found, err := m.Find([]string{name})
		if err != nil {
			continue
		}
		f, member := found[0], &tree.members[j]
		step := &protoStep{field: f, slot: member.slot}
		switch {
		case member.slot >= 0:
			s := &d.slots[member.slot]
			if err := f.Readable(s.typ, definition.SchemaTimes(d.source.Timestamp)); err != nil {
				return nil, &Error{Code: CodeSchema, Field: s.name, Message: fmt.Sprintf("the message's %q cannot be read: %v", pathText(s.path), err)}
			}
			if member.slot != d.timeSlot && (!f.Presence || f.Repeated || f.IsMap) { // an absent event time is none
				plan.zeros = append(plan.zeros, step)
			}
		case member.child != nil:
			if f.Message == nil || f.Repeated || f.IsMap {
				return nil, &Error{Code: CodeSchema, Message: fmt.Sprintf("the message's %q is not one message: a declared path goes on below it", name)}
			}
			var bad *Error
			if step.sub, bad = d.planProto(member.child, f.Message); bad != nil {
				return nil, bad
			}
		default:
			continue
		}
		plan.steps[protowire.Number(f.Number)] = step
	}
	return plan, nil
}

func (f *protoForm) read(rec *logrecord.Record, times *timeReader, b *Batch, c *content) error {
	plan, value := f.plan, rec.Value
	if plan == nil {
		var err error
		if plan, value, err = f.framed(rec); err != nil {
			return err
		}
	}
	r := &f.reader
	r.cells = cells{text: &b.text, times: times}
	r.d, r.whole, r.err, r.nans = f.d, value, nil, 0
	r.maps = r.maps[:0]
	r.image = c.add(b, len(f.d.slots), featurestore.NoChange)
	if r.message(plan, value, 1); r.err == nil {
		r.close()
	}
	if r.err != nil {
		return r.err
	}
	b.Invalid += r.nans
	return nil
}

// framed finds the plan of a record that names its schema, and the message's
// place in it: a count of indexes and the indexes, zigzag varints; a single 0 is
// the first message.
func (f *protoForm) framed(rec *logrecord.Record) (*protoPlan, []byte, error) {
	fr, bad := frameOf(rec)
	if bad != nil {
		return nil, nil, bad
	}
	index, rest, bad := messageIndex(fr.after)
	if bad != nil {
		return nil, nil, bad
	}
	plan, err := f.plans.of(fr.id, index)
	if fr.payload != nil {
		rest = fr.payload
	}
	return plan, rest, err
}

// messageIndex reads the indexes, a byte each.
func messageIndex(b []byte) (index string, rest []byte, bad *Error) {
	fail := &Error{Code: CodeSchemaID, Message: "the record does not say which message of its schema it is: expected a count and indexes of messages behind the schema's id"}
	const most = 16
	n, size := binary.Varint(b)
	if size <= 0 || n < 0 || n > most {
		return "", nil, fail
	}
	b = b[size:]
	if n == 0 {
		return "\x00", b, nil
	}
	var at [most]byte
	for i := range n {
		v, size := binary.Varint(b)
		if size <= 0 || v < 0 || v > 255 {
			return "", nil, fail
		}
		at[i] = byte(v)
		b = b[size:]
	}
	return string(at[:n]), b, nil
}
