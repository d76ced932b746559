package definition

import (
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore"
)

// DefaultLateness is how late an event may come where its source does not say.
const DefaultLateness = featurestore.Hour

func streamSourceShape() *shape {
	s := object("a stream source",
		field{key: "kafka", need: true, doc: "write kafka: {topic: NAME}", shape: object("a mapping of topic and connection",
			field{key: "topic", shape: checkedText("the name of a topic", `^[a-zA-Z0-9._-]{1,249}$`, checkTopic), need: true, doc: "write kafka: {topic: NAME}"},
			field{key: "connection", shape: nameShape(), doc: "A connection of the settings; never an address or a secret."},
			field{key: "key", shape: kafkaKeyShape(), doc: "The field that records are keyed by; read from the key where the value does not have it."})},
		field{key: "format", shape: wordShape("format", streamFormats(), nil), need: true, doc: "write format: json"},
		field{key: "schema", shape: schemaShape(), doc: "The schema of avro, protobuf or debezium: a file beside the definitions, or a subject of the schema registry."},
		field{key: "csv", shape: csvShape(), doc: "The columns of csv."},
		field{key: "timestamp", shape: timestampShape(), need: true, doc: "write timestamp: {field: NAME, format: rfc3339}"},
		field{key: "fields", shape: streamFieldsShape(), need: true, doc: "write fields: {name: type}"},
		field{key: "event_id", shape: nameShape(), doc: "The field whose equal values are one event."},
		field{key: "sequence", shape: nameShape(), doc: "The field that orders events of one instant."},
		field{key: "allowed_lateness", shape: durationShape(), doc: "How far an event's time may lie before its log time; 1h."},
		field{key: "apply_delay", shape: durationShape(), doc: "How long applying takes, for training sets; 0s."},
		field{key: "where", shape: expressionShape(), doc: "Which events count."},
		field{key: "history", doc: "The same events from files.", shape: historyShape()})
	s.doc = "A stream of events."
	return s
}

func checkTopic(topic string) error {
	ok := len(topic) > 0 && len(topic) <= 249 && topic != "." && topic != ".."
	for _, c := range []byte(topic) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-')
	}
	if !ok {
		return fmt.Errorf("%s is not the name of a topic: 1 to 249 letters, digits, dots, underscores and dashes", quoted(topic))
	}
	return nil
}

func (l *loader) buildStreamSource(d *document) {
	n := d.node
	s := &StreamSource{
		Meta: d.meta, Topic: n.get("kafka").get("topic").value(), Connection: n.get("kafka").get("connection").value(), Format: formatOf(n.get("format")),
		Fields: fieldsOf(n.get("fields")), AllowedLateness: durationOf(n.get("allowed_lateness"), DefaultLateness), ApplyDelay: durationOf(n.get("apply_delay"), 0),
	}
	parquet := n.get("history").get("format").value() == "parquet" // native can be replayed from files
	typed := s.Format == FormatAvro || s.Format == FormatProtobuf || s.Format == FormatDebezium && n.has("schema")
	spec, ok := l.timeSpec(n.get("timestamp"), parquet || typed)
	s.Timestamp = spec
	if ok {
		l.checkTimeField(n.get("timestamp"), spec, s.Fields)
	}
	text, whole := featurestore.KindString, featurestore.KindInt64
	l.recordKey(d, s)
	s.EventID = l.fieldOf(d, n.get("event_id"), s.Fields, "an event id", text, whole)
	s.Sequence = l.fieldOf(d, n.get("sequence"), s.Fields, "a sequence", whole, featurestore.KindTimestamp, text)
	if !d.fieldsBroken() {
		s.Where = l.condition(n.get("where"), s.Fields)
	}
	s.History = l.history(n.get("history"), s, ok)
	l.checkPaths(d, s)
	l.csvColumns(d, s)
	l.checkChanges(d, s)
	if n.get("format") != nil {
		l.schemaRef(d, s)
	}
	d.stream = s
	l.project.StreamSources = append(l.project.StreamSources, s)
}

// formatOf is a checked format; json stands for one that was refused.
func formatOf(n *node) string {
	if f := n.value(); slices.Contains(streamFormats(), f) {
		return f
	}
	return FormatJSON
}

// fieldsBroken reports that some declared field could not be read, so that an
// unknown name may be that one.
func (d *document) fieldsBroken() bool {
	fields := d.node.get("fields")
	return d.node.has("fields") && (fields == nil || len(fieldsOf(fields)) != len(fields.keys))
}

// fieldOf gives the index of the field that a node names, -1 for none.
func (l *loader) fieldOf(d *document, n *node, fields []Field, use string, kinds ...featurestore.Kind) int {
	if n == nil || d.fieldsBroken() {
		return -1
	}
	i := fieldIndex(fields, n.text)
	if i < 0 {
		l.problem(n, suggest(n.text, names(fields), "declare it in fields"), "unknown field %q", n.text)
		return -1
	}
	if !slices.Contains(kinds, fields[i].Type.Kind) {
		l.problem(n, "name a field of type "+kindList(kinds), "field %q is %s, which cannot be %s", n.text, fields[i].Type, use)
	}
	return i
}

func fileFormat(n *node) FileFormat {
	switch n.value() {
	case "csv":
		return CSV
	case "jsonl":
		return JSONL
	}
	return Parquet
}

func durationOf(n *node, none featurestore.Duration) featurestore.Duration {
	d, err := featurestore.ParseDuration(n.value())
	if err != nil {
		return none
	}
	return d
}
