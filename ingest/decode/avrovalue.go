package decode

import (
	"errors"
	"math"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/schema"
)

// value reads what a type holds as a field's type.
func (r *avroReader) value(s *slot, t *featurestore.Type, from *schema.Avro, depth int) (v featurestore.Value) {
	if !r.spend(depth) {
		return featurestore.Null
	}
	var err *Error
	switch from.Kind {
	case schema.Null:
		return featurestore.Null
	case schema.Union:
		if b := r.branch(from); b != nil {
			return r.value(s, t, b, depth)
		}
		return featurestore.Null
	case schema.Boolean:
		if b := r.boolean(); r.err == nil {
			v, err = r.cells.boolean(s, t, b)
		}
	case schema.Integer, schema.Instant, schema.Local, schema.Date:
		if n := r.long(); r.err == nil {
			v, err = r.integer(s, t, from.Shape, n)
		}
	case schema.Double:
		f := r.float(from)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			r.nans++
		}
		if r.err == nil {
			v, err = r.double(s, t, f)
		}
	case schema.Text, schema.Bytes, schema.Decimal:
		if b := r.chunk(from); r.err == nil {
			v, err = r.bytes(s, t, from.Shape, b)
		}
	case schema.Enum:
		if name := r.symbol(from); r.err == nil {
			if t.Kind == featurestore.KindString {
				return featurestore.StringValue(name) // the schema's own text
			}
			err = bad(s, t, name, errors.New("it is an enum"))
		}
	case schema.List:
		return r.list(s, t, from, depth)
	case schema.Map:
		return r.mapping(s, t, from, depth)
	case schema.Record:
		err = bad(s, t, "a record", nil)
	}
	if r.err == nil {
		r.err = err
	}
	return v
}

// blocks reads the blocks of an array or map, an item at a time.
func (r *avroReader) blocks(item func()) {
	for r.err == nil {
		n := r.long()
		if n < 0 {
			r.long() // the block's size in bytes, for those who skip it
			if n == math.MinInt64 {
				r.fail("a block of %d items", n)
			}
			n = -n
		}
		if n == 0 || r.err != nil {
			return
		}
		for ; n > 0 && r.err == nil; n-- {
			item()
		}
	}
}

func (r *avroReader) list(s *slot, t *featurestore.Type, from *schema.Avro, depth int) featurestore.Value {
	if t.Kind != featurestore.KindList {
		r.err = bad(s, t, "an array", nil)
		return featurestore.Null
	}
	var elems []featurestore.Value
	r.blocks(func() { elems = append(elems, r.value(s, t.Elem, from.Elem, depth+1)) })
	return featurestore.ListValue(elems)
}

func (r *avroReader) mapping(s *slot, t *featurestore.Type, from *schema.Avro, depth int) featurestore.Value {
	if t.Kind != featurestore.KindMap {
		r.err = bad(s, t, "a map", nil)
		return featurestore.Null
	}
	var m entries
	key := &schema.Avro{Shape: schema.Shape{Kind: schema.Text}}
	str := featurestore.String
	r.blocks(func() {
		k := r.value(s, &str, key, depth+1)
		m = append(m, entry{k.Str(), r.value(s, t.Elem, from.Elem, depth+1)})
	})
	if r.err == nil && m.sort() {
		r.err = &Error{Code: CodeDuplicate, Field: s.name, Message: "a key stands twice in the map"}
	}
	return m.value()
}

// skip passes over a value.
func (r *avroReader) skip(t *schema.Avro, depth int) {
	if !r.spend(depth) {
		return
	}
	switch t.Kind {
	case schema.Null:
	case schema.Boolean:
		r.boolean()
	case schema.Integer, schema.Instant, schema.Local, schema.Date:
		r.long()
	case schema.Enum:
		r.symbol(t)
	case schema.Double:
		r.float(t)
	case schema.Text, schema.Bytes, schema.Decimal:
		r.chunk(t)
	case schema.List:
		r.blocks(func() { r.skip(t.Elem, depth+1) })
	case schema.Map:
		r.blocks(func() {
			n := r.long()
			if r.err == nil {
				r.take(n)
			}
			r.skip(t.Elem, depth+1)
		})
	case schema.Record:
		for i := range t.Fields {
			if r.skip(t.Fields[i].Type, depth+1); r.err != nil {
				return
			}
		}
	case schema.Union:
		if b := r.branch(t); b != nil {
			r.skip(b, depth)
		}
	}
}
