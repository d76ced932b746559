package decode

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/schema"
)

// protoReader walks one message. At the first fault it sets err.
type protoReader struct {
	cells
	d     *Decoder
	whole []byte
	image *image
	err   *Error
	nans  int
	maps  []protoMap
}

// protoMap is the entries of a map field so far.
type protoMap struct {
	slot    int
	entries entries
}

func (r *protoReader) fail(rest []byte, what string) {
	if r.err == nil {
		r.err = &Error{Code: CodeProtobuf, Message: fmt.Sprintf("bad Protobuf near byte %d: %s", len(r.whole)-len(rest), what)}
	}
}

// message reads the fields of a message that are wanted. As everywhere in
// Protobuf, the last of several values of a field that stands once counts, and
// the parts of a message that stands several times are one.
func (r *protoReader) message(p *protoPlan, b []byte, depth int) {
	if depth > r.d.opts.MaxDepth {
		r.err = &Error{Code: CodeTooDeep, Message: fmt.Sprintf("the message is nested deeper than %d", r.d.opts.MaxDepth)}
		return
	}
	for _, s := range p.zeros {
		if r.image.row[s.slot].IsNull() {
			r.zero(s)
		}
	}
	for len(b) > 0 && r.err == nil {
		number, wire, n := protowire.ConsumeTag(b)
		if n < 0 {
			r.fail(b, "expected a field")
			return
		}
		at := b
		b = b[n:]
		// Unknown groups may nest: their depth is bounded by protowire itself.
		size := protowire.ConsumeFieldValue(number, wire, b)
		if size < 0 {
			r.fail(at, fmt.Sprintf("field %d is cut short, or is no value", number))
			return
		}
		if s, wanted := p.steps[number]; wanted {
			r.step(s, wire, b[:size], depth)
		}
		b = b[size:]
	}
}

func (r *protoReader) step(s *protoStep, wire protowire.Type, b []byte, depth int) {
	f := s.field
	if s.sub != nil {
		if wire != protowire.BytesType {
			r.fail(b, fmt.Sprintf("field %q is not of the wire type of a message", f.Name))
			return
		}
		body, _ := protowire.ConsumeBytes(b)
		r.message(s.sub, body, depth+1)
		return
	}
	slot := &r.d.slots[s.slot]
	switch {
	case f.IsMap:
		r.entry(s, slot, wire, b)
	case f.Repeated:
		r.element(s, slot, wire, b)
	default:
		r.put(s.slot, r.value(f, slot, &slot.typ, wire, b))
	}
}

func (r *protoReader) put(slot int, v featurestore.Value) {
	if r.err == nil {
		r.image.row[slot] = v
	}
}

// close makes values of the maps, and the event time.
func (r *protoReader) close() {
	for i := range r.maps {
		m := &r.maps[i]
		r.put(m.slot, m.entries.lastOfEach().value())
	}
	if i := r.d.timeSlot; i >= 0 && r.err == nil {
		to := target{slots: r.d.slots, timeSlot: i, image: r.image}
		r.err = to.set(&r.cells, i, r.image.row[i])
	}
}

