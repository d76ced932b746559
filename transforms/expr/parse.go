package expr

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/parser"
)

// tree is a parsed expression with what is needed to say where its nodes stand.
type tree struct {
	*source
	root ast.Expr
	info *ast.SourceInfo
}

// parse runs CEL's parser, without macros: has is an ordinary function here,
// and comprehensions are refused by name.
func parse(src *source) (t *tree, err *Error) {
	// The parser is foreign code on text that anyone may send: a bug in it may
	// refuse an expression, not end the process.
	defer func() {
		if recover() != nil {
			t, err = nil, &Error{End: len(src.text), Message: "the expression cannot be parsed"}
		}
	}()
	p, perr := parser.NewParser(parser.EnablePrattParser(true), parser.EnableVariadicOperatorASTs(true),
		parser.MaxRecursionDepth(maxDepth), parser.ExpressionSizeCodePointLimit(maxSource),
		parser.ErrorReportingLimit(1), parser.ErrorRecoveryLimit(1))
	if perr != nil {
		return nil, &Error{End: len(src.text), Message: perr.Error()}
	}
	text := common.NewTextSource(src.text)
	parsed, errs := p.Parse(text)
	if list := errs.GetErrors(); len(list) > 0 {
		return nil, src.syntax(list[0], text)
	}
	return &tree{source: src, root: parsed.Expr(), info: parsed.SourceInfo()}, nil
}

// syntax words an error of CEL's parser anew, about the token that it is at.
func (s *source) syntax(e *common.Error, text common.Source) *Error {
	if strings.Contains(e.Message, "recursion limit") {
		return &Error{End: len(s.text), Message: fmt.Sprintf("operators nest deeper than %d", maxDepth), Hint: "split the expression into several features"}
	}
	offset, found := text.LocationOffset(e.Location)
	if !found {
		offset = 0
	}
	i := s.tokenAt(s.byteOf(int(offset)))
	if i == len(s.tokens) {
		return s.atEnd()
	}
	tok := s.tokens[i]
	word := s.text[tok.start:tok.end]
	switch {
	case word == "if":
		return s.at(tok, "write condition ? a : b", "\"if\" is a reserved word")
	case strings.Contains(e.Message, "reserved identifier"):
		return s.at(tok, "a field of this name cannot be used in expressions: rename it", "%q is a reserved word", word)
	case strings.Contains(e.Message, "invalid int literal"):
		return s.at(tok, "write it as a double, with a decimal point", "%s is out of the range of int64", word)
	case strings.Contains(e.Message, "invalid double literal"):
		return s.at(tok, "", "%s is out of the range of double", word)
	case strings.Contains(e.Message, "unescape") || strings.Contains(e.Message, "code point"):
		return s.at(tok, `write a backslash as \\, or the text as r"..."`, "the text has an escape that means nothing")
	}
	return s.unexpected(i)
}

// atEnd is the error of an expression that stops too early.
func (s *source) atEnd() *Error {
	last := s.tokens[len(s.tokens)-1]
	return s.at(last, "add what follows it", "the expression ends after %q, where more is expected", s.text[last.start:last.end])
}

// unexpected is the error of a token that cannot stand where it stands.
func (s *source) unexpected(i int) *Error {
	tok := s.tokens[i]
	word := s.text[tok.start:tok.end]
	hint := ""
	switch strings.ToLower(word) {
	case "and":
		hint = "write &&"
	case "or":
		hint = "write ||"
	case "not":
		hint = "write !"
	case "is":
		hint = "write has(x) for not null, !has(x) for null"
	case "<", ">":
		hint = "compare twice and join with &&"
	case "like", "between", "case", "when":
		hint = "this is CEL, not SQL: see docs/expressions.md"
	}
	if i == 0 {
		return s.at(tok, hint, "%q cannot begin an expression", word)
	}
	before := s.tokens[i-1]
	return s.at(tok, hint, "unexpected %q after %q", word, s.text[before.start:before.end])
}

// place is the token of a node: its operator, its opening bracket, or itself.
func (t *tree) place(e ast.Expr) int {
	r, _ := t.info.GetOffsetRange(e.ID())
	return min(t.tokenAt(t.byteOf(int(r.Start))), len(t.tokens)-1)
}
