//go:build !race

package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// mutant leaves one rule of the protocol out: old, which stands once in a file of
// this package, becomes new, which asks without() for its name. A mutant of no
// file asks in the models themselves: of a store's script, of a loop.
type mutant struct{ name, file, old, new string }

// inEach is how many schedules each mutant must be caught in. Most are caught in
// the first 30, one takes 43,000.
const inEach = 100_000

// TestMutantsAreCaught compiles all mutants into one program, which leaves out the
// rule that it is told to, and explores with it: it must find a violation.
func TestMutantsAreCaught(t *testing.T) {
	program := buildMutants(t)
	names := modelMutants
	for _, m := range mutants {
		names = append(names, m.name)
	}
	caught := regexp.MustCompile(`explore: schedule (\d+) fails, and is made smaller: ([^\n]*)`)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			out, err := exec.Command(program, "-test.run=^TestExplore$", "-explore.shrink=0s", "-explore.without="+name, fmt.Sprintf("-explore.schedules=%d", inEach)).CombinedOutput()
			var failed *exec.ExitError
			found := caught.FindSubmatch(out)
			switch {
			case err == nil:
				t.Errorf("%d schedules go well without the rule", inEach)
			case !errors.As(err, &failed) || found == nil:
				t.Fatalf("%v\n%s", err, out)
			default:
				t.Logf("caught in schedule %s: %s", found[1], found[2])
			}
		})
	}
}

// buildMutants makes the test program of this package with all mutants in it.
func buildMutants(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	overlay, texts := map[string]string{}, map[string]string{}
	for _, m := range mutants {
		if texts[m.file] == "" {
			source, err := os.ReadFile(m.file)
			ok(t, err)
			texts[m.file] = string(source)
		}
		if n := strings.Count(texts[m.file], m.old); n != 1 {
			t.Fatalf("%s: %q stands %d times in %s: the mistake has to move along", m.name, m.old, n, m.file)
		}
		texts[m.file] = strings.Replace(texts[m.file], m.old, strings.ReplaceAll(m.new, "WITHOUT", fmt.Sprintf("without(%q)", m.name)), 1)
	}
	for file, text := range texts {
		original, err := filepath.Abs(file)
		ok(t, err)
		overlay[original] = filepath.Join(dir, file)
		ok(t, os.WriteFile(overlay[original], []byte(text), 0o600))
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": overlay})
	ok(t, err)
	ok(t, os.WriteFile(filepath.Join(dir, "overlay.json"), list, 0o600))
	program := filepath.Join(dir, "worker.test")
	build := exec.Command("go", "test", "-c", "-tags=duckdb_arrow", "-vet=off", "-ldflags=-s -w", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go test -c: %v\n%s", err, out)
	}
	return program
}
