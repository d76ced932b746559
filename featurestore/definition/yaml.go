package definition

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// read parses one file into its documents. It is the only place that knows the
// YAML library.
func (l *loader) read(f File) {
	src := newSource(f.Path, string(f.Data))
	l.sources = append(l.sources, src)
	if found := src.guard(); len(found) > 0 {
		l.problems = append(l.problems, found...)
		l.loseNames(src, 0, len(src.lines))
		return
	}
	l.refuseSecrets(src)
	before, bounds := len(l.docs), src.documents()
	for i := range len(bounds) - 1 {
		l.readChunk(src, bounds[i], bounds[i+1])
	}
	if len(l.docs) == before && len(bounds) == 2 && src.blankFrom(0, len(src.lines)) {
		p := src.problem(1, 1, 1, "write a document with kind and name, or remove the file", "the file holds no document")
		p.Severity = SeverityWarning
		l.problems = append(l.problems, p)
	}
}

// documents gives the first lines, from 0, of the parts between the lines ---,
// and the end. A line that begins with --- starts a document wherever it stands.
func (s *source) documents() []int {
	bounds := []int{0}
	for i, line := range s.lines {
		if i > 0 && documentMark(line) {
			bounds = append(bounds, i)
		}
	}
	return append(bounds, len(s.lines))
}

// blankFrom reports lines [from, to) of blanks and comments only.
func (s *source) blankFrom(from, to int) bool {
	for _, line := range s.lines[from:to] {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return false
		}
	}
	return true
}

// readChunk parses the lines [from, to) on their own, so that an error in one
// document does not hide the others.
func (l *loader) readChunk(src *source, from, to int) {
	if src.blankFrom(from, to) {
		return // before the first ---
	}
	seen := scan(src, from, to)
	if seen.tooDeep != nil {
		l.syntax(src, *seen.tooDeep, from, to)
		return
	}
	sure := false
	for _, s := range seen.suspects {
		if s.sure {
			l.syntax(src, s, from, to)
			sure = true
		}
	}
	if sure {
		return
	}
	end := len(src.text)
	if to < len(src.start) {
		end = src.start[to]
	}
	decoder := yaml.NewDecoder(strings.NewReader(src.text[src.start[from]:end]))
	for {
		var root yaml.Node
		err := decoder.Decode(&root)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			l.syntax(src, explain(src, from, to, err, seen.suspects), from, to)
			return
		}
		c := &converter{l: l, src: src, base: from}
		l.addDocument(c.document(&root), src, from, to)
	}
}

// syntax reports what makes a document unreadable and remembers its name, so
// that references to it are not reported as well.
func (l *loader) syntax(src *source, s suspect, from, to int) {
	l.problems = append(l.problems, src.problem(s.line, s.column, s.width, s.hint, s.message))
	l.loseNames(src, from, to)
}

// loseNames notes the names that an unreadable part seems to declare.
func (l *loader) loseNames(src *source, from, to int) {
	for _, line := range src.lines[from:to] {
		if name, ok := strings.CutPrefix(line, "name:"); ok {
			name, _, _ = strings.Cut(name, "#")
			l.lost[strings.Trim(name, " \t\"'")] = true
		}
	}
}

// explain turns the parser's error into a place: what the scanner saw, else the
// first line from which on nothing parses, else the line in the error's text.
func explain(src *source, from, to int, err error, suspects []suspect) suspect {
	if len(suspects) > 0 {
		return suspects[0]
	}
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := from + 1
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		number, message, _ := strings.Cut(rest, ": ")
		if n, err := strconv.Atoi(number); err == nil {
			line, text = from+n, message
		}
	}
	if n, ok := firstBroken(src, from, to); ok {
		line = n
	}
	line = min(max(line, from+1), to)
	raw := src.line(line)
	trimmed := strings.TrimSpace(raw)
	return suspect{line: line, column: len(raw) - len(strings.TrimLeft(raw, " \t")) + 1, width: len(trimmed), message: "YAML: " + text,
		hint: "compare the indentation with the lines above, and quote values that hold ': ', ' #' or begin with a mark"}
}

