package schema

import (
	"fmt"
	"strings"

	"github.com/twmb/avro"

	"github.com/freshet/freshet/featurestore"
)

// Limits of a schema: a larger one is refused before it costs memory.
const (
	MaxSchemaBytes = 1 << 20
	maxNodes       = 100_000
	maxSchemaDepth = 64
)

// Avro is one type of an Avro schema. Named types that stand several times are
// one Avro, also where a type holds itself.
type Avro struct {
	Shape
	Name     string // of a record, enum or fixed
	Fixed    bool   // of Bytes and Decimal: Size bytes without a length
	Size     int
	Narrow   bool     // of Double: 32 bits
	Symbols  []string // of Enum
	Fields   []AvroField
	Elem     *Avro   // of List and Map
	Branches []*Avro // of Union
}

// AvroField is a field of a record.
type AvroField struct {
	Name string
	Type *Avro
}

// ParseAvro parses an Avro schema. references are the schemas whose named types
// it uses, each after those that it uses itself.
func ParseAvro(text string, references ...string) (*Avro, error) {
	p := &avroParser{named: map[string]*Avro{}}
	cache := &avro.SchemaCache{}
	var root *Avro
	for _, t := range append(append([]string{}, references...), text) {
		if len(t) > MaxSchemaBytes {
			return nil, fmt.Errorf("the schema has %d bytes; at most %d are read", len(t), MaxSchemaBytes)
		}
		parsed, err := cache.Parse(t)
		if err != nil {
			return nil, fmt.Errorf("it is not an Avro schema: %w", err)
		}
		if root, err = p.convert(parsed.Root(), "", 0); err != nil {
			return nil, err
		}
	}
	return root, nil
}

type avroParser struct {
	named map[string]*Avro
	count int
}

// convert reads a type; space is the namespace that it stands in.
func (p *avroParser) convert(n *avro.SchemaNode, space string, depth int) (*Avro, error) {
	if p.count++; p.count > maxNodes {
		return nil, fmt.Errorf("the schema has more than %d types", maxNodes)
	}
	if depth > maxSchemaDepth {
		return nil, fmt.Errorf("the schema is nested deeper than %d", maxSchemaDepth)
	}
	a := &Avro{Name: fullName(n)}
	switch n.Type {
	case "null":
		a.Kind = Null
	case "boolean":
		a.Kind = Boolean
	case "int", "long":
		a.Shape = integerShape(n)
	case "float", "double":
		a.Kind, a.Narrow = Double, n.Type == "float"
	case "string":
		a.Kind = Text
	case "bytes", "fixed":
		p.bytes(a, n)
	case "enum":
		a.Kind, a.Symbols = Enum, n.Symbols
		p.named[a.Name] = a
	case "array", "map":
		return p.container(a, n, space, depth)
	case "union":
		return p.union(a, n, space, depth)
	case "record", "error":
		return p.record(a, n, depth)
	default:
		return p.reference(n.Type, space)
	}
	return a, nil
}

func fullName(n *avro.SchemaNode) string {
	if n.Namespace == "" || strings.Contains(n.Name, ".") {
		return n.Name
	}
	return n.Namespace + "." + n.Name
}

func integerShape(n *avro.SchemaNode) Shape {
	long := n.Type == "long"
	switch {
	case long && n.LogicalType == "timestamp-millis":
		return Shape{Kind: Instant, Unit: Millis}
	case long && n.LogicalType == "timestamp-micros":
		return Shape{Kind: Instant, Unit: Micros}
	case long && n.LogicalType == "timestamp-nanos":
		return Shape{Kind: Instant, Unit: Nanos}
	case long && n.LogicalType == "local-timestamp-millis":
		return Shape{Kind: Local, Unit: Millis}
	case long && n.LogicalType == "local-timestamp-micros":
		return Shape{Kind: Local, Unit: Micros}
	case long && n.LogicalType == "local-timestamp-nanos":
		return Shape{Kind: Local, Unit: Nanos}
	case !long && n.LogicalType == "date":
		return Shape{Kind: Date}
	}
	return Shape{Kind: Integer}
}

func (p *avroParser) bytes(a *Avro, n *avro.SchemaNode) {
	a.Kind, a.Fixed, a.Size = Bytes, n.Type == "fixed", n.Size
	if n.LogicalType == "decimal" {
		a.Kind, a.Scale = Decimal, n.Scale
	}
	if a.Fixed {
		p.named[a.Name] = a
	}
}

