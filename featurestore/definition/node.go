package definition

import (
	"iter"
	"strings"
	"unicode/utf8"
)

// form is the shape of a YAML node.
type form uint8

const (
	formScalar form = iota
	formList
	formObject
)

// style is how a scalar is written.
type style uint8

const (
	stylePlain style = iota
	styleSingle
	styleDouble
	styleLiteral
	styleFolded
)

// The YAML tags of scalars.
const (
	tagNull      = "!!null"
	tagBool      = "!!bool"
	tagInt       = "!!int"
	tagFloat     = "!!float"
	tagString    = "!!str"
	tagTimestamp = "!!timestamp"
)

// node is one value of a file with its place: line and column from 1, in bytes.
// A bad node was reported already; nothing more is said about it.
type node struct {
	src          *source
	line, column int
	form         form
	flow         bool
	tag          string
	style        style
	text         string  // of a scalar
	keys         []*node // of an object, parallel to items
	items        []*node
	bad          bool
}

// get is the value of an object's key, nil where there is none or where it is bad.
func (n *node) get(key string) *node {
	if n == nil || n.bad || n.form != formObject {
		return nil
	}
	for i, k := range n.keys {
		if k.text == key && !n.items[i].bad {
			return n.items[i]
		}
	}
	return nil
}

// key is the key itself, for problems that are about its presence.
func (n *node) key(key string) *node {
	for i := range n.keys {
		if n.keys[i].text == key {
			return n.keys[i]
		}
	}
	return nil
}

// has reports whether the key is written, well or badly.
func (n *node) has(key string) bool { return n.key(key) != nil }

// pairs are the good entries of an object, in written order.
func (n *node) pairs() iter.Seq2[*node, *node] {
	return func(yield func(k, v *node) bool) {
		if n == nil || n.bad || n.form != formObject {
			return
		}
		for i := range n.keys {
			if !n.keys[i].bad && !n.items[i].bad && !yield(n.keys[i], n.items[i]) {
				return
			}
		}
	}
}

// list are the good items of a list.
func (n *node) list() []*node {
	if n == nil || n.bad || n.form != formList {
		return nil
	}
	var good []*node
	for _, item := range n.items {
		if !item.bad {
			good = append(good, item)
		}
	}
	return good
}

// value is the text of a scalar, "" for no node.
func (n *node) value() string {
	if n == nil || n.bad || n.form != formScalar {
		return ""
	}
	return n.text
}

// isTrue reports the true of YAML, false for no node.
func (n *node) isTrue() bool { return strings.EqualFold(n.value(), "true") }

// isNull reports the null of YAML.
func (n *node) isNull() bool { return n.form == formScalar && n.tag == tagNull }

func (n *node) place() Place { return Place{File: n.src.path, Line: n.line, Column: n.column} }

// width is how many bytes of its first line the node takes.
func (n *node) width() int {
	switch {
	case n.form == formObject && !n.flow && len(n.keys) > 0:
		return n.keys[0].width()
	case n.form != formScalar:
		return 1
	case n.style == stylePlain && !strings.Contains(n.text, "\n") && strings.HasPrefix(n.rest(), n.text):
		return max(1, len(n.text))
	}
	_, width := n.span(0, len(n.text))
	if n.style == styleSingle || n.style == styleDouble {
		width += 2
	}
	return width
}

// rest is the node's first line from the node on.
func (n *node) rest() string {
	line := n.src.line(n.line)
	if n.column < 1 || n.column > len(line) {
		return ""
	}
	return line[n.column-1:]
}

// span gives the place and width in the file of the bytes [from, to) of a
// scalar's text; where the writing cannot be followed, those of the node.
func (n *node) span(from, to int) (Place, int) {
	marks := n.marks()
	if marks == nil || from < 0 || from >= len(marks) {
		return n.place(), max(1, len(strings.TrimRight(n.rest(), " ")))
	}
	start := marks[from]
	to = max(from+1, min(to, len(marks)-1))
	width := 0
	for i := from; i < to && i < len(marks) && marks[i].line == start.line; i++ {
		width = marks[i].column - start.column + 1
	}
	if to < len(marks) && marks[to].line == start.line { // an escape is longer than what it means
		width = max(width, marks[to].column-start.column)
	}
	return Place{File: n.src.path, Line: start.line, Column: start.column}, max(width, 1)
}

// byteColumn turns the parser's column, which counts characters, into bytes.
func byteColumn(line string, column int) int {
	at := 0
	for i := 1; i < column && at < len(line); i++ {
		_, size := utf8.DecodeRuneInString(line[at:])
		at += size
	}
	return at + 1
}
