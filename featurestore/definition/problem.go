package definition

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/freshet/freshet/featurestore"
)

// Severity tells errors from warnings.
type Severity uint8

// Severities.
const (
	SeverityError Severity = iota
	SeverityWarning
)

// String gives "error" or "warning".
func (s Severity) String() string {
	if s == SeverityWarning {
		return "warning"
	}
	return "error"
}

// Problem is one thing that is wrong, at its place. Line is the text of the
// line that it is on, Width how many bytes the caret underlines, Hint the way out.
type Problem struct {
	Place    Place
	Severity Severity
	Message  string
	Line     string
	Width    int
	Hint     string
}

// Problems are in order of file, line and column.
type Problems []Problem

func (p Problem) compare(o Problem) int {
	return cmp.Or(comparePaths(p.Place.File, o.Place.File), cmp.Compare(p.Place.Line, o.Place.Line),
		cmp.Compare(p.Place.Column, o.Place.Column), cmp.Compare(p.Severity, o.Severity), cmp.Compare(p.Message, o.Message))
}

func comparePaths(a, b string) int { return strings.Compare(a, b) }

// Errors counts the problems that prevent a project.
func (ps Problems) Errors() int {
	n := 0
	for i := range ps {
		if ps[i].Severity == SeverityError {
			n++
		}
	}
	return n
}

// Err is nil without errors; else an error of kind featurestore.ErrInvalid
// whose text is Format's.
func (ps Problems) Err() error {
	if ps.Errors() == 0 {
		return nil
	}
	return featurestore.Invalidf("%s", strings.TrimSuffix(ps.Format(), "\n"))
}

// Error is Format without the last line feed, so that Problems are an error.
func (ps Problems) Error() string { return strings.TrimSuffix(ps.Format(), "\n") }

// Format writes the problems for a terminal: for each its place and message,
// the line, a caret and the way out.
func (ps Problems) Format() string {
	var b strings.Builder
	for i := range ps {
		b.WriteString(ps[i].Format())
	}
	return b.String()
}

// Format writes one problem for a terminal; it ends with a line feed.
func (p Problem) Format() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s: %s\n", p.Place, p.Severity, p.Message)
	if p.Line != "" {
		text, column := excerpt(p.Line, p.Place.Column)
		fmt.Fprintf(&b, "  %s\n  %s\n", visible(text), caret(text, column, p.Width))
	}
	if p.Hint != "" {
		fmt.Fprintf(&b, "hint: %s\n", p.Hint)
	}
	return b.String()
}

// String writes file:line:column.
func (p Place) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// MarshalJSON writes a list, also where there are none.
func (ps Problems) MarshalJSON() ([]byte, error) {
	if ps == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]Problem(ps))
}

// MarshalJSON writes the problem for programs; names are stable.
func (p Problem) MarshalJSON() ([]byte, error) {
	text, _ := excerpt(p.Line, p.Place.Column)
	return json.Marshal(struct {
		File     string `json:"file"`
		Line     int    `json:"line"`
		Column   int    `json:"column"`
		Width    int    `json:"width"`
		Severity string `json:"severity"`
		Message  string `json:"message"`
		Text     string `json:"text"`
		Hint     string `json:"hint,omitempty"`
	}{p.Place.File, p.Place.Line, p.Place.Column, p.Width, p.Severity.String(), p.Message, text, p.Hint})
}

// excerptWidth bounds the line that is shown: a file may be one long line.
const excerptWidth = 160

// excerpt cuts a long line to the part around its column and gives the column
// within what is left.
func excerpt(line string, column int) (string, int) {
	if len(line) <= excerptWidth {
		return line, column
	}
	const dots = "..."
	from := max(0, min(column-1-excerptWidth/2, len(line)-excerptWidth))
	to := min(len(line), from+excerptWidth)
	for from > 0 && !utf8.RuneStart(line[from]) {
		from--
	}
	for to < len(line) && !utf8.RuneStart(line[to]) {
		to++
	}
	text := line[from:to]
	column -= from
	if from > 0 {
		text, column = dots+text, column+len(dots)
	}
	if to < len(line) {
		text += dots
	}
	return text, column
}

// visible replaces characters that would act on the terminal, one for one.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if hidden(r) || r == '\r' {
			return '?'
		}
		return r
	}, text)
}

// caret underlines width bytes from a column; tabs are kept so that it stands
// under what it means.
func caret(text string, column, width int) string {
	at := max(0, min(column-1, len(text)))
	end := max(at, min(at+width, len(text)))
	var b strings.Builder
	for _, r := range text[:at] {
		if r == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	b.WriteString(strings.Repeat("^", max(1, utf8.RuneCountInString(text[at:end]))))
	return b.String()
}