// lastOfEach puts the keys in order; of a key that stands several times the last
// counts.
func (m entries) lastOfEach() entries {
	slices.SortStableFunc(m, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	out := m[:0]
	for i := range m {
		if i+1 == len(m) || m[i+1].key != m[i].key {
			out = append(out, m[i])
		}
	}
	return out
}

// zero gives a field that may be absent its type's zero. An absent time or
// decimal is null: their zeros are no "nothing".
func (r *protoReader) zero(s *protoStep) {
	var v featurestore.Value
	switch r.d.slots[s.slot].typ.Kind {
	case featurestore.KindBool:
		v = featurestore.BoolValue(false)
	case featurestore.KindInt64:
		v = featurestore.Int64Value(0)
	case featurestore.KindDouble:
		v = featurestore.DoubleValue(0)
	case featurestore.KindString:
		v = featurestore.StringValue(s.field.Symbols[0])
	case featurestore.KindBytes:
		v = featurestore.BytesValue("")
	case featurestore.KindList:
		v = featurestore.ListValue(nil)
	case featurestore.KindMap:
		v = featurestore.MapValue(nil, nil)
	}
	r.image.row[s.slot] = v
}

// wireType is the wire type of a kind outside of a packed list.
func wireType(k protoreflect.Kind) protowire.Type {
	switch k {
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	}
	return protowire.VarintType
}

// value reads one value.
func (r *protoReader) value(f *schema.ProtoField, s *slot, t *featurestore.Type, wire protowire.Type, b []byte) featurestore.Value {
	if f.Wrapped || f.Kind == schema.Instant {
		if wire != protowire.BytesType {
			r.fail(b, fmt.Sprintf("field %q is not of the wire type of a message", f.Name))
			return featurestore.Null
		}
		body, _ := protowire.ConsumeBytes(b)
		return r.wellKnown(f, s, t, body)
	}
	if wire != wireType(f.Wire) {
		r.fail(b, fmt.Sprintf("field %q has wire type %d, the schema says %d", f.Name, wire, wireType(f.Wire)))
		return featurestore.Null
	}
	v, err := r.scalar(f, s, t, b)
	if r.err == nil {
		r.err = err
	}
	return v
}

func (r *protoReader) scalar(f *schema.ProtoField, s *slot, t *featurestore.Type, b []byte) (featurestore.Value, *Error) {
	switch f.Wire {
	case protoreflect.StringKind, protoreflect.BytesKind:
		body, _ := protowire.ConsumeBytes(b)
		return r.bytes(s, t, f.Shape, body)
	case protoreflect.FloatKind:
		n, _ := protowire.ConsumeFixed32(b)
		return r.finite(s, t, float64(math.Float32frombits(n)))
	case protoreflect.DoubleKind:
		n, _ := protowire.ConsumeFixed64(b)
		return r.finite(s, t, math.Float64frombits(n))
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		n, _ := protowire.ConsumeFixed32(b)
		if f.Wire == protoreflect.Sfixed32Kind {
			return r.integer(s, t, f.Shape, int64(int32(n)))
		}
		return r.integer(s, t, f.Shape, int64(n))
	case protoreflect.Fixed64Kind:
		n, _ := protowire.ConsumeFixed64(b)
		return r.unsigned(s, t, n)
	case protoreflect.Sfixed64Kind:
		n, _ := protowire.ConsumeFixed64(b)
		return r.integer(s, t, f.Shape, int64(n))
	}
	n, _ := protowire.ConsumeVarint(b)
	switch f.Wire {
	case protoreflect.BoolKind:
		return r.boolean(s, t, protowire.DecodeBool(n))
	case protoreflect.Sint32Kind:
		return r.integer(s, t, f.Shape, int64(int32(protowire.DecodeZigZag(n&math.MaxUint32))))
	case protoreflect.Sint64Kind:
		return r.integer(s, t, f.Shape, protowire.DecodeZigZag(n))
	case protoreflect.Uint64Kind:
		return r.unsigned(s, t, n)
	case protoreflect.Uint32Kind:
		return r.integer(s, t, f.Shape, int64(uint32(n)))
	case protoreflect.Int32Kind:
		return r.integer(s, t, f.Shape, int64(int32(n)))
	case protoreflect.EnumKind:
		return r.enum(f, s, t, int32(n))
	}
	return r.integer(s, t, f.Shape, int64(n))
}

func (r *protoReader) finite(s *slot, t *featurestore.Type, f float64) (featurestore.Value, *Error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		r.nans++
	}
	return r.double(s, t, f)
}

// enum reads a symbol: one that the schema does not know is refused, as its text
// is not known.
func (r *protoReader) enum(f *schema.ProtoField, s *slot, t *featurestore.Type, n int32) (featurestore.Value, *Error) {
	if t.Kind != featurestore.KindString {
		return r.integer(s, t, f.Shape, int64(n))
	}
	name, known := f.Symbols[n]
	if !known {
		return featurestore.Null, bad(s, t, fmt.Sprint(n), errors.New("the schema's enum has no such number"))
	}
	return featurestore.StringValue(name), nil
}

// wellKnown reads google.protobuf.Timestamp (1: seconds, 2: nanoseconds) or a
// wrapper (1: the value, absent for the zero).
func (r *protoReader) wellKnown(f *schema.ProtoField, s *slot, t *featurestore.Type, b []byte) featurestore.Value {
	var seconds, nanos int64
	v, zero := featurestore.Null, true
	for len(b) > 0 && r.err == nil {
		number, wire, n := protowire.ConsumeTag(b)
		size := -1
		if n > 0 {
			size = protowire.ConsumeFieldValue(number, wire, b[n:])
		}
		if size < 0 {
			r.fail(b, fmt.Sprintf("field %q is cut short", f.Name))
			return featurestore.Null
		}
		body := b[n : n+size]
		b = b[n+size:]
		switch {
		case f.Wrapped && number == 1:
			zero = false
			v = r.value(f.Value, s, t, wire, body)
		case !f.Wrapped && wire == protowire.VarintType && number <= 2:
			x, _ := protowire.ConsumeVarint(body)
			if number == 1 {
				seconds = int64(x)
			} else {
				nanos = int64(int32(x))
			}
		}
	}
	switch {
	case r.err != nil:
		return featurestore.Null
	case f.Wrapped && zero:
		var err *Error
		v, err = r.wrappedZero(f, s, t)
		r.err = err
		return v
	case f.Wrapped:
		return v
	}
	return r.timestamp(s, t, seconds, nanos)
}

