package definition

import (
	"fmt"
	"strings"
)

// aggCall is an aggregate as written: function(argument, ..., option: value).
type aggCall struct {
	function string
	args     []aggArg
}

// aggArg is one argument; offsets are bytes of the call's text. name is that of
// an option, "" for an argument by its place.
type aggArg struct {
	name, text string
	at, nameAt int
}

// aggError is a problem at the bytes [from, to) of a call's text.
type aggError struct {
	from, to      int
	message, hint string
}

// parseAggCall reads a call; "count" alone is "count()".
func parseAggCall(text string) (aggCall, *aggError) {
	start := len(text) - len(strings.TrimLeft(text, " \t\n"))
	end := start
	for end < len(text) && wordByte(text[end]) {
		end++
	}
	call := aggCall{function: text[start:end]}
	if call.function == "" {
		return call, &aggError{start, len(text), fmt.Sprintf("%s does not begin with the name of an aggregate", quoted(text)), "write as avg(x)"}
	}
	open := end + len(text[end:]) - len(strings.TrimLeft(text[end:], " \t\n"))
	if open == len(text) {
		return call, nil
	}
	if text[open] != '(' {
		return call, &aggError{open, len(text), fmt.Sprintf("unexpected %s after %q", quoted(text[open:]), call.function), "an aggregate is one call, as avg(x): compute with its value in an on-demand view"}
	}
	cuts, shut := splitArgs(text, open)
	if shut < 0 {
		return call, &aggError{open, open + 1, "the bracket is never closed", "close it with )"}
	}
	if rest := strings.TrimSpace(text[shut+1:]); rest != "" {
		at := strings.Index(text[shut+1:], rest) + shut + 1
		return call, &aggError{at, at + len(rest), fmt.Sprintf("unexpected %s after the aggregate", quoted(rest)), "an aggregate is one call, as avg(x): compute with its value in an on-demand view"}
	}
	from := open + 1
	for _, to := range append(cuts, shut) {
		call.args = append(call.args, aggArgOf(text[from:to], from))
		from = to + 1
	}
	if len(call.args) == 1 && call.args[0].text == "" {
		call.args = nil
	}
	for _, a := range call.args {
		if a.text == "" {
			return call, &aggError{max(0, a.at-1), a.at + 1, "an argument is missing", "write it, or remove the comma"}
		}
	}
	return call, nil
}

func wordByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// splitArgs finds the commas between the arguments of the bracket at open, and
// its end; -1 where it has none. Brackets and quotes of expressions are skipped.
func splitArgs(text string, open int) (cuts []int, shut int) {
	depth := 0
	for i := open; i < len(text); i++ {
		switch c := text[i]; c {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth == 0 {
				return cuts, i
			}
		case ',':
			if depth == 1 {
				cuts = append(cuts, i)
			}
		case '"', '\'':
			if i = skipText(text, i); i < 0 {
				return nil, -1
			}
		}
	}
	return nil, -1
}

// skipText gives the last byte of the text literal that begins at i, -1 where
// it has no end.
func skipText(text string, i int) int {
	raw := i > 0 && (text[i-1] == 'r' || text[i-1] == 'R') && (i == 1 || !wordByte(text[i-2]))
	mark := text[i : i+1]
	if triple := strings.Repeat(mark, 3); strings.HasPrefix(text[i:], triple) {
		mark = triple
	}
	for j := i + len(mark); j < len(text); j++ {
		if text[j] == '\\' && !raw {
			j++
		} else if strings.HasPrefix(text[j:], mark) {
			return j + len(mark) - 1
		}
	}
	return -1
}

func aggArgOf(text string, at int) aggArg {
	at += len(text) - len(strings.TrimLeft(text, " \t\n"))
	text = strings.TrimSpace(text)
	end := 0
	for end < len(text) && wordByte(text[end]) {
		end++
	}
	rest := strings.TrimLeft(text[end:], " \t\n")
	if end == 0 || !strings.HasPrefix(rest, ":") || text[0] >= '0' && text[0] <= '9' {
		return aggArg{text: text, at: at}
	}
	value := strings.TrimSpace(rest[1:])
	return aggArg{name: text[:end], text: value, nameAt: at, at: at + len(text) - len(strings.TrimLeft(rest[1:], " \t\n"))}
}
