package expr

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// blank is the length of the white space or comment that text begins with.
func blank(text string) int {
	if strings.HasPrefix(text, "//") {
		if end := strings.IndexByte(text, '\n'); end >= 0 {
			return end + 1
		}
		return len(text)
	}
	n := 0
	for n < len(text) && strings.IndexByte(" \t\r\n\f", text[n]) >= 0 {
		n++
	}
	return n
}

// next reads the token at a byte offset, where no white space stands.
func (s *source) next(at int) (token, *Error) {
	rest := s.text[at:]
	switch c := rest[0]; {
	case strings.IndexByte("([{", c) >= 0:
		return token{kind: tokOpen, start: at, end: at + 1}, nil
	case strings.IndexByte(")]}", c) >= 0:
		return token{kind: tokClose, start: at, end: at + 1}, nil
	case digit(c) || c == '.' && len(rest) > 1 && digit(rest[1]):
		return token{kind: tokNumber, start: at, end: at + number(rest)}, nil
	case quoted(rest) >= 0:
		n, closed := textLiteral(rest)
		if !closed {
			return token{}, &Error{Offset: at, End: at + n, Message: "this text is never closed", Hint: fmt.Sprintf("end it with %s", rest[quoted(rest):quoted(rest)+1])}
		}
		return token{kind: tokText, start: at, end: at + n}, nil
	case letter(c):
		n := 1
		for n < len(rest) && (letter(rest[n]) || digit(rest[n])) {
			n++
		}
		return token{kind: tokWord, start: at, end: at + n}, nil
	}
	return s.operator(at)
}

func (s *source) operator(at int) (token, *Error) {
	rest := s.text[at:]
	for _, op := range []string{"&&", "||", "==", "!=", "<=", ">="} {
		if strings.HasPrefix(rest, op) {
			return token{kind: tokOperator, start: at, end: at + 2}, nil
		}
	}
	if strings.IndexByte("+-*/%<>!?:,.", rest[0]) >= 0 {
		return token{kind: tokOperator, start: at, end: at + 1}, nil
	}
	_, n := utf8.DecodeRuneInString(rest)
	hint := ""
	switch rest[:n] {
	case "=":
		hint = "write == to compare"
	case "&":
		hint = "write && for and"
	case "|":
		hint = "write || for or"
	case "`", "“", "”", "‘", "’":
		hint = `write text in "straight" or 'single' quotes`
	case "^":
		hint = "write pow(x, y)"
	}
	return token{}, &Error{Offset: at, End: at + n, Message: fmt.Sprintf("unexpected character %q", rest[:n]), Hint: hint}
}

func digit(c byte) bool  { return c >= '0' && c <= '9' }
func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }
func hexDigit(c byte) bool {
	return digit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// number is the length of the number that text begins with.
func number(text string) int {
	run := func(n int, is func(byte) bool) int {
		for n < len(text) && is(text[n]) {
			n++
		}
		return n
	}
	if len(text) > 1 && text[0] == '0' && text[1]|0x20 == 'x' {
		return suffix(text, run(2, hexDigit))
	}
	n := run(0, digit)
	fraction := n+1 < len(text) && text[n] == '.' && digit(text[n+1])
	if fraction {
		n = run(n+1, digit)
	}
	if n < len(text) && text[n]|0x20 == 'e' {
		if n++; n < len(text) && (text[n] == '+' || text[n] == '-') {
			n++
		}
		return run(n, digit)
	}
	if fraction {
		return n
	}
	return suffix(text, n)
}

func suffix(text string, n int) int {
	if n < len(text) && text[n]|0x20 == 'u' {
		return n + 1
	}
	return n
}

// quoted is the length of a text literal's prefix (r, b, rb, br), or -1 where
// no text literal begins.
func quoted(text string) int {
	n := 0
	for n < 2 && n < len(text) && (text[n]|0x20 == 'r' || text[n]|0x20 == 'b') {
		n++
	}
	if n == 2 && text[0]|0x20 == text[1]|0x20 {
		return -1
	}
	if n < len(text) && (text[n] == '"' || text[n] == '\'') {
		return n
	}
	return -1
}

// textLiteral is the length of the text literal that text begins with, and
// whether it is closed.
func textLiteral(text string) (n int, closed bool) {
	n = quoted(text)
	raw := strings.ContainsAny(text[:n], "rR")
	end := text[n : n+1]
	if strings.HasPrefix(text[n:], strings.Repeat(end, 3)) {
		end = strings.Repeat(end, 3)
	}
	for n += len(end); n < len(text); n++ {
		switch {
		case strings.HasPrefix(text[n:], end):
			return n + len(end), true
		case text[n] == '\\' && !raw:
			n++
		case len(end) == 1 && (text[n] == '\n' || text[n] == '\r'):
			return n, false
		}
	}
	return min(n, len(text)), false
}
