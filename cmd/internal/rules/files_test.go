package rules

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTopLevel: the top of the repository is fixed; what is new has a room below it.
func TestTopLevel(t *testing.T) {
	allow := []string{
		"cmd", "featurestore", "ingest", "transforms", "serving", "sdk", "deploy", "testdata", "docs",
		"go.mod", "go.sum", "Makefile", "README.md", "CHANGELOG.md", "LICENSE",
	}
	for _, name := range files(t) {
		top, _, _ := strings.Cut(name, "/")
		if !strings.HasPrefix(top, ".") && !slices.Contains(allow, top) {
			t.Errorf("%s: %s has no place at the top level", name, top)
		}
	}
}

// TestNothingOfThisMachine: no file knows a person's folders or where a package
// registry is.
func TestNothingOfThisMachine(t *testing.T) {
	machine := regexp.MustCompile(`(/(root|home|work|Users)/[a-z]|://(proxy|registry|repo1?|deb|pypi)\.[a-z.]+)`)
	search(t, files(t), machine, "a path of one machine, or a registry's host")
}

// TestNothingUnfinished: what is not done is not announced in the code.
func TestNothingUnfinished(t *testing.T) {
	unfinished := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	search(t, files(t), unfinished, "unfinished work belongs into an issue")
}

// TestNoSecrets: keys have a form that is easy to see. Tests and their data hold
// made-up ones, to prove that validate refuses them.
func TestNoSecrets(t *testing.T) {
	secret := regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bxox[baprs]-[A-Za-z0-9-]{10,}`)
	list := slices.DeleteFunc(files(t), func(name string) bool {
		return strings.HasSuffix(name, "_test.go") || strings.Contains(name, "testdata/definitions/invalid/")
	})
	search(t, list, secret, "a secret")
}

func search(t *testing.T, list []string, pattern *regexp.Regexp, why string) {
	t.Helper()
	for _, name := range list {
		if strings.HasSuffix(name, "go.sum") {
			continue
		}
		content, isText := text(t, name)
		if !isText {
			continue
		}
		number := 0
		for line := range strings.Lines(content) {
			if number++; pattern.MatchString(line) {
				t.Errorf("%s:%d: %q: %s", name, number, pattern.FindString(line), why)
			}
		}
	}
}
