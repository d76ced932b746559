package decode

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/schema"
	"github.com/freshet/freshet/ingest/logrecord"
)

// Fit compares a registered schema with the declared fields of a source, by the
// rules by which records are decoded. A record of a Protobuf schema says itself
// which message it is: the message that fits best is compared, of equal ones the
// first, and named. A JSON Schema names no fields that records would be read by. An
// error says that no record of the schema decodes.
func Fit(s *definition.StreamSource, registered *logrecord.Schema) (misfits []definition.Misfit, message string, err error) {
	switch {
	case s.Format == definition.FormatJSON, s.Format == definition.FormatDebezium && registered.Kind == logrecord.JSONSchema:
		return nil, "", nil
	case s.Format == definition.FormatProtobuf:
		return fitProto(s, registered)
	}
	a, bad := parseAvro(registered)
	if bad != nil {
		return nil, "", featurestore.Invalidf("%s", bad.Message)
	}
	misfits, err = definition.Misfits(s, &definition.SchemaRef{Avro: a})
	return misfits, "", err
}

func fitProto(s *definition.StreamSource, registered *logrecord.Schema) (misfits []definition.Misfit, message string, err error) {
	if registered.Kind != logrecord.ProtobufSchema {
		return nil, "", featurestore.Invalidf("it is not a Protobuf schema")
	}
	messages, err := schema.ParseProtoMessages(registered.Text, importsOf(registered))
	if err != nil {
		return nil, "", featurestore.Invalidf("%s", err)
	}
	best := -1
	for _, m := range messages {
		found, err := definition.Misfits(s, &definition.SchemaRef{Proto: m})
		if err != nil {
			return nil, "", err
		}
		if w := weight(found); best < 0 || w < best {
			misfits, message, best = found, m.Name, w
		}
	}
	return misfits, message, nil
}

// weight is how bad misfits are: one that makes a dead letter outweighs all fields
// that are only null.
func weight(misfits []definition.Misfit) int {
	const dead = 1 << 20 // more than a source has fields
	sum := 0
	for _, m := range misfits {
		sum++
		if !m.Missing || m.Field == "" {
			sum += dead
		}
	}
	return sum
}
