package expr

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
)

var update = flag.Bool("update", false, "write testdata/errors.txt anew; read it over afterwards")

func TestValues(t *testing.T) {
	lines := readTable(t, "testdata/values.txt")
	var vars []Var
	tested := 0
	for i, line := range lines {
		if isComment(line) {
			continue
		}
		if rest, ok := strings.CutPrefix(line, "vars "); ok {
			vars = parseVars(t, rest)
			continue
		}
		parts := strings.Split(line, " | ")
		if len(parts) != 3 {
			t.Fatalf("line %d: want expression | row | value: %q", i+1, line)
		}
		tested++
		p, err := Compile(parts[0], vars)
		if err != nil {
			e := err.(*Error)
			t.Errorf("line %d: %s: %d:%d %s (%s)", i+1, parts[0], e.Offset, e.End, e.Message, e.Hint)
			continue
		}
		v, failed := p.Eval(parseRow(t, vars, parts[1]))
		if got := resultText(p, v, failed); got != parts[2] {
			t.Errorf("line %d: %s with %s gives %s, want %s", i+1, parts[0], parts[1], got, parts[2])
		}
		again, err := Compile(p.Canonical(), vars)
		if err != nil {
			t.Errorf("line %d: the canonical text %q does not compile: %v", i+1, p.Canonical(), err)
		} else if again.Canonical() != p.Canonical() || !again.Type().Equal(p.Type()) {
			t.Errorf("line %d: canonical of %q is %q", i+1, p.Canonical(), again.Canonical())
		} else if w, f := again.Eval(parseRow(t, vars, parts[1])); !w.Equal(v) || f != failed {
			t.Errorf("line %d: the canonical text %q gives another value", i+1, p.Canonical())
		}
	}
	if tested < 200 {
		t.Errorf("only %d lines were read", tested)
	}
}

// TestErrors holds every message with its bytes and its way out.
func TestErrors(t *testing.T) {
	lines := readTable(t, "testdata/errors.txt")
	var vars []Var
	var written []string
	for i, line := range lines {
		if rest, ok := strings.CutPrefix(line, "vars "); ok {
			vars = parseVars(t, rest)
		}
		if isComment(line) || strings.HasPrefix(line, "vars ") {
			written = append(written, line)
			continue
		}
		src, _, _ := strings.Cut(line, " ~ ")
		_, err := Compile(src, vars)
		e, ok := err.(*Error)
		if !ok {
			t.Errorf("line %d: %q compiles", i+1, src)
			written = append(written, line)
			continue
		}
		if e.Offset < 0 || e.End <= e.Offset || e.End > len(src) {
			t.Errorf("line %d: %q: the bytes %d:%d are not in the text", i+1, src, e.Offset, e.End)
			continue
		}
		got := fmt.Sprintf("%s ~ %s ~ %s ~ %s", src, src[e.Offset:e.End], e.Message, e.Hint)
		written = append(written, got)
		if got != line && !*update {
			t.Errorf("line %d:\n got %s\nwant %s", i+1, got, line)
		}
	}
	if *update {
		if err := os.WriteFile("testdata/errors.txt", []byte(strings.Join(written, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func readTable(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimRight(string(data), "\n"), "\n")
}

func isComment(line string) bool {
	return strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#")
}

func parseVars(t *testing.T, text string) []Var {
	t.Helper()
	var vars []Var
	for _, f := range strings.Fields(text) {
		name, typ, _ := strings.Cut(f, "=")
		parsed, err := featurestore.ParseType(typ)
		if err != nil {
			t.Fatal(err)
		}
		vars = append(vars, Var{Name: name, Type: parsed})
	}
	return vars
}

func parseRow(t *testing.T, vars []Var, text string) []featurestore.Value {
	t.Helper()
	r := make([]featurestore.Value, len(vars))
	for _, cell := range words(text) {
		name, value, _ := strings.Cut(cell, "=")
		found := false
		for i, v := range vars {
			if v.Name == name {
				r[i], found = parseCell(t, v.Type, value), true
			}
		}
		if !found {
			t.Fatalf("no variable %q", name)
		}
	}
	return r
}

// words splits at blanks outside of quotes and brackets.
func words(text string) []string {
	var list []string
	depth, quoted, start := 0, false, -1
	for i := 0; i <= len(text); i++ {
		if i == len(text) || text[i] == ' ' && depth == 0 && !quoted {
			if start >= 0 {
				list = append(list, text[start:i])
			}
			start = -1
			continue
		}
		if start < 0 {
			start = i
		}
		switch c := text[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == '[' || c == '{'):
			depth++
		case !quoted && (c == ']' || c == '}'):
			depth--
		}
	}
	return list
}

func parseCell(t *testing.T, typ featurestore.Type, text string) featurestore.Value {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatalf("cell %q of %s: %v", text, typ, err)
		}
	}
	if text == "null" {
		return featurestore.Null
	}
	switch typ.Kind {
	case featurestore.KindBool:
		return featurestore.BoolValue(text == "true")
	case featurestore.KindInt64:
		n, err := strconv.ParseInt(text, 10, 64)
		must(err)
		return featurestore.Int64Value(n)
	case featurestore.KindDouble:
		d, err := strconv.ParseFloat(text, 64)
		must(err)
		return featurestore.DoubleValue(d)
	case featurestore.KindString, featurestore.KindBytes:
		s, err := strconv.Unquote(text)
		must(err)
		if typ.Kind == featurestore.KindBytes {
			return featurestore.BytesValue(s)
		}
		return featurestore.StringValue(s)
	case featurestore.KindTimestamp:
		at, err := featurestore.ParseInstant(text)
		must(err)
		return featurestore.TimestampValue(at)
	case featurestore.KindDecimal:
		u, err := featurestore.ParseDecimal(text, typ.Precision, typ.Scale)
		must(err)
		return featurestore.DecimalValue(u)
	}
	var keys []string
	var elems []featurestore.Value
	for _, w := range words(text[1 : len(text)-1]) {
		if typ.Kind == featurestore.KindMap {
			k, v, _ := strings.Cut(w, ":")
			keys, w = append(keys, k), v
		}
		elems = append(elems, parseCell(t, *typ.Elem, w))
	}
	if typ.Kind == featurestore.KindMap {
		return featurestore.MapValue(keys, elems)
	}
	return featurestore.ListValue(elems)
}

func resultText(p *Program, v featurestore.Value, failed bool) string {
	switch {
	case failed && v.IsNull():
		return "failed"
	case failed:
		return "failed, but not null"
	case v.IsNull():
		return "null"
	case v.Kind() == featurestore.KindString || v.Kind() == featurestore.KindBytes:
		return p.Type().String() + " " + strconv.Quote(v.Str())
	}
	return p.Type().String() + " " + v.Text(p.Type())
}
