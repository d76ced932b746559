package definition

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// mark is where a byte of a scalar's text is written.
type mark struct{ line, column int }

// marks reads the scalar's writing again and gives the mark of each byte of its
// text and one for its end. It is nil where the result is not the text that the
// parser gave: then only the node's own place is known.
func (n *node) marks() []mark {
	r := &scalarReader{n: n, line: n.line, at: n.column - 1}
	switch n.style {
	case styleSingle, styleDouble:
		r.at++
		r.quoted()
	case styleLiteral, styleFolded:
		r.blockText()
	default:
		r.plainText()
	}
	if string(r.out) != n.text {
		return nil
	}
	return append(r.marks, mark{r.line, r.at + 1})
}

type scalarReader struct {
	n     *node
	line  int // from 1
	at    int // byte within the line, from 0
	out   []byte
	marks []mark
}

func (r *scalarReader) emit(text string) {
	for i := range len(text) {
		r.out = append(r.out, text[i])
		r.marks = append(r.marks, mark{r.line, r.at + 1})
	}
}

// full reports that all of the parser's text has been found.
func (r *scalarReader) full() bool {
	return len(r.out) >= len(r.n.text) || r.line > len(r.n.src.lines)
}

func (r *scalarReader) plainText() {
	for !r.full() {
		text := r.n.src.line(r.line)
		if r.at >= len(text) {
			r.fold()
			continue
		}
		r.emit(text[r.at : r.at+1])
		r.at++
	}
}

// quoted reads to the closing quote.
func (r *scalarReader) quoted() {
	for r.line <= len(r.n.src.lines) {
		text := r.n.src.line(r.line)
		switch {
		case r.at >= len(text):
			r.fold()
		case r.n.style == styleSingle && text[r.at] == '\'':
			if !strings.HasPrefix(text[r.at:], "''") {
				return
			}
			r.emit("'")
			r.at += 2
		case r.n.style == styleDouble && text[r.at] == '"':
			return
		case r.n.style == styleDouble && text[r.at] == '\\' && r.at+1 == len(text):
			r.nextLine()
		case r.n.style == styleDouble && text[r.at] == '\\':
			meaning, size := escape(text[r.at:])
			r.emit(meaning)
			r.at += size
		default:
			r.emit(text[r.at : r.at+1])
			r.at++
		}
	}
}

// fold goes over a line's end: one makes a blank, each further a line feed.
func (r *scalarReader) fold() {
	for len(r.out) > 0 && (r.out[len(r.out)-1] == ' ' || r.out[len(r.out)-1] == '\t') && r.marks[len(r.marks)-1].line == r.line {
		r.out, r.marks = r.out[:len(r.out)-1], r.marks[:len(r.marks)-1]
	}
	blank := 0
	for next := r.line + 1; next <= len(r.n.src.lines) && strings.TrimSpace(r.n.src.line(next)) == ""; next++ {
		blank++
	}
	if blank == 0 {
		r.emit(" ")
	} else {
		r.emit(strings.Repeat("\n", blank))
		r.line += blank
	}
	r.nextLine()
}

func (r *scalarReader) nextLine() {
	r.line++
	text := r.n.src.line(r.line)
	r.at = len(text) - len(strings.TrimLeft(text, " \t"))
}

// blockText reads | and > scalars without an explicit indentation.
func (r *scalarReader) blockText() {
	first := r.line + 1
	for first <= len(r.n.src.lines) && strings.TrimSpace(r.n.src.line(first)) == "" {
		first++
	}
	text := r.n.src.line(first)
	indent := len(text) - len(strings.TrimLeft(text, " "))
	r.line++
	for !r.full() {
		text := r.n.src.line(r.line)
		r.at = min(indent, len(text))
		for ; r.at < len(text); r.at++ {
			r.emit(text[r.at : r.at+1])
		}
		next := r.n.src.line(r.line + 1)
		if r.n.style == styleFolded && len(r.out)+1 < len(r.n.text) && text != "" && next != "" {
			r.emit(" ")
		} else if !r.full() && !(r.n.style == styleFolded && text != "" && next == "" && len(r.out)+1 < len(r.n.text)) {
			r.emit("\n")
		}
		if r.full() {
			return
		}
		r.line++
	}
}

var escapes = map[byte]string{'0': "\x00", 'a': "\a", 'b': "\b", 't': "\t", '\t': "\t", 'n': "\n", 'v': "\v", 'f': "\f", 'r': "\r",
	'e': "\x1b", ' ': " ", '"': "\"", '/': "/", '\\': "\\", 'N': "\u0085", '_': "\u00a0", 'L': "\u2028", 'P': "\u2029"}

// escape gives what an escape of a double-quoted scalar means, and its length.
func escape(text string) (string, int) {
	if meaning, ok := escapes[text[1]]; ok {
		return meaning, 2
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[text[1]]
	if digits == 0 || len(text) < 2+digits {
		return "", 2
	}
	code, err := strconv.ParseUint(text[2:2+digits], 16, 32)
	if err != nil || code > utf8.MaxRune {
		return "", 2
	}
	return string(rune(code)), 2 + digits
}