func (p *avroParser) container(a *Avro, n *avro.SchemaNode, space string, depth int) (*Avro, error) {
	elem := n.Items
	a.Kind = List
	if n.Type == "map" {
		a.Kind, elem = Map, n.Values
	}
	var err error
	a.Elem, err = p.convert(elem, space, depth+1)
	return a, err
}

func (p *avroParser) union(a *Avro, n *avro.SchemaNode, space string, depth int) (*Avro, error) {
	a.Kind = Union
	for i := range n.Branches {
		b, err := p.convert(&n.Branches[i], space, depth+1)
		if err != nil {
			return nil, err
		}
		a.Branches = append(a.Branches, b)
	}
	return a, nil
}

func (p *avroParser) record(a *Avro, n *avro.SchemaNode, depth int) (*Avro, error) {
	a.Kind = Record
	p.named[a.Name] = a // before its fields, which may refer to it
	for i := range n.Fields {
		t, err := p.convert(&n.Fields[i].Type, namespaceOf(a.Name), depth+1)
		if err != nil {
			return nil, err
		}
		a.Fields = append(a.Fields, AvroField{Name: n.Fields[i].Name, Type: t})
	}
	return a, nil
}

// namespaceOf is the namespace that the types within a named type stand in.
func namespaceOf(name string) string {
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		return name[:i]
	}
	return ""
}

func (p *avroParser) reference(name, space string) (*Avro, error) {
	full := name
	if space != "" && !strings.Contains(name, ".") {
		full = space + "." + name
	}
	for _, n := range []string{full, name} {
		if a, ok := p.named[n]; ok {
			return a, nil
		}
	}
	return nil, fmt.Errorf("the schema names the type %q, which nothing defines", name)
}

// Step finds what a name leads to: a field of a record, also of the one record
// of a union with null. nil where there is none.
func (a *Avro) Step(name string) *Avro {
	r := a.TheRecord()
	if r == nil {
		return nil
	}
	for i := range r.Fields {
		if r.Fields[i].Name == name {
			return r.Fields[i].Type
		}
	}
	return nil
}

// TheRecord is the record itself, or the one record of a union; nil where there
// is none or more than one.
func (a *Avro) TheRecord() *Avro {
	switch a.Kind {
	case Record:
		return a
	case Union:
		var found *Avro
		for _, b := range a.Branches {
			if b.Kind == Record {
				if found != nil {
					return nil
				}
				found = b
			}
		}
		return found
	}
	return nil
}

// Find walks a path from a record.
func (a *Avro) Find(path []string) (*Avro, error) {
	at := a
	for i, name := range path {
		next := at.Step(name)
		switch {
		case next != nil:
			at = next
		case at.TheRecord() == nil:
			return nil, fmt.Errorf("the schema's %q is %s, not a record", strings.Join(path[:i], "."), at.Kind)
		default:
			return nil, fmt.Errorf("the schema has no field %q%s", strings.Join(path[:i+1], "."), known(at))
		}
	}
	return at, nil
}

func known(a *Avro) string {
	r := a.TheRecord()
	if len(r.Fields) == 0 {
		return ""
	}
	var names []string
	for i := range r.Fields {
		if i == 20 {
			names = append(names, "...")
			break
		}
		names = append(names, r.Fields[i].Name)
	}
	return "; it has " + strings.Join(names, ", ")
}

// Readable says why a value of this type cannot be read as a field's type. Of a
// union some branch must be readable; which one stands is for the record to say.
func (a *Avro) Readable(t featurestore.Type, times Times) error {
	switch a.Kind {
	case Union:
		var first error
		for _, b := range a.Branches {
			if b.Kind == Null {
				continue
			}
			err := b.Readable(t, times)
			if err == nil {
				return nil
			}
			if first == nil {
				first = err
			}
		}
		if first == nil {
			return fmt.Errorf("it is always null")
		}
		return first
	case List, Map:
		want := featurestore.KindList
		if a.Kind == Map {
			want = featurestore.KindMap
		}
		if t.Kind != want {
			return fmt.Errorf("it is %s, which is not read as %s", a.Kind, t)
		}
		if err := a.Elem.Readable(*t.Elem, times); err != nil {
			return fmt.Errorf("its elements: %w", err)
		}
		return nil
	}
	return a.Shape.Readable(t, times)
}
