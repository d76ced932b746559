package decode

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/logrecord"
)

// Fit compares a registered schema with the declared fields of a source, by the
// rules by which records are decoded. Of a Protobuf schema it takes the first
// message: which one a record is, that says itself. A JSON Schema names no fields
// that records would be read by. An error says that no record of the schema decodes.
func Fit(s *definition.StreamSource, registered *logrecord.Schema) ([]definition.Misfit, error) {
	ref := &definition.SchemaRef{}
	var bad *Error
	switch {
	case s.Format == definition.FormatJSON, s.Format == definition.FormatDebezium && registered.Kind == logrecord.JSONSchema:
		return nil, nil
	case s.Format == definition.FormatProtobuf:
		ref.Proto, bad = parseProto(registered, []byte{0})
	default:
		ref.Avro, bad = parseAvro(registered)
	}
	if bad != nil {
		return nil, featurestore.Invalidf("%s", bad.Message)
	}
	return definition.Misfits(s, ref)
}
