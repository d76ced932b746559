package decode

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner walks one JSON text (RFC 8259) of valid UTF-8, strictly. Its methods
// move pos over what they read. At the first fault they set err and return
// zero values; callers check err.
type scanner struct {
	b        []byte
	pos      int
	maxDepth int
	err      *Error
}

func (s *scanner) fail(code Code, format string, args ...any) {
	if s.err == nil {
		s.err = &Error{Code: code, Message: fmt.Sprintf(format, args...)}
	}
}

func (s *scanner) syntax(what string) {
	if s.pos >= len(s.b) {
		s.fail(CodeJSON, "the JSON text ends at byte %d: expected %s", s.pos, what)
		return
	}
	s.fail(CodeJSON, "bad JSON at byte %d: expected %s", s.pos, what)
}

// peek skips white space and gives the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.b) {
		c := s.b[s.pos]
		if c > ' ' || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
		s.pos++
	}
	return 0
}

// accept takes a byte if it is next.
func (s *scanner) accept(c byte) bool {
	if s.peek() != c || s.pos >= len(s.b) {
		return false
	}
	s.pos++
	return true
}

func (s *scanner) expect(c byte, what string) {
	if !s.accept(c) {
		s.syntax(what)
	}
}

// literal takes true, false or null.
func (s *scanner) literal(word string) bool {
	if len(s.b)-s.pos < len(word) || string(s.b[s.pos:s.pos+len(word)]) != word {
		s.syntax("a JSON value")
		return false
	}
	s.pos += len(word)
	return true
}

// str takes a string: the bytes between its quotes, and whether they hold an
// escape. Escapes are checked here, so that unescape cannot fail.
func (s *scanner) str() (raw []byte, escaped bool) {
	if s.pos >= len(s.b) || s.b[s.pos] != '"' {
		s.syntax("a string")
		return nil, false
	}
	s.pos++
	start := s.pos
	for {
		s.pos = plainEnd(s.b, s.pos)
		if s.pos >= len(s.b) {
			s.syntax("the end of a string")
			return nil, false
		}
		switch c := s.b[s.pos]; c {
		case '"':
			s.pos++
			return s.b[start : s.pos-1], escaped
		case '\\':
			escaped = true
			s.escape()
			if s.err != nil {
				return nil, false
			}
		default:
			s.syntax("no control character in a string: escape it")
			return nil, false
		}
	}
}

// plainEnd finds the first quote, backslash or control character from i on,
// eight bytes at a time.
func plainEnd(b []byte, i int) int {
	for {
		w, ok := wordAt(b, i)
		if !ok {
			break
		}
		n := plainBytes(w)
		if i += n; n < 8 {
			return i
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < 0x20 || c == '"' || c == '\\' {
			return i
		}
	}
	return len(b)
}

// plainBytes is how many bytes of a word stand before the first quote, backslash
// or control character; 8 where there is none.
func plainBytes(w uint64) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote := w ^ (ones * '"')
	slash := w ^ (ones * '\\')
	hit := ((w - ones*0x20) &^ w) | ((quote - ones) &^ quote) | ((slash - ones) &^ slash)
	return bits.TrailingZeros64(hit&highs) / 8
}

// wordAt gives the eight bytes from i on; ok is false where there are fewer. A
// slice that ends at its capacity, and a length that nothing is added to, spare
// all checks of bounds.
func wordAt(b []byte, i int) (w uint64, ok bool) {
	b = b[:len(b):len(b)]
	if i < 0 || i > len(b)-8 {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b[i:]), true
}

// isASCII looks at 32 bytes at a time.
func isASCII(b []byte) bool {
	b = b[:len(b):len(b)]
	var high uint64
	i := 0
	for ; i <= len(b)-32; i += 32 {
		four := b[i:]
		high |= binary.LittleEndian.Uint64(four) | binary.LittleEndian.Uint64(four[8:]) | binary.LittleEndian.Uint64(four[16:]) | binary.LittleEndian.Uint64(four[24:])
	}
	for ; i <= len(b)-8; i += 8 {
		high |= binary.LittleEndian.Uint64(b[i:])
	}
	for ; i < len(b); i++ {
		high |= uint64(b[i])
	}
	return high&0x8080808080808080 == 0
}

