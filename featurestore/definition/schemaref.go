package definition

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/schema"
)

// Files of schemas, by the ends of their names.
const (
	avroFile  = ".avsc"
	protoFile = ".proto"
)

// descriptorFiles are compiled sets of .proto files.
func descriptorFiles() []string { return []string{".binpb", ".desc", ".pb", ".protoset"} }

// IsSchemaFile reports whether a file beside the definitions is a schema, by its
// name.
func IsSchemaFile(name string) bool {
	ext := path.Ext(name)
	return ext == avroFile || ext == protoFile || slices.Contains(descriptorFiles(), ext)
}

func schemaShape() *shape {
	s := object("a mapping of file or subject, and message",
		field{key: "file", shape: globShape(), doc: "write {file: schemas/order.avsc} or {subject: orders-value}"},
		field{key: "subject", shape: filledTextShape("a subject of the schema registry"), doc: "The subject: each record names its schema."},
		field{key: "message", shape: filledTextShape("the full name of a message"), doc: "The message of a Protobuf file, as shop.Order."})
	s.oneOf = [][]string{{"file", "subject"}}
	return anyOf("a file, a subject, or {file, message}", filledTextShape("a file or a subject"), s)
}

// schemaRef decodes schema: and checks the fields against it.
func (l *loader) schemaRef(d *document, s *StreamSource) {
	n := d.node.get("schema")
	switch {
	case n == nil && !d.node.has("schema") && (s.Format == FormatAvro || s.Format == FormatProtobuf):
		l.problem(d.node.get("format"), "write schema: schemas/NAME.avsc, {file: NAME.proto, message: shop.Order}, or a subject of the schema registry", "format: %s needs a schema", s.Format)
		return
	case n == nil:
		return
	case s.Format == FormatCSV:
		l.problem(d.node.key("schema"), "remove it: csv: {columns: [...]} names the columns", "schema has no meaning beside format: csv")
		return
	}
	ref, at := &SchemaRef{}, n
	if n.form == formScalar {
		if IsSchemaFile(n.text) {
			ref.File = n.text
		} else {
			ref.Subject = n.text
		}
	} else {
		ref.File, ref.Subject, ref.Message = n.get("file").value(), n.get("subject").value(), n.get("message").value()
		if at = n.get("file"); at == nil {
			at = n.get("subject")
		}
	}
	if at == nil || !l.checkRef(d, n, at, s, ref) {
		return
	}
	s.Schema = ref
	if ref.File != "" {
		l.readSchema(d, at, s, ref)
	}
}

// checkRef refuses what a format has no use for.
func (l *loader) checkRef(d *document, n, at *node, s *StreamSource, ref *SchemaRef) bool {
	before := l.problems.Errors()
	ext := path.Ext(ref.File)
	wantsMessage := s.Format == FormatProtobuf && ref.File != ""
	switch {
	case ref.File != "" && s.Format == FormatJSON:
		l.problem(at, "remove it, or name the subject if records begin with the id of a schema", "JSON records name their fields: a file of a schema has no meaning")
	case ref.File != "" && s.Format == FormatProtobuf && ext != protoFile && !slices.Contains(descriptorFiles(), ext):
		l.problem(at, "name a .proto file, or a compiled one: "+list(descriptorFiles()), "%q is not a Protobuf schema by its name", ref.File)
	case ref.File != "" && (s.Format == FormatAvro || s.Format == FormatDebezium) && ext != avroFile:
		l.problem(at, "name an .avsc file", "%q is not an Avro schema by its name", ref.File)
	case wantsMessage && ref.Message == "":
		l.problem(n, "write schema: {file: "+ref.File+", message: package.Name}", "a Protobuf file needs the message that records are")
	case !wantsMessage && ref.Message != "":
		l.problem(n.key("message"), "remove it", "message has no meaning here: the record's own schema says what it is")
	}
	return l.problems.Errors() == before
}

// readSchema parses the file and compares the fields with it.
func (l *loader) readSchema(d *document, at *node, s *StreamSource, ref *SchemaRef) {
	data, found := l.schemas[ref.File]
	if !found {
		known := slices.Sorted(maps.Keys(l.schemas))
		l.problem(at, suggest(ref.File, known, "put it there, or name a subject of the schema registry"), "there is no file %q below the definitions' folder", ref.File)
		return
	}
	ref.Digest = l.digest(ref.File, data)
	var err error
	switch path.Ext(ref.File) {
	case avroFile:
		ref.Avro, err = schema.ParseAvro(string(data))
	case protoFile:
		ref.Proto, err = schema.ParseProto(ref.File, string(data), ref.Message, l.protoFiles(ref.File))
	default:
		ref.Proto, err = schema.ParseDescriptorSet(data, ref.Message)
	}
	if err != nil {
		l.problem(at, "", "schema %q: %s", ref.File, strings.TrimSpace(err.Error()))
		return
	}
	l.compareFields(d, s, ref)
}

