package rules

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestErrorPages: each code that a client can see has its page, and each page its code.
func TestErrorPages(t *testing.T) {
	codes := map[string]string{}
	for _, s := range sources(t) {
		if s.test || !underAny(s.pkg, []string{"serving/...", "cmd/..."}) {
			continue
		}
		for code, where := range problemCodes(s) {
			codes[code] = where
		}
	}
	if len(codes) < 5 {
		t.Fatalf("only %d codes found: the rule no longer sees where they are made", len(codes))
	}
	all := files(t)
	for code, where := range codes {
		if !slices.Contains(all, "docs/errors/"+code+".md") {
			t.Errorf("%s: the code %s has no page docs/errors/%s.md", where, code, code)
		}
	}
	for _, name := range all {
		code, isPage := strings.CutSuffix(path.Base(name), ".md")
		if path.Dir(name) == "docs/errors" && isPage && code != "README" && codes[code] == "" {
			t.Errorf("%s: nothing answers with the code %s", name, code)
		}
	}
}

// problemCodes finds `Code: "NAME"` in composite literals.
func problemCodes(s *source) map[string]string {
	codes := map[string]string{}
	ast.Inspect(s.file, func(n ast.Node) bool {
		pair, ok := n.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		key, isName := pair.Key.(*ast.Ident)
		value, isText := pair.Value.(*ast.BasicLit)
		if isName && isText && key.Name == "Code" {
			codes[strings.Trim(value.Value, `"`)] = s.at(n)
		}
		return true
	})
	return codes
}

// TestLinks: a link of a page to a file of the repository leads somewhere.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#: ]+)(?:#[^)]*)?\)`)
	all := files(t)
	for _, name := range all {
		if path.Ext(name) != ".md" {
			continue
		}
		content, _ := text(t, name)
		for _, m := range link.FindAllStringSubmatch(content, -1) {
			to := path.Join(path.Dir(name), strings.TrimSuffix(m[1], "/"))
			if !slices.ContainsFunc(all, func(f string) bool { return f == to || strings.HasPrefix(f, to+"/") }) {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
		}
	}
}
