package definition_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore/definition"
)

const before = "kind: Entity\nname: user\nkeys: [{name: user_id, type: string}]\n---\n" +
	"kind: StreamSource\nname: s\nkafka: {topic: t}\nformat: json\ntimestamp: {field: at, format: rfc3339}\nfields: {user_id: string, page: string}\n"

// writings are the ways of YAML to write an expression, on one line or several.
func writings(text string) map[string]string {
	double := strconv.QuoteToASCII(text)
	broken := func(s string) string { return strings.ReplaceAll(s, " && ", "\n   && ") }
	return map[string]string{
		"plain":   "where: " + broken(text) + "\n",
		"single":  "where: '" + broken(strings.ReplaceAll(text, "'", "''")) + "'\n",
		"double":  "where: " + broken(double) + "\n",
		"escaped": "where: " + strings.ReplaceAll(double, "==", `\x3d\x3d`) + "\n",
		"literal": "where: |\n   " + broken(text) + "\n",
		"folded":  "where: >-\n   " + broken(text) + "\n",
		"long":    "where: |\n   " + text + "\n",
	}
}

// A problem within an expression stands under the very name that is wrong,
// however the expression is written.
func TestExpressionPositions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var parts []string
		for range rapid.IntRange(0, 3).Draw(t, "parts") {
			letters := rapid.StringOfN(rapid.RuneFrom([]rune("abé€😀 ,({[")), 0, 6, -1).Draw(t, "text")
			parts = append(parts, fmt.Sprintf("page == '%s'", letters))
		}
		parts = append(parts, "zzzz == page")
		for style, written := range writings(strings.Join(parts, " && ")) {
			_, problems := definition.Load(text(before + written))
			if len(problems) != 1 || !strings.Contains(problems[0].Message, "zzzz") {
				t.Fatalf("%s:\n%s\n%s", style, written, problems.Format())
			}
			p := problems[0]
			line := strings.Split(before+written, "\n")[p.Place.Line-1]
			if got := line[p.Place.Column-1:]; !strings.HasPrefix(got, "zzzz") || p.Width != 4 {
				t.Fatalf("%s: the caret stands under %q, %d wide, in\n%s", style, got, p.Width, written)
			}
		}
	})
}
