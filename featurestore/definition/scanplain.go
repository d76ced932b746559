package definition

import "strings"

// plain reads an unquoted value or key. A comma or a colon ends it where people
// often did not mean it to: in an expression.
func (s *scanner) plain(line int, text string, at int) int {
	flow := len(s.brackets) > 0
	end := plainEnd(text, at, flow)
	value := strings.TrimRight(text[at:end], " \t")
	isKey := end < len(text) && text[end] == ':'
	switch {
	case flow && strings.Count(value, "(") > strings.Count(value, ")"):
		s.suspect(spot{line, at, len(value)}, "inside { } and [ ] a comma, a colon or a bracket ends an unquoted value", quoteHint, true)
	case flow:
	case isKey && s.keyAt >= 0:
		s.suspect(spot{line, end, 1}, "a colon and a blank end an unquoted value", quoteHint, false)
	case isKey:
		s.keyAt = at
		s.level(line, at)
	}
	return max(end, at+1)
}

const quoteHint = "write the whole value in quotes"

// plainEnd is where an unquoted value ends on its line.
func plainEnd(text string, at int, flow bool) int {
	for i := at; i < len(text); i++ {
		last := i+1 == len(text)
		switch c := text[i]; {
		case c == ':' && (last || text[i+1] == ' ' || text[i+1] == '\t' || flow && strings.IndexByte(",[]{}", text[i+1]) >= 0):
			return i
		case c == '#' && i > at && (text[i-1] == ' ' || text[i-1] == '\t'):
			return i
		case flow && strings.IndexByte(",[]{}", c) >= 0:
			return i
		}
	}
	return len(text)
}
