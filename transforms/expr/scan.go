package expr

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

// The scanner reads the tokens of CEL before the parser does: it bounds length
// and nesting while nothing has recursed yet, words the mistakes of spelling,
// and later gives each node of the tree its exact bytes, which the parser knows
// only as the place of one token.

type tokenKind uint8

const (
	tokWord tokenKind = iota
	tokNumber
	tokText
	tokOpen
	tokClose
	tokOperator
)

// token is one token; match is the index of a bracket's partner.
type token struct {
	kind       tokenKind
	start, end int
	match      int
}

// source is a scanned text.
type source struct {
	text   string
	tokens []token
	bytes  []int // byte offset of each code point, and of the end; nil for ASCII
}

func scan(text string) (*source, *Error) {
	if strings.TrimSpace(text) == "" {
		return nil, &Error{End: len(text), Message: "the expression is empty"}
	}
	if len(text) > maxSource {
		return nil, &Error{End: len(text), Message: fmt.Sprintf("the expression has %d bytes; the limit is %d", len(text), maxSource),
			Hint: "split it into several features"}
	}
	s := &source{text: text}
	if err := s.index(); err != nil {
		return nil, err
	}
	var open []int
	for at := 0; at < len(text); {
		if skip := blank(text[at:]); skip > 0 {
			at += skip
			continue
		}
		tok, err := s.next(at)
		if err != nil {
			return nil, err
		}
		at = tok.end
		if open, err = s.nest(tok, open); err != nil {
			return nil, err
		}
	}
	if len(s.tokens) == 0 {
		return nil, &Error{End: len(text), Message: "the expression is empty"}
	}
	if len(open) > 0 {
		return nil, s.at(s.tokens[open[len(open)-1]], "add its partner", "this bracket is never closed")
	}
	return s, nil
}

// nest appends a token and keeps the stack of open brackets.
func (s *source) nest(tok token, open []int) ([]int, *Error) {
	here := len(s.tokens)
	switch tok.kind {
	case tokOpen:
		if len(open) == maxNesting {
			return nil, s.at(tok, "split the expression into several features", "brackets nest deeper than %d", maxNesting)
		}
		open = append(open, here)
	case tokClose:
		if len(open) == 0 {
			return nil, s.at(tok, "remove it", "this bracket was never opened")
		}
		last := open[len(open)-1]
		if want := partner(s.text[s.tokens[last].start]); s.text[tok.start] != want {
			return nil, s.at(tok, fmt.Sprintf("close with %q first", string(want)), "%q closes a bracket that %q opened", s.text[tok.start:tok.end], s.text[s.tokens[last].start:s.tokens[last].end])
		}
		s.tokens[last].match, tok.match = here, last
		open = open[:len(open)-1]
	}
	s.tokens = append(s.tokens, tok)
	return open, nil
}

func partner(open byte) byte {
	switch open {
	case '(':
		return ')'
	case '[':
		return ']'
	}
	return '}'
}

// index refuses text that is not UTF-8 and maps code points to bytes.
func (s *source) index() *Error {
	ascii := true
	for i, r := range s.text {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s.text[i:]); n == 1 {
				return &Error{Offset: i, End: i + 1, Message: "the expression is not valid UTF-8 here"}
			}
		}
		ascii = ascii && r < utf8.RuneSelf
	}
	if ascii {
		return nil
	}
	s.bytes = make([]int, 0, len(s.text)+1)
	for i := range s.text {
		s.bytes = append(s.bytes, i)
	}
	s.bytes = append(s.bytes, len(s.text))
	return nil
}

// byteOf gives the byte offset of a code point.
func (s *source) byteOf(point int) int {
	limit := len(s.text)
	if s.bytes != nil {
		limit = len(s.bytes) - 1
	}
	point = max(0, min(point, limit))
	if s.bytes == nil {
		return point
	}
	return s.bytes[point]
}

// tokenAt gives the index of the token that begins at or after a byte offset,
// or the number of tokens.
func (s *source) tokenAt(offset int) int {
	return sort.Search(len(s.tokens), func(i int) bool { return s.tokens[i].start >= offset })
}

func (s *source) at(t token, hint, format string, args ...any) *Error {
	return &Error{Offset: t.start, End: t.end, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// outer widens a span by the parentheses that only group it, so that an
// operator's span covers its operands as they are written.
func (s *source) outer(start, end int) (int, int) {
	before, after := s.tokenAt(start)-1, s.tokenAt(end)
	for before >= 0 && after < len(s.tokens) {
		open := s.tokens[before]
		if open.kind != tokOpen || open.match != after || s.text[open.start] != '(' {
			break
		}
		start, end = open.start, s.tokens[after].end
		before, after = before-1, after+1
	}
	return start, end
}