func (r *protoReader) wrappedZero(f *schema.ProtoField, s *slot, t *featurestore.Type) (featurestore.Value, *Error) {
	switch f.Kind {
	case schema.Boolean:
		return r.boolean(s, t, false)
	case schema.Double:
		return r.double(s, t, 0)
	case schema.Text, schema.Bytes:
		return r.bytes(s, t, f.Shape, nil)
	}
	return r.integer(s, t, schema.Shape{Kind: schema.Integer}, 0)
}

func (r *protoReader) timestamp(s *slot, t *featurestore.Type, seconds, nanos int64) featurestore.Value {
	what := func() string { return fmt.Sprintf("%d s and %d ns", seconds, nanos) }
	if t.Kind != featurestore.KindTimestamp {
		r.err = bad(s, t, what(), errors.New("it is a timestamp"))
		return featurestore.Null
	}
	if nanos < 0 || nanos > 999_999_999 || nanos%1000 != 0 {
		r.err = badTime(s, what(), errors.New("its nanoseconds are not microseconds of one second"))
		return featurestore.Null
	}
	const most = int64(featurestore.MaxInstant) / 1_000_000
	if seconds > most || seconds < int64(featurestore.MinInstant)/1_000_000 {
		r.err = badTime(s, what(), errOutside)
		return featurestore.Null
	}
	at, err := inRange(featurestore.Instant(seconds*1_000_000 + nanos/1000))
	if err != nil {
		r.err = badTime(s, what(), err)
		return featurestore.Null
	}
	return featurestore.TimestampValue(at)
}

// element reads an element of a list, or a run of packed ones.
func (r *protoReader) element(s *protoStep, slot *slot, wire protowire.Type, b []byte) {
	f, t := s.field, &slot.typ
	elems := r.image.row[s.slot].Elems()
	if wire == protowire.BytesType && wireType(f.Wire) != protowire.BytesType && !f.Wrapped && f.Kind != schema.Instant {
		packed, _ := protowire.ConsumeBytes(b)
		for len(packed) > 0 && r.err == nil {
			size := protowire.ConsumeFieldValue(1, wireType(f.Wire), packed)
			if size < 0 {
				r.fail(packed, fmt.Sprintf("the packed field %q is cut short", f.Name))
				return
			}
			elems = append(elems, r.value(f, slot, t.Elem, wireType(f.Wire), packed[:size]))
			packed = packed[size:]
		}
	} else {
		elems = append(elems, r.value(f, slot, t.Elem, wire, b))
	}
	r.put(s.slot, featurestore.ListValue(elems))
}

// entry reads an entry of a map: a message of key (1) and value (2).
func (r *protoReader) entry(s *protoStep, slot *slot, wire protowire.Type, b []byte) {
	if wire != protowire.BytesType {
		r.fail(b, fmt.Sprintf("field %q is not of the wire type of a map", s.field.Name))
		return
	}
	body, _ := protowire.ConsumeBytes(b)
	var e entry
	str := featurestore.String
	zero, err := r.wrappedZero(s.field, slot, slot.typ.Elem)
	if err == nil {
		e.value = zero
	}
	for len(body) > 0 && r.err == nil {
		number, wire, n := protowire.ConsumeTag(body)
		size := -1
		if n > 0 {
			size = protowire.ConsumeFieldValue(number, wire, body[n:])
		}
		if size < 0 {
			r.fail(body, fmt.Sprintf("an entry of %q is cut short", s.field.Name))
			return
		}
		part := body[n : n+size]
		body = body[n+size:]
		switch number {
		case 1:
			key := &schema.ProtoField{Name: s.field.Name, Wire: protoreflect.StringKind, Shape: schema.Shape{Kind: schema.Text}}
			e.key = r.value(key, slot, &str, wire, part).Str()
		case 2:
			e.value = r.value(s.field.Value, slot, slot.typ.Elem, wire, part)
		}
	}
	for i := range r.maps {
		if r.maps[i].slot == s.slot {
			r.maps[i].entries = append(r.maps[i].entries, e)
			return
		}
	}
	r.maps = append(r.maps, protoMap{slot: s.slot, entries: entries{e}})
}
