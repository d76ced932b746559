package expr

import (
	"os"
	"strings"
	"testing"
)

// TestReference holds docs/expressions.md to the language: its examples
// compile, and every function is in it.
func TestReference(t *testing.T) {
	data, err := os.ReadFile("../../docs/expressions.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	_, rest, _ := strings.Cut(text, "```vars\n")
	fields, _, _ := strings.Cut(rest, "```")
	vars := parseVars(t, fields)
	examples := 0
	for i, block := range strings.Split(text, "```cel\n") {
		if i == 0 {
			continue
		}
		lines, _, _ := strings.Cut(block, "\n```")
		for src := range strings.Lines(lines) {
			examples++
			if _, err := Compile(strings.TrimSpace(src), vars); err != nil {
				t.Errorf("%s: %v", src, err)
			}
		}
	}
	if examples < 15 {
		t.Errorf("only %d examples were read", examples)
	}
	for _, name := range functionNames() {
		if _, known := functions(name); !known {
			t.Errorf("%s is suggested, but is no function", name)
		}
		if !strings.Contains(text, "`"+name+"(") {
			t.Errorf("docs/expressions.md does not describe %s", name)
		}
	}
}