// escape takes one escape; a surrogate must come as a pair.
func (s *scanner) escape() {
	if s.pos+1 >= len(s.b) {
		s.pos++
		s.syntax("an escape")
		return
	}
	switch s.b[s.pos+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos += 2
		return
	case 'u':
	default:
		s.syntax("one of the escapes of JSON")
		return
	}
	r, ok := hex4(s.b, s.pos)
	if !ok {
		s.syntax("four hexadecimal digits after \\u")
		return
	}
	if !utf16.IsSurrogate(r) {
		s.pos += 6
		return
	}
	low, ok := hex4(s.b, s.pos+6)
	if !ok || utf16.DecodeRune(r, low) == utf8.RuneError {
		s.syntax("a pair of surrogates")
		return
	}
	s.pos += 12
}

// hex4 reads \uXXXX at i.
func hex4(b []byte, i int) (rune, bool) {
	if i+6 > len(b) || b[i] != '\\' || b[i+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[i+2 : i+6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unescape appends the text of a checked string; it is never longer than raw.
func unescape(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			end := plainEnd(raw, i)
			dst = append(dst, raw[i:end]...)
			i = end
			continue
		}
		if raw[i+1] != 'u' {
			dst = append(dst, escapedByte(raw[i+1]))
			i += 2
			continue
		}
		r, _ := hex4(raw, i)
		i += 6
		if utf16.IsSurrogate(r) {
			low, _ := hex4(raw, i)
			r = utf16.DecodeRune(r, low)
			i += 6
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

func escapedByte(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// number takes a number and gives its text.
func (s *scanner) number() []byte {
	start := s.pos
	if s.pos < len(s.b) && s.b[s.pos] == '-' {
		s.pos++
	}
	if s.pos < len(s.b) && s.b[s.pos] == '0' {
		s.pos++
	} else if !s.digits() {
		return nil
	}
	if s.pos < len(s.b) && s.b[s.pos] == '.' {
		s.pos++
		if !s.digits() {
			return nil
		}
	}
	if s.pos < len(s.b) && s.b[s.pos]|0x20 == 'e' {
		s.pos++
		if s.pos < len(s.b) && (s.b[s.pos] == '+' || s.b[s.pos] == '-') {
			s.pos++
		}
		if !s.digits() {
			return nil
		}
	}
	return s.b[start:s.pos]
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.b) && s.b[s.pos]-'0' <= 9 {
		s.pos++
	}
	if s.pos == start {
		s.syntax("a digit")
	}
	return s.pos > start
}

// skip takes any value; depth is how many arrays and objects are open.
func (s *scanner) skip(depth int) {
	switch c := s.peek(); c {
	case '{', '[':
		if depth >= s.maxDepth {
			s.fail(CodeTooDeep, "the JSON text is nested deeper than %d at byte %d", s.maxDepth, s.pos)
			return
		}
		s.skipNested(c == '{', depth+1)
	case '"':
		s.str()
	case 't':
		s.literal("true")
	case 'f':
		s.literal("false")
	case 'n':
		s.literal("null")
	default:
		if c != '-' && c-'0' > 9 {
			s.syntax("a JSON value")
			return
		}
		s.number()
	}
}

func (s *scanner) skipNested(object bool, depth int) {
	end := byte(']')
	if object {
		end = '}'
	}
	s.pos++
	if s.accept(end) {
		return
	}
	for s.err == nil {
		if object {
			s.peek()
			s.str()
			s.expect(':', "a colon")
		}
		if s.err != nil {
			return
		}
		s.skip(depth)
		if s.err != nil || s.accept(end) {
			return
		}
		s.expect(',', "a comma, or the end of the array or object")
	}
}
