package rules

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

const (
	maxLines     = 800 // of any file
	explainLines = 400 // of a file of code, unless longFiles says why
)

// longFiles are files of code over explainLines, with the reason.
func longFiles() map[string]string { return map[string]string{} }

func TestFilesAreSmall(t *testing.T) {
	for _, s := range sources(t) {
		switch {
		case s.generated:
		case s.lines > maxLines:
			t.Errorf("%s has %d lines, the limit is %d", s.name, s.lines, maxLines)
		case s.lines > explainLines && !s.test && longFiles()[s.name] == "":
			t.Errorf("%s has %d lines: split it, or say in longFiles why it is one", s.name, s.lines)
		}
	}
}

// TestClockAndEnvironment: time is a value and settings are arguments; cmd alone
// asks the machine. Tests and harnesses run processes, which live in real time.
func TestClockAndEnvironment(t *testing.T) {
	machine := map[string][]string{
		"time": {"Now", "Since", "Until"},
		"os":   {"Getenv", "LookupEnv", "Environ", "Setenv"},
	}
	all := floors()
	for _, s := range sources(t) {
		if at := floorOf(all, s.pkg); s.test || at < 0 || all[at].name == assembly || all[at].name == harnesses {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && slices.Contains(machine[x.Name], sel.Sel.Name) {
					t.Errorf("%s: %s.%s outside cmd: take a clock or a setting as an argument", s.at(n), x.Name, sel.Sel.Name)
				}
			}
			return true
		})
	}
}

// TestTestsWait: a test waits for what it expects, not for time to pass, and what
// it needs but cannot find makes it fail.
func TestTestsWait(t *testing.T) {
	for _, s := range sources(t) {
		if !s.test {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if !ok {
				return true
			}
			if x.Name == "time" && sel.Sel.Name == "Sleep" {
				t.Errorf("%s: wait for what is expected", s.at(n))
			}
			if ofTesting(x) && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) {
				t.Errorf("%s: a skipped test proves nothing: let what is missing fail, with what to install", s.at(n))
			}
			return true
		})
	}
}

// ofTesting reports whether a name is a parameter of type *testing.T, B, F or
// testing.TB. (rapid's T skips a draw, not a test.)
func ofTesting(x *ast.Ident) bool {
	if x.Obj == nil {
		return false
	}
	field, ok := x.Obj.Decl.(*ast.Field)
	if !ok {
		return false
	}
	kind := field.Type
	if star, ok := kind.(*ast.StarExpr); ok {
		kind = star.X
	}
	sel, ok := kind.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := sel.X.(*ast.Ident)
	return ok && pkg.Name == "testing"
}

// goStatements says where a file starts goroutines.
func goStatements(s *source) []string {
	var list []string
	ast.Inspect(s.file, func(n ast.Node) bool {
		if _, ok := n.(*ast.GoStmt); ok {
			list = append(list, s.at(n))
		}
		return true
	})
	return list
}

// TestNoBoolParameters: a reader of a call cannot tell what a bare true says. A
// function whose only parameter it is says it by its name.
func TestNoBoolParameters(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || s.generated {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !exported(f) || f.Type.Params.NumFields() == 1 {
				continue
			}
			for _, p := range f.Type.Params.List {
				if kind, ok := p.Type.(*ast.Ident); ok && kind.Name == "bool" {
					t.Errorf("%s: %s takes a bool: give it a named type, or make two functions", s.at(f), f.Name.Name)
				}
			}
		}
	}
}

// exported reports whether a function can be called from another package.
func exported(f *ast.FuncDecl) bool {
	if !f.Name.IsExported() {
		return false
	}
	if f.Recv == nil {
		return true
	}
	kind := f.Recv.List[0].Type
	if star, ok := kind.(*ast.StarExpr); ok {
		kind = star.X
	}
	if generic, ok := kind.(*ast.IndexExpr); ok {
		kind = generic.X
	}
	name, ok := kind.(*ast.Ident)
	return !ok || name.IsExported()
}

func TestNoInit(t *testing.T) {
	for _, s := range sources(t) {
		if s.generated {
			continue
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: init runs before main can say anything: call it from there", s.at(f))
			}
		}
	}
}

// sharedGlobals are package variables whose address is taken though nothing
// writes through it, with the reason.
func sharedGlobals() map[string]string {
	return map[string]string{"transforms/agg.null": "the hot loop hands inputs on by pointer, and columns only read them"}
}

// TestGlobalsAreConstant: a package's variable is a table or a sentinel that
// nothing changes. What this cannot see is a method that changes its receiver.
func TestGlobalsAreConstant(t *testing.T) {
	byPackage := map[string][]*source{}
	for _, s := range sources(t) {
		if !s.generated && !s.test {
			byPackage[s.pkg] = append(byPackage[s.pkg], s)
		}
	}
	for pkg, list := range byPackage {
		globals := map[string]*ast.ValueSpec{}
		for _, s := range list {
			for name, spec := range variables(s) {
				if sharedGlobals()[pkg+"."+name] != "" {
					continue
				}
				globals[name] = spec
				if spec.Values == nil {
					t.Errorf("%s: %s has no value, so something must change it: make it a field or an argument", s.at(spec), name)
				}
			}
		}
		for _, s := range list {
			for _, id := range changed(s) {
				if spec := globals[id.Name]; spec != nil && (id.Obj == nil || id.Obj.Decl == spec) {
					t.Errorf("%s: changes %s of the package: make it a field or an argument", s.at(id), id.Name)
				}
			}
		}
	}
}

// variables are the package variables that a file declares; //go:embed fills one
// that has no value.
func variables(s *source) map[string]*ast.ValueSpec {
	found := map[string]*ast.ValueSpec{}
	for _, d := range s.file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR || embeds(g.Doc) {
			continue
		}
		for _, spec := range g.Specs {
			v := spec.(*ast.ValueSpec)
			for _, name := range v.Names {
				if name.Name != "_" && !embeds(v.Doc) {
					found[name.Name] = v
				}
			}
		}
	}
	return found
}

func embeds(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

// changed are the names that a file assigns to, also by index and field, or whose
// address it takes.
func changed(s *source) []*ast.Ident {
	var list []*ast.Ident
	add := func(e ast.Expr) {
		if id := base(e); id != nil {
			list = append(list, id)
		}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, e := range n.Lhs {
					add(e)
				}
			}
		case *ast.IncDecStmt:
			add(n.X)
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				add(n.X)
			}
		}
		return true
	})
	return list
}

// base is the variable that an assignable expression stands on.
func base(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		default:
			return nil
		}
	}
}
