package logrecord

import "fmt"

// SchemaID names a schema of a registry, as records carry it: a number, or a
// GUID where ByGUID is set.
type SchemaID struct {
	Number uint32
	GUID   [16]byte
	ByGUID bool
}

// String writes a number, or a GUID in groups of 8-4-4-4-12 digits.
func (id SchemaID) String() string {
	if !id.ByGUID {
		return fmt.Sprint(id.Number)
	}
	g := id.GUID
	return fmt.Sprintf("%x-%x-%x-%x-%x", g[:4], g[4:6], g[6:8], g[8:10], g[10:])
}

// SchemaKind is the language of a schema.
type SchemaKind uint8

// The languages.
const (
	AvroSchema SchemaKind = iota
	ProtobufSchema
	JSONSchema
)

// Schema is a registered schema with what it refers to. It is not changed.
type Schema struct {
	Kind SchemaKind
	Text string
	// References stand each after those that it uses itself.
	References []SchemaReference
}

// SchemaReference is a schema that another one uses. Name is how it does:
// the path of an import in Protobuf, the full name of a type in Avro.
type SchemaReference struct{ Name, Text string }

// Schemas gives registered schemas. It is safe for concurrent use and answers
// from memory what it gave before. An error is ErrNotFound where the registry
// has no such schema, ErrInvalid where the schema cannot be used, and
// ErrUnavailable where the registry does not answer: then the same call may
// succeed later, and nothing is known of the record.
type Schemas interface {
	Schema(id SchemaID) (*Schema, error)
}