// firstBroken finds the line, from 1, behind the longest part that parses. The
// parser's own line is that of a construct's start as often as of its error.
func firstBroken(src *source, from, to int) (int, bool) {
	const budget = 4 << 20 // bytes to parse; beyond it the parser's line must do
	size := src.start[to-1] + len(src.lines[to-1]) - src.start[from]
	if (to-from)*size > budget {
		return 0, false
	}
	for end := to - 1; end > from; end-- {
		var n yaml.Node
		if yaml.Unmarshal([]byte(src.text[src.start[from]:src.start[end]]), &n) == nil {
			for end < to-1 && strings.TrimSpace(src.lines[end]) == "" {
				end++
			}
			return end + 1, true
		}
	}
	return from + 1, true
}

// converter makes our nodes of the library's and refuses what a definition may
// not use.
type converter struct {
	l    *loader
	src  *source
	base int // line of the part's start, from 0
}

func (c *converter) document(root *yaml.Node) *node {
	if len(root.Content) == 0 {
		return &node{src: c.src, line: c.base + max(root.Line, 1), column: 1, tag: tagNull}
	}
	return c.node(root.Content[0], 1)
}

func (c *converter) node(y *yaml.Node, depth int) *node {
	n := &node{src: c.src, line: c.base + y.Line, tag: y.Tag, flow: y.Style&yaml.FlowStyle != 0}
	n.column = byteColumn(c.src.line(n.line), y.Column)
	switch {
	case depth > MaxDepth:
		return c.refuse(n, "no definition needs this", "nested more than %d deep", MaxDepth)
	case y.Kind == yaml.AliasNode:
		return c.refuse(n, "write the value out", "alias %q: anchors and aliases are refused", "*"+y.Value)
	case y.Anchor != "":
		return c.refuse(n, "write the value out", "anchor %q: anchors and aliases are refused", "&"+y.Anchor)
	case y.Style&yaml.TaggedStyle != 0:
		hint := tagHint
		if strings.HasPrefix(y.Tag, "!!") {
			hint = "remove it: quotes make text of anything"
		}
		return c.refuse(n, hint, "tag %q: tags are refused", y.Tag)
	}
	switch y.Kind {
	case yaml.MappingNode:
		n.form = formObject
		c.pairs(n, y, depth)
	case yaml.SequenceNode:
		n.form = formList
		for _, item := range y.Content {
			n.items = append(n.items, c.node(item, depth+1))
		}
	default:
		n.text, n.style = y.Value, scalarStyle(y.Style)
	}
	return n
}

func (c *converter) pairs(n *node, y *yaml.Node, depth int) {
	first := map[string]*node{}
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, value := c.node(y.Content[i], depth), c.node(y.Content[i+1], depth+1)
		switch {
		case key.bad:
			continue
		case key.tag == "!!merge":
			c.refuse(key, "write the keys out", "merge keys (<<) are refused")
			continue
		case key.form != formScalar || key.tag != tagString:
			c.refuse(key, "write it in quotes", "a key must be text")
			continue
		case first[key.text] != nil:
			c.refuse(key, "remove one of them", "key %s is written twice; first on line %d", quoted(key.text), first[key.text].line)
			continue
		}
		first[key.text] = key
		n.keys, n.items = append(n.keys, key), append(n.items, value)
	}
}

// refuse reports a node and marks it bad.
func (c *converter) refuse(n *node, hint, format string, args ...any) *node {
	n.bad = true
	width := 1
	if n.text != "" {
		width = n.width()
	} else if i := strings.IndexAny(n.rest(), " ,]}"); i > 0 {
		width = i
	} else if i < 0 {
		width = max(1, len(n.rest()))
	}
	c.l.problems = append(c.l.problems, c.src.problem(n.line, n.column, width, hint, fmt.Sprintf(format, args...)))
	return n
}

func scalarStyle(s yaml.Style) style {
	switch {
	case s&yaml.SingleQuotedStyle != 0:
		return styleSingle
	case s&yaml.DoubleQuotedStyle != 0:
		return styleDouble
	case s&yaml.LiteralStyle != 0:
		return styleLiteral
	case s&yaml.FoldedStyle != 0:
		return styleFolded
	}
	return stylePlain
}
