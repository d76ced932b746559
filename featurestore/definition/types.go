package definition

import (
	"fmt"
	"strings"

	"github.com/freshet/freshet/featurestore"
)

func typePattern() string {
	return `^(bool|int64|double|string|bytes|timestamp|decimal\([0-9]+, ?[0-9]+\)|list<.+>|map<string, ?.+>)$`
}

// typeShape is the type of a column.
func typeShape() *shape {
	s := checkedText("a type, as int64", typePattern(), checkColumnType)
	s.hint = func(text string) string {
		const runs = "use bool, int64, double, string, bytes, timestamp, decimal(p,s), list<T> or map<string,T>"
		if strings.HasPrefix(text, "struct") {
			return "declare the fields that are needed, each under its own name"
		}
		return suggest(text, []string{"bool", "int64", "double", "string", "bytes", "timestamp"}, runs)
	}
	return s
}

// Lists and maps may nest maxNesting deep; a type's name has at most maxTypeName
// characters.
const (
	maxNesting  = 3
	maxTypeName = 100
)

func checkColumnType(text string) error {
	if base, _, _ := strings.Cut(text, "<"); base == "struct" {
		return fmt.Errorf("type %s is not supported yet", quoted(text))
	}
	if len(text) > maxTypeName {
		return fmt.Errorf("type %s has %d characters; %d are allowed", quoted(text), len(text), maxTypeName)
	}
	t, err := featurestore.ParseType(text)
	depth := 0
	for e := t.Elem; e != nil; e = e.Elem {
		depth++
	}
	if err == nil && depth > maxNesting {
		return fmt.Errorf("type %q nests deeper than %d", text, maxNesting)
	}
	return err
}

func keyTypeShape() *shape {
	kinds := []string{"bool", "int64", "string", "bytes", "timestamp"}
	return wordShape("a key type: "+list(kinds), kinds, nil)
}

// typeOf is the type that a checked node names; ok is false where it is missing.
func typeOf(n *node) (featurestore.Type, bool) {
	if n == nil {
		return featurestore.Type{}, false
	}
	t, err := featurestore.ParseType(n.text)
	return t, err == nil
}

// fieldsShape is {name: type} or {name: {type, pii}}.
func fieldsShape() *shape {
	return dictOf(variableShape(), anyOf("a type or {type, pii}", typeShape(), object("a mapping of type and pii",
		field{key: "type", shape: typeShape(), need: true, doc: "write {type: string, pii: true}"},
		field{key: "pii", shape: boolShape(), doc: "Personal data: kept out of logs, labels, errors and traces."})), 1)
}

// fieldsOf decodes checked fields, in declared order.
func fieldsOf(n *node) []Field {
	var fields []Field
	for k, v := range n.pairs() {
		f := Field{Name: k.text}
		declared := v
		if v.form == formObject {
			declared, f.PII, f.Path = v.get("type"), v.get("pii").isTrue(), pathOf(v.get("path"))
		}
		t, ok := typeOf(declared)
		if !ok {
			continue
		}
		f.Type = t
		fields = append(fields, f)
	}
	return fields
}

func kindList(kinds []featurestore.Kind) string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.String()
	}
	return list(names)
}