// protoFiles are all other .proto files, by their paths and by the ends of these:
// a file is imported by its path from whichever folder the compiler was given.
func (l *loader) protoFiles(but string) map[string]string {
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(l.schemas)) {
		if name == but || path.Ext(name) != protoFile {
			continue
		}
		for end := name; ; {
			if _, taken := out[end]; !taken || end == name {
				out[end] = string(l.schemas[name])
			}
			_, rest, more := strings.Cut(end, "/")
			if !more {
				break
			}
			end = rest
		}
	}
	delete(out, but)
	return out
}

// digest tells whether a schema is still the one that it was.
func (l *loader) digest(name string, data []byte) [32]byte {
	h := sha256.New()
	add := func(b []byte) {
		h.Write(binary.AppendUvarint(nil, uint64(len(b))))
		h.Write(b)
	}
	add(data)
	if path.Ext(name) == protoFile {
		for _, other := range slices.Sorted(maps.Keys(l.schemas)) {
			if path.Ext(other) == protoFile {
				add([]byte(other))
				add(l.schemas[other])
			}
		}
	}
	return [32]byte(h.Sum(nil))
}

// compareFields reports the fields that the schema does not have, or not so that
// they could be read.
func (l *loader) compareFields(d *document, s *StreamSource, ref *SchemaRef) {
	misfits, err := Misfits(s, ref)
	if err != nil {
		l.problem(d.node.get("schema"), "name the schema of the topic's values", "%s", err)
		return
	}
	fields := d.node.get("fields")
	for _, m := range misfits {
		if m.Field == "" {
			l.problem(d.node.get("timestamp").get("field"), "", "the timestamp %q: %s", s.Timestamp.Name, m.Reason)
		} else {
			l.problem(fields.key(m.Field), "", "field %q: %s", m.Field, m.Reason)
		}
	}
}

// Misfit is a declared field that a schema does not give; Field is "" for a
// timestamp that is no field. Missing: it is not there, and not of another type.
type Misfit struct {
	Field   string
	Reason  string
	Missing bool
}

// Misfits compares what a source declares with a schema of its records. An error
// says that the schema is none of a change feed.
func Misfits(s *StreamSource, ref *SchemaRef) ([]Misfit, error) {
	readable := ref.reader()
	if s.Format == FormatDebezium {
		row := rowOf(ref.Avro)
		if row == nil {
			return nil, featurestore.Invalidf("the schema has no row: neither before and after, nor fields of its own")
		}
		readable = (&SchemaRef{Avro: row}).reader()
	}
	times := timesOf(s.Timestamp)
	var out []Misfit
	for i := range s.Fields {
		f := &s.Fields[i]
		err, missing := readable(f.At(), f.Type, times)
		if err == nil || missing && i == s.Key {
			continue // the record's key has it
		}
		out = append(out, Misfit{f.Name, err.Error(), missing})
	}
	t := &s.Timestamp
	if t.Origin == TimeField && t.Name != "" && t.Name != ChangeTime && fieldIndex(s.Fields, t.Name) < 0 {
		if err, missing := readable([]string{t.Name}, featurestore.Timestamp, times); err != nil {
			out = append(out, Misfit{"", err.Error(), missing})
		}
	}
	return out, nil
}

// reader says why a path cannot be read as a type, and whether it is because
// nothing stands there.
func (r *SchemaRef) reader() func([]string, featurestore.Type, schema.Times) (err error, missing bool) {
	return func(at []string, t featurestore.Type, times schema.Times) (error, bool) {
		if r.Avro != nil {
			a, err := r.Avro.Find(at)
			if err != nil {
				return err, true
			}
			return a.Readable(t, times), false
		}
		found, err := r.Proto.Find(at)
		if err != nil {
			return err, true
		}
		return found[len(found)-1].Readable(t, times), false
	}
}

// rowOf is the row of a change feed's schema: below after of an envelope, or the
// record itself.
func rowOf(root *schema.Avro) *schema.Avro {
	if root == nil {
		return nil
	}
	if after := root.Step("after"); after != nil && root.Step("op") != nil {
		return after.TheRecord()
	}
	return root.TheRecord()
}

func timesOf(t TimeSpec) schema.Times {
	return schema.Times{
		Counted: t.Format == FormatUnixS || t.Format == FormatUnixMS || t.Format == FormatUnixUS,
		Native:  t.Format == FormatNative, Zoned: t.Zone != nil,
	}
}

// SchemaTimes is how a source's times are declared, for package schema.
func SchemaTimes(t TimeSpec) schema.Times { return timesOf(t) }
