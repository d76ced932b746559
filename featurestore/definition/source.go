package definition

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of a definition file, checked before it is parsed.
const (
	MaxFileSize = 256 << 10 // bytes
	MaxDepth    = 32        // nested lists and mappings
)

// source is the text of one file, cut into lines.
type source struct {
	path  string
	text  string
	lines []string // without their line feeds
	start []int    // byte offset of each line in text
	shown map[int]string
}

func newSource(path, text string) *source {
	s := &source{path: path, text: text, shown: map[int]string{}}
	for at := 0; ; {
		s.start = append(s.start, at)
		end := strings.IndexByte(text[at:], '\n')
		if end < 0 {
			s.lines = append(s.lines, text[at:])
			return s
		}
		s.lines = append(s.lines, strings.TrimSuffix(text[at:at+end], "\r"))
		at += end + 1
	}
}

// line gives the text of a line counted from 1, "" past the end.
func (s *source) line(n int) string {
	if n < 1 || n > len(s.lines) {
		return ""
	}
	return s.lines[n-1]
}

// place turns a byte offset into a place.
func (s *source) place(offset int) Place {
	line := 1
	for line < len(s.start) && s.start[line] <= offset {
		line++
	}
	return Place{File: s.path, Line: line, Column: offset - s.start[line-1] + 1}
}

// show is a line as problems print it, without secrets; it is made once, since a
// line may have many problems.
func (s *source) show(line int) string {
	text, ok := s.shown[line]
	if !ok {
		text = maskSecrets(strings.ToValidUTF8(s.line(line), "?"))
		s.shown[line] = text
	}
	return text
}

// problem makes a problem at a place of this file.
func (s *source) problem(line, column, width int, hint, message string) Problem {
	return Problem{
		Place: Place{File: s.path, Line: line, Column: column}, Message: message,
		Line: s.show(line), Width: max(width, 1), Hint: hint,
	}
}

// guard refuses what no parser should see: a file that is too large, bytes that
// are not UTF-8, and characters that an editor hides or shows as another line.
func (s *source) guard() []Problem {
	if len(s.text) > MaxFileSize {
		p := s.place(MaxFileSize)
		return []Problem{s.problem(p.Line, p.Column, 1, "split it: names are unique in a project, whatever the file",
			fmt.Sprintf("the file has %d bytes; %d are allowed", len(s.text), MaxFileSize))}
	}
	var found []Problem
	for i, r := range s.text {
		message, hint, width := "", "", utf8.RuneLen(r)
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s.text[i:], "\uFFFD"):
			message, hint, width = fmt.Sprintf("byte 0x%02x is not UTF-8", s.text[i]), "save the file as UTF-8", 1
		case r == '\r' && !strings.HasPrefix(s.text[i:], "\r\n"):
			message, hint = "a carriage return without a line feed", "end lines with a line feed"
		case hidden(r):
			message, hint = fmt.Sprintf("invisible character %U", r), "remove it"
		default:
			continue
		}
		p := s.place(i)
		found = append(found, s.problem(p.Line, p.Column, width, hint, message))
		if len(found) == 20 { // a binary file needs no list of its bytes
			break
		}
	}
	return found
}

// hidden reports control characters, other line breaks, the byte order mark and
// the marks that change the direction of text.
func hidden(r rune) bool {
	switch {
	case r == '\n' || r == '\t' || r == '\r':
		return false
	case r < 0x20, r >= 0x7f && r <= 0x9f:
		return true
	case r == 0x2028, r == 0x2029, r == 0xFEFF, r == 0x200B, r == 0x200E, r == 0x200F, r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return false
}
