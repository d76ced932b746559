package schema

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/freshet/freshet/featurestore"
)

// Message is a Protobuf message. A message that stands several times is one
// Message, also where it holds itself.
type Message struct {
	Name   string // with its package
	Fields map[int32]*ProtoField
	byName map[string]*ProtoField
}

// ProtoField is a field of a message.
type ProtoField struct {
	Name     string
	Number   int32
	Wire     protoreflect.Kind
	Shape         // of the value, of an element of a list, or of a value of a map
	Repeated bool // a list
	IsMap    bool // a map; Key is the kind of its keys
	Key      protoreflect.Kind
	Presence bool // absent is null; without it absent is the type's zero
	Wrapped  bool // a wrapper of google.protobuf: its field 1 holds the value, absent is null
	Message  *Message
	Symbols  map[int32]string
	Value    *ProtoField // of a wrapper and of a map: the value alone
}

// wellKnownTimestamp is a message that is a time, not a record.
const wellKnownTimestamp = "google.protobuf.Timestamp"

// newMessage turns a descriptor into a Message.
func newMessage(d protoreflect.MessageDescriptor) (*Message, error) {
	p := &protoParser{known: map[protoreflect.FullName]*Message{}}
	return p.message(d, 0)
}

type protoParser struct {
	known map[protoreflect.FullName]*Message
	count int
}

func (p *protoParser) message(d protoreflect.MessageDescriptor, depth int) (*Message, error) {
	if m, ok := p.known[d.FullName()]; ok {
		return m, nil
	}
	if depth > maxSchemaDepth {
		return nil, fmt.Errorf("the message is nested deeper than %d", maxSchemaDepth)
	}
	fields := d.Fields()
	m := &Message{Name: string(d.FullName()), Fields: make(map[int32]*ProtoField, fields.Len()), byName: make(map[string]*ProtoField, fields.Len())}
	p.known[d.FullName()] = m
	for i := range fields.Len() {
		if p.count++; p.count > maxNodes {
			return nil, fmt.Errorf("the message has more than %d fields", maxNodes)
		}
		f, err := p.field(fields.Get(i), depth)
		if err != nil {
			return nil, err
		}
		if f.IsMap {
			value := *f
			value.IsMap = false
			f.Value = &value
		}
		m.Fields[f.Number], m.byName[f.Name] = f, f
	}
	return m, nil
}

func (p *protoParser) field(d protoreflect.FieldDescriptor, depth int) (*ProtoField, error) {
	f := &ProtoField{Name: string(d.Name()), Number: int32(d.Number()), Repeated: d.IsList(), IsMap: d.IsMap(), Presence: d.HasPresence()}
	value := d
	if f.IsMap {
		f.Key, value = d.MapKey().Kind(), d.MapValue()
	}
	f.Wire = value.Kind()
	f.Shape = scalarShape(f.Wire)
	switch f.Wire {
	case protoreflect.EnumKind:
		f.Symbols = map[int32]string{}
		for i := range value.Enum().Values().Len() {
			v := value.Enum().Values().Get(i)
			if _, taken := f.Symbols[int32(v.Number())]; !taken { // the first of several names counts
				f.Symbols[int32(v.Number())] = string(v.Name())
			}
		}
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return f, p.nested(f, value.Message(), depth)
	}
	return f, nil
}

// nested describes a field that holds a message: a time, a wrapped scalar or a
// record.
func (p *protoParser) nested(f *ProtoField, d protoreflect.MessageDescriptor, depth int) error {
	name := string(d.FullName())
	if name == wellKnownTimestamp {
		f.Shape = Shape{Kind: Instant, Unit: Nanos}
		return nil
	}
	if d.ParentFile().Package() == "google.protobuf" && strings.HasSuffix(name, "Value") && d.Fields().Len() == 1 && d.Fields().Get(0).Name() == "value" {
		f.Wrapped, f.Wire = true, d.Fields().Get(0).Kind()
		f.Shape = scalarShape(f.Wire)
		f.Value = &ProtoField{Name: f.Name, Number: 1, Wire: f.Wire, Shape: f.Shape}
		return nil
	}
	var err error
	f.Kind = Record
	f.Message, err = p.message(d, depth+1)
	return err
}

func scalarShape(k protoreflect.Kind) Shape {
	switch k {
	case protoreflect.BoolKind:
		return Shape{Kind: Boolean}
	case protoreflect.EnumKind:
		return Shape{Kind: Enum, Numbered: true}
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return Shape{Kind: Unsigned}
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return Shape{Kind: Double}
	case protoreflect.StringKind:
		return Shape{Kind: Text}
	case protoreflect.BytesKind:
		return Shape{Kind: Bytes}
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return Shape{Kind: Record}
	}
	return Shape{Kind: Integer}
}

// Find walks a path from a message. The fields before the last are messages that
// stand at most once.
func (m *Message) Find(path []string) ([]*ProtoField, error) {
	var found []*ProtoField
	at := m
	for i, name := range path {
		f := at.byName[name]
		if f == nil {
			return nil, fmt.Errorf("message %s has no field %q%s", at.Name, name, at.known())
		}
		found = append(found, f)
		if i == len(path)-1 {
			break
		}
		if f.Message == nil || f.Repeated || f.IsMap {
			return nil, fmt.Errorf("field %q of message %s is not one message, so nothing stands below it", name, at.Name)
		}
		at = f.Message
	}
	return found, nil
}

func (m *Message) known() string {
	if len(m.byName) == 0 || len(m.byName) > 20 {
		return ""
	}
	var names []string
	for i := int32(1); len(names) < len(m.byName) && i < 1<<20; i++ {
		if f, ok := m.Fields[i]; ok {
			names = append(names, f.Name)
		}
	}
	return "; it has " + strings.Join(names, ", ")
}

// Readable says why a field's value cannot be read as a type.
func (f *ProtoField) Readable(t featurestore.Type, times Times) error {
	var want featurestore.Kind
	var what string
	switch {
	case f.IsMap:
		want, what = featurestore.KindMap, "a map"
		if f.Key != protoreflect.StringKind {
			return fmt.Errorf("it is a map with keys of %s; only keys of text are read", f.Key)
		}
	case f.Repeated:
		want, what = featurestore.KindList, "repeated"
	default:
		return f.Shape.Readable(t, times)
	}
	if t.Kind != want {
		return fmt.Errorf("it is %s, which is not read as %s", what, t)
	}
	if err := f.Shape.Readable(*t.Elem, times); err != nil {
		return fmt.Errorf("its elements: %w", err)
	}
	return nil
}
