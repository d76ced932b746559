package decode

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/logrecord"
)

// headerSchemaID is the header in which Confluent's serializers name the schema
// of a record's value, where they do not put the name before the value.
const headerSchemaID = "__value_schema_id"

// Magic bytes of Confluent's framing: what follows is a number of four bytes,
// big endian, or a GUID of 16 bytes.
const (
	magicNumber = 0
	magicGUID   = 1
)

// frame is a record's value with the name of its schema taken off.
type frame struct {
	id      logrecord.SchemaID
	after   []byte // what follows the id: the value, or of Protobuf the message's index first
	payload []byte // the value, where the id stands in a header; else nil
}

// value is the payload of a format that has nothing between id and value.
func (f *frame) value() []byte {
	if f.payload != nil {
		return f.payload
	}
	return f.after
}

// frameOf finds the schema's id in the header or, without one, before the value.
func frameOf(rec *logrecord.Record) (frame, *Error) {
	var f frame
	named, where := rec.Value, "the record's first bytes"
	if h, found := rec.Headers.Get(headerSchemaID); found {
		named, where = h, fmt.Sprintf("the header %q", headerSchemaID)
		f.payload = rec.Value
	}
	switch {
	case len(named) >= 5 && named[0] == magicNumber:
		f.id.Number, f.after = binary.BigEndian.Uint32(named[1:]), named[5:]
	case len(named) >= 17 && named[0] == magicGUID:
		f.id.ByGUID, f.after = true, named[17:]
		copy(f.id.GUID[:], named[1:])
	default:
		return f, &Error{Code: CodeSchemaID, Message: where + " name no schema: expected 0 and four bytes of its id, or 1 and 16 bytes of its GUID"}
	}
	return f, nil
}

// maxSchemas bounds how many compiled schemas a decoder keeps.
const maxSchemas = 256

// registered compiles schemas of the registry once each.
type registered[T any] struct {
	d       *Decoder
	compile func(s *logrecord.Schema, index string) (T, *Error)
	known   map[schemaKey]outcome[T]
}

// schemaKey is a schema and, of Protobuf, the place of the message in it.
type schemaKey struct {
	id    logrecord.SchemaID
	index string
}

type outcome[T any] struct {
	value T
	bad   *Error // the schema does not hold what is declared: so of each of its records
}

var errNoRegistry = errors.New("no schema registry is set: write log: {schema_registry: {url: ...}} in freshet.yaml")

// of gives the compiled schema of an id. An error that is no *Error says that
// nothing is known yet.
func (r *registered[T]) of(id logrecord.SchemaID, index string) (T, error) {
	key := schemaKey{id, index}
	o, ok := r.known[key]
	if !ok {
		var err error
		if o, err = r.ask(key); err != nil {
			return o.value, err
		}
		if len(r.known) >= maxSchemas || r.known == nil {
			r.known = map[schemaKey]outcome[T]{}
		}
		r.known[key] = o
	}
	if o.bad != nil {
		return o.value, o.bad
	}
	return o.value, nil
}

func (r *registered[T]) ask(key schemaKey) (o outcome[T], err error) {
	if r.d.opts.Schemas == nil {
		return o, featurestore.Unavailablef("source %q: %w", r.d.source.Name, errNoRegistry)
	}
	s, err := r.d.opts.Schemas.Schema(key.id)
	switch {
	case errors.Is(err, featurestore.ErrNotFound):
		return o, &Error{Code: CodeSchemaID, Message: fmt.Sprintf("the registry has no schema %s", key.id)}
	case errors.Is(err, featurestore.ErrInvalid):
		return o, &Error{Code: CodeSchemaID, Message: fmt.Sprintf("schema %s cannot be used: %v", key.id, err)}
	case err != nil:
		return o, err
	}
	o.value, o.bad = r.compile(s, key.index)
	if o.bad != nil {
		o.bad.Message = fmt.Sprintf("schema %s: %s", key.id, o.bad.Message)
	}
	return o, nil
}

// framedForm takes the name of a schema off records whose format needs none:
// JSON as the serializers of a registry write it.
type framedForm struct {
	d     *Decoder
	inner form
}

func (f *framedForm) read(rec *logrecord.Record, times *timeReader, b *Batch, c *content) error {
	fr, err := frameOf(rec)
	if err != nil {
		return err
	}
	bare := *rec
	if bare.Value = fr.value(); len(bare.Value) == 0 {
		return &Error{Code: CodeEmpty, Message: "the record has no value behind its schema's id"}
	}
	return f.inner.read(&bare, times, b, c)
}
