package definition

import (
	"fmt"
	"strings"
)

// suspect is something that the scanner saw at a place and that explains a
// syntax error better than the parser does. Sure suspects are wrong even where
// the parser accepts them.
type suspect struct {
	line, column, width int
	message, hint       string
	sure                bool
}

// scanner reads the lines of one document before the YAML parser does. It knows
// just enough of the syntax to measure nesting and to see what people mistype.
type scanner struct {
	src      *source
	indents  []int
	brackets []bracket
	quote    byte // the quote that is open at the end of a line, or 0
	quoteAt  suspect
	block    int // the indentation that a block scalar's text must exceed; -1 outside
	suspects []suspect
	tooDeep  *suspect
	keyAt    int // column of the line's first key, -1 for none
	dashAt   int // column of the line's last dash, -1 for none
}

type bracket struct {
	open         byte
	line, column int
}

// scan measures lines [from, to), counted from 0.
func scan(src *source, from, to int) *scanner {
	s := &scanner{src: src, block: -1}
	for i := from; i < to && s.tooDeep == nil; i++ {
		s.scanLine(i)
	}
	if s.quote != 0 {
		s.suspects = append(s.suspects, s.quoteAt)
	}
	for _, b := range s.brackets {
		s.suspects = append(s.suspects, suspect{line: b.line, column: b.column, width: 1,
			message: fmt.Sprintf("%q is never closed", b.open), hint: fmt.Sprintf("close it with %q", closing(b.open))})
	}
	return s
}

func closing(open byte) byte {
	if open == '[' {
		return ']'
	}
	return '}'
}

func (s *scanner) scanLine(i int) {
	text, at := s.src.lines[i], 0
	s.keyAt, s.dashAt = -1, -1
	if documentMark(text) {
		at = 3
	}
	indent := len(text) - len(strings.TrimLeft(text, " "))
	if s.block >= 0 {
		if strings.TrimSpace(text) == "" || indent > s.block {
			return
		}
		s.block = -1
	}
	if s.quote == 0 && len(s.brackets) == 0 && at == 0 {
		at = indent
		rest := strings.TrimLeft(text[at:], " \t")
		if strings.HasPrefix(text[at:], "\t") && rest != "" && rest[0] != '#' {
			s.suspect(spot{i, at, 1}, "a tab may not indent", "indent with spaces", false)
		}
		if rest != "" && rest[0] != '#' {
			s.popTo(at)
		}
	}
	for at < len(text) && s.tooDeep == nil && s.block < 0 {
		at = s.token(i, text, at)
	}
}

// documentMark reports a line that starts a document.
func documentMark(line string) bool {
	return strings.HasPrefix(line, "---") && (len(line) == 3 || line[3] == ' ' || line[3] == '\t')
}

func (s *scanner) popTo(indent int) {
	for len(s.indents) > 0 && s.indents[len(s.indents)-1] > indent {
		s.indents = s.indents[:len(s.indents)-1]
	}
}

// spot is a place in a document: line and byte count from 0.
type spot struct{ line, at, width int }

func (s *scanner) suspect(p spot, message, hint string, sure bool) {
	s.suspects = append(s.suspects, suspect{line: p.line + 1, column: p.at + 1, width: p.width, message: message, hint: hint, sure: sure})
}

// deepen notes one more level and stops the scan at the limit.
func (s *scanner) deepen(line, at int) {
	if len(s.indents)+len(s.brackets) > MaxDepth {
		s.tooDeep = &suspect{line: line + 1, column: at + 1, width: 1,
			message: fmt.Sprintf("nested more than %d deep", MaxDepth), hint: "no definition needs this"}
	}
}

