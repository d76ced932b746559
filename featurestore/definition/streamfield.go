package definition

import (
	"fmt"
	"slices"
	"strings"
)

// streamFieldsShape is {name: type} or {name: {type, pii, path}}.
func streamFieldsShape() *shape {
	return dictOf(variableShape(), anyOf("a type or {type, pii, path}", typeShape(), object("a mapping of type, pii and path",
		field{key: "type", shape: typeShape(), need: true, doc: "write {type: string, pii: true}"},
		field{key: "pii", shape: boolShape(), doc: "Personal data: kept out of logs, labels, errors and traces."},
		field{key: "path", shape: pathShape(), doc: "Where the record has it; under its name by default."})), 1)
}

// pathShape is names with dots between them, or a list of names for names that
// hold dots.
func pathShape() *shape {
	return anyOf("a path, as payload.amount, or a list of names",
		checkedText("a path, as payload.amount", `^[^.]+(\.[^.]+)*$`, checkPath),
		listOf(filledTextShape("a name of the record"), 1))
}

// maxPath is how deep a path may go: as deep as records are read.
const maxPath = 16

func checkPath(text string) error {
	names := strings.Split(text, ".")
	if slices.Contains(names, "") {
		return fmt.Errorf("the path %s has an empty name: write names with dots between them, as payload.amount", quoted(text))
	}
	if len(names) > maxPath {
		return fmt.Errorf("the path %s has %d names; %d are allowed", quoted(text), len(names), maxPath)
	}
	return nil
}

// pathOf decodes a checked path; nil for none.
func pathOf(n *node) []string {
	switch {
	case n == nil:
		return nil
	case n.form == formScalar:
		return strings.Split(n.text, ".")
	}
	var path []string
	for _, item := range n.list() {
		path = append(path, item.text)
	}
	return path
}

// checkPaths reports fields that stand where another field's path goes on, or at
// the same place.
func (l *loader) checkPaths(d *document, s *StreamSource) {
	fields := d.node.get("fields")
	if d.fieldsBroken() {
		return
	}
	for i := range s.Fields {
		for k := range s.Fields[:i] {
			a, b := s.Fields[i].At(), s.Fields[k].At()
			n := min(len(a), len(b))
			if !slices.Equal(a[:n], b[:n]) {
				continue
			}
			at := fields.key(s.Fields[i].Name)
			if len(a) == len(b) {
				l.problem(at, "declare it once, under the name that expressions use", "field %q is at the same place as field %q: %s", s.Fields[i].Name, s.Fields[k].Name, quoted(strings.Join(a, ".")))
			} else {
				l.problem(at, "declare the values below it only", "fields %q and %q: the path of one goes on where the other one's ends", s.Fields[k].Name, s.Fields[i].Name)
			}
		}
		if s.Format == FormatCSV && s.Fields[i].Path != nil {
			l.problem(fields.key(s.Fields[i].Name), "write csv: {columns: [...]}, and name the field as its column", "CSV has columns, not paths")
		}
	}
}
