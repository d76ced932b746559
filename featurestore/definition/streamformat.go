package definition

import (
	"fmt"
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
)

func streamFormats() []string {
	return []string{FormatJSON, FormatCSV, FormatAvro, FormatProtobuf, FormatDebezium}
}

func csvShape() *shape {
	return object("a mapping of columns and separator",
		field{key: "columns", shape: listOf(filledTextShape("the name of a column"), 1), doc: "The columns in the order of the record; the fields in their order by default."},
		field{key: "separator", shape: checkedText("one character", `^[^"\r\n]$`, checkSeparator), doc: "What stands between columns; a comma by default."})
}

func checkSeparator(text string) error {
	if len(text) != 1 || text[0] == '"' || text[0] == '\r' || text[0] == '\n' || text[0] >= 0x80 {
		return fmt.Errorf("%s does not separate columns: write one ASCII character that is no quote or line break", quoted(text))
	}
	return nil
}

func kafkaKeyShape() *shape {
	return anyOf("the name of a field, or {field, format}", nameShape(), object("a mapping of field and format",
		field{key: "field", shape: nameShape(), need: true, doc: "write {field: NAME, format: text}"},
		field{key: "format", shape: wordShape("the form of a key", keyForms(), nil), doc: "text, or a big endian int64 or int32; text by default."}))
}

func keyForms() []string { return []string{"text", "int64", "int32"} }

// recordKey decodes kafka: {key}.
func (l *loader) recordKey(d *document, s *StreamSource) {
	n := d.node.get("kafka").get("key")
	name := n
	if n != nil && n.form == formObject {
		name = n.get("field")
		s.KeyForm = KeyForm(max(0, slices.Index(keyForms(), n.get("format").value())))
	}
	s.Key = l.fieldOf(d, name, s.Fields, "a record's key", featurestore.KindString, featurestore.KindInt64, featurestore.KindBytes)
	if s.Key >= 0 && s.KeyForm != KeyText && s.Fields[s.Key].Type.Kind != featurestore.KindInt64 {
		l.problem(n.get("format"), "write format: text, or declare the field as int64", "a key of format %s is an int64, and field %q is %s", keyForms()[s.KeyForm], s.Fields[s.Key].Name, s.Fields[s.Key].Type)
	}
}

// csvColumns decodes csv and checks that every field has a column.
func (l *loader) csvColumns(d *document, s *StreamSource) {
	n := d.node.get("csv")
	if n != nil && s.Format != FormatCSV {
		l.problem(d.node.key("csv"), "remove it, or write format: csv", "csv has no meaning beside format: %s", s.Format)
		return
	}
	if s.Format != FormatCSV {
		return
	}
	if text := n.get("separator").value(); text != "" {
		s.Separator = text[0]
	}
	for _, c := range n.get("columns").list() {
		if slices.Contains(s.Columns, c.text) {
			l.problem(c, "give each column a name of its own", "column %q stands twice", c.text)
		}
		s.Columns = append(s.Columns, c.text)
	}
	columns, at := s.Columns, d.node.key("format")
	if columns == nil {
		columns = names(s.Fields)
	} else {
		at = n.key("columns")
	}
	for i := range s.Fields {
		if name := s.Fields[i].Name; !slices.Contains(columns, name) && i != s.Key && !d.fieldsBroken() {
			l.problem(at, suggest(name, columns, "add it where the record has it"), "field %q is none of the columns", name)
		}
	}
	if t := &s.Timestamp; t.Origin == TimeField && t.Name != "" && !slices.Contains(columns, t.Name) && fieldIndex(s.Fields, t.Name) < 0 {
		l.problem(at, "write csv: {columns: [...]} with it, or declare it as a field", "the timestamp %q is none of the columns", t.Name)
	}
}

// checkChanges refuses of a change feed what cannot be taken back.
func (l *loader) checkChanges(d *document, s *StreamSource) {
	n := d.node.get("timestamp")
	if !s.Changes() {
		if s.Timestamp.Origin == TimeField && s.Timestamp.Name == ChangeTime {
			l.problem(n.get("field"), "declare a field with a path, and name it here", "%q is the time of a change, which only format: debezium has", ChangeTime)
		}
		return
	}
	switch {
	case n == nil:
	case s.Timestamp.Origin != TimeField:
		l.problem(n, "name a column of the row, as {field: created_at, format: unix_us}", "a change takes a row back by the row's own time, which neither a header nor the log has")
	case s.Timestamp.Name == ChangeTime && s.Timestamp.Format != FormatUnixMS && n.get("format") != nil: // else it was refused
		l.problem(n.get("format"), "write format: unix_ms", "the time of a change is in milliseconds")
	}
	if s.EventID >= 0 {
		l.problem(d.node.key("event_id"), "remove it: a change has a position of its own", "event_id has no meaning beside format: debezium, whose changes of one row repeat its fields")
	}
}

// timeNameShape is the field of a timestamp: a name or, of a change feed, the
// time of the change.
func timeNameShape() *shape {
	s := checkedText("a name", `^([a-z][a-z0-9_]{0,62}|source\.ts_ms)$`, func(name string) error {
		if name == ChangeTime {
			return nil
		}
		return checkName(name)
	})
	s.hint = func(name string) string {
		if strings.Contains(name, ".") {
			return "declare a field with path: " + name + ", and name it here"
		}
		return nameHint(name)
	}
	return s
}