// token reads one token from at and gives the place behind it.
func (s *scanner) token(line int, text string, at int) int {
	if s.quote != 0 {
		return s.closeQuote(text, at)
	}
	c, flow := text[at], len(s.brackets) > 0
	blank := at+1 == len(text) || text[at+1] == ' ' || text[at+1] == '\t'
	switch {
	case c == ' ' || c == '\t' || c == ',' && flow:
		return at + 1
	case c == '#' && (at == 0 || text[at-1] == ' ' || text[at-1] == '\t'):
		return len(text)
	case c == '"' || c == '\'':
		s.quote = c
		s.quoteAt = suspect{line: line + 1, column: at + 1, width: 1, message: fmt.Sprintf("the quote %c is never closed", c), hint: "close it"}
		return s.closeQuote(text, at+1)
	case c == '[' || c == '{':
		s.brackets = append(s.brackets, bracket{c, line + 1, at + 1})
		s.deepen(line, at)
		return at + 1
	case c == ']' || c == '}':
		s.closeBracket(line, at, c)
		return at + 1
	case (c == '-' || c == '?') && blank && !flow:
		s.dashAt = at
		s.level(line, at)
		return at + 1
	case c == ':' && (blank || flow):
		return at + 1
	case (c == '|' || c == '>') && !flow:
		s.startBlock(text)
		return len(text)
	case strings.IndexByte("&*!%@`", c) >= 0:
		return s.indicator(line, text, at)
	}
	return s.plain(line, text, at)
}

func (s *scanner) level(line, at int) {
	s.popTo(at)
	if n := len(s.indents); n == 0 || s.indents[n-1] < at {
		s.indents = append(s.indents, at)
		s.deepen(line, at)
	}
}

func (s *scanner) closeQuote(text string, at int) int {
	for ; at < len(text); at++ {
		switch {
		case s.quote == '"' && text[at] == '\\':
			at++
		case text[at] == s.quote && s.quote == '\'' && at+1 < len(text) && text[at+1] == '\'':
			at++
		case text[at] == s.quote:
			s.quote = 0
			return at + 1
		}
	}
	return len(text)
}

func (s *scanner) closeBracket(line, at int, c byte) {
	n := len(s.brackets)
	switch {
	case n == 0:
		s.suspect(spot{line, at, 1}, fmt.Sprintf("%q closes nothing", c), "remove it, or write the value in quotes", false)
		return
	case closing(s.brackets[n-1].open) != c:
		b := s.brackets[n-1]
		s.suspect(spot{line, at, 1}, fmt.Sprintf("%q does not close the %q of line %d, column %d", c, b.open, b.line, b.column),
			fmt.Sprintf("close it with %q", closing(b.open)), false)
	}
	s.brackets = s.brackets[:n-1]
}

// startBlock enters a block scalar, whose text is deeper than the key or dash
// that it belongs to.
func (s *scanner) startBlock(text string) {
	switch {
	case s.keyAt >= 0:
		s.block = s.keyAt
	case s.dashAt >= 0:
		s.block = s.dashAt
	default:
		s.block = max(0, len(text)-len(strings.TrimLeft(text, " "))-1)
	}
}

func (s *scanner) indicator(line int, text string, at int) int {
	end := at + 1
	for end < len(text) && strings.IndexByte(" \t,[]{}", text[end]) < 0 {
		end++
	}
	word := text[at:end]
	switch text[at] {
	case '&':
		s.suspect(spot{line, at, end - at}, fmt.Sprintf("anchor %q: anchors and aliases are refused", word), "write the value out", false)
	case '*':
		s.suspect(spot{line, at, end - at}, fmt.Sprintf("alias %q: anchors and aliases are refused", word), "write the value out", false)
	case '!':
		s.suspect(spot{line, at, end - at}, fmt.Sprintf("tag %q: tags are refused", word), tagHint, false)
	case '%':
		s.suspect(spot{line, at, end - at}, fmt.Sprintf("%q: a value may not begin with %%, and directives are refused", word), "write the value in quotes", at == 0)
	default:
		s.suspect(spot{line, at, 1}, fmt.Sprintf("a value may not begin with %c", text[at]), "write it in quotes", false)
	}
	return end
}

const tagHint = "an expression that begins with ! needs quotes, as where: \"!cancelled\""
