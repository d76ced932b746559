package definition

import (
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
)

func batchSourceShape() *shape {
	available := fileTimeShape()
	s := object("a batch source",
		field{key: "files", shape: listOf(globShape(), 1), doc: "write files: [data/*.parquet]"},
		field{key: "query", shape: filledTextShape("a SELECT statement"), later: true, doc: "A SELECT over files."},
		field{key: "postgres", later: true, doc: "A table or query of PostgreSQL.", shape: object("a mapping of connection, table and query",
			field{key: "connection", shape: nameShape(), need: true, doc: "write postgres: {connection: NAME, table: NAME}"},
			field{key: "table", shape: textShape(), doc: "write table: NAME, or query: SELECT ..."}, field{key: "query", shape: textShape(), doc: "A SELECT."})},
		field{key: "view", shape: nameShape(), later: true, doc: "The history of a stream view."},
		field{key: "format", shape: wordShape("format", []string{"parquet", "csv"}, nil), doc: "The format of the files: parquet or csv."},
		field{key: "timestamp", shape: fileTimeShape(), need: true, doc: "write timestamp: {field: NAME, format: rfc3339}"},
		field{key: "available_at", shape: available, doc: "When a row could first be known."},
		field{key: "delay", shape: durationShape(), doc: "Without available_at: how long after its timestamp a row is known; 0s."},
		field{key: "fields", shape: fieldsShape(), doc: "The columns; by default those that its views name."})
	s.oneOf = [][]string{{"files", "query", "postgres", "view"}}
	s.doc = "A warehouse table."
	return s
}

func (l *loader) buildBatchSource(d *document) {
	n := d.node
	s := &BatchSource{Meta: d.meta, Format: fileFormat(n.get("format")), Delay: durationOf(n.get("delay"), 0), Fields: fieldsOf(n.get("fields"))}
	for _, glob := range n.get("files").list() {
		s.Files = append(s.Files, glob.text)
	}
	if n.has("files") && !n.has("format") {
		l.problem(n.key("files"), "write format: parquet or csv", "files need their format")
	}
	native := s.Format == Parquet
	if spec, ok := l.timeSpec(n.get("timestamp"), native); ok {
		s.Timestamp = spec
		l.checkTimeField(n.get("timestamp"), spec, s.Fields)
	}
	if spec, ok := l.timeSpec(n.get("available_at"), native); ok {
		s.AvailableAt = &spec
		l.checkTimeField(n.get("available_at"), spec, s.Fields)
	}
	if n.has("available_at") && n.has("delay") {
		l.problem(n.key("delay"), "remove one of them", "a row is known at its available_at or after a delay, not both")
	}
	d.infer = !n.has("fields")
	d.batch = s
	l.project.BatchSources = append(l.project.BatchSources, s)
}

// inferFields gives a source without declared fields those that a view names.
func (l *loader) inferFields(d *document) {
	source := l.names[spaceSource+"/"+d.node.get("source").value()]
	if source == nil || !source.infer || source.batch == nil {
		return
	}
	if e := l.names[spaceEntity+"/"+d.node.get("entity").value()]; e != nil && e.entity != nil {
		for _, key := range e.entity.Keys {
			from := d.node.get("keys").get(key.Name)
			if from == nil {
				l.inferField(source, d.node.get("entity"), key.Name, key.Type)
			} else if featurestore.CheckName(from.value()) == nil {
				l.inferField(source, from, from.text, key.Type)
			}
		}
	}
	for _, f := range d.node.get("features").list() {
		name, t := f.get("name"), f.get("type")
		if column := f.get("column"); column != nil {
			name = column
		}
		if declared, ok := typeOf(t); ok && name != nil && !f.has("expr") {
			l.inferField(source, t, name.text, declared)
		}
	}
	slices.SortFunc(source.batch.Fields, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
}

func (l *loader) inferField(source *document, n *node, name string, t featurestore.Type) {
	s := source.batch
	i := fieldIndex(s.Fields, name)
	switch {
	case i < 0:
		s.Fields = append(s.Fields, Field{Name: name, Type: t})
	case !s.Fields[i].Type.Equal(t):
		l.problem(n, "declare the fields of the source, and use expr to convert", "column %q of source %q is %s here and %s elsewhere",
			name, s.Name, t, s.Fields[i].Type)
	}
}
