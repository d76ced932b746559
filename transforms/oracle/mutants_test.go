//go:build !race

package oracle_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var onlyMutant = flag.String("oracle.mutant", "", "the name of the one mutant to try")

// mutant is one mistake in the engine: old, which stands once in a file of
// transforms, becomes new.
type mutant struct{ name, file, old, new string }

// mutants are mistakes of the kinds that peers make. Each is a change to one
// line; whoever changes that line moves the mistake along.
var mutants = []mutant{
	{"a tile edge is off by one", "window/span.go", "return floor(t-w.back, w.tile), t\n", "return floor(t-w.back, w.tile) + 1, t\n"},
	{"a window starts a tile late", "window/span.go", "return floor(t-w.back, w.tile), t\n", "return floor(t-w.back, w.tile) + w.tile, t\n"},
	{"an offset is not aligned", "window/span.go", "return floor(t-w.back, w.tile), floor(t-w.offset, w.tile)", "return floor(t-w.back, w.tile), t - w.offset"},
	{"a jumping window ends with the step after it", "window/span.go", "return end - w.back, end\n", "return end - w.back, end + 1\n"},
	{"an event at the read time is seen", "window/state.go", "return int64(s.held[i].order.Time) >= x", "return int64(s.held[i].order.Time) > x"},
	{"an event as late as allowed is late", "window/apply.go", "case visible < a-int64(rule.AllowedLateness)", "case visible <= a-int64(rule.AllowedLateness)"},
	{"an event as far ahead as allowed is refused", "window/apply.go", "if visible > a+int64(featurestore.AheadLimit)", "if visible >= a+int64(featurestore.AheadLimit)"},
	{"an id counts once in all tiles", "window/dedupe.go", "tile := floor(int64(r.Time), p.dedupe)", "tile := floor(int64(r.Time), 1<<50)"},
	{"an id is forgotten a moment early", "window/dedupe.go", "return int64(reached) > tile", "return int64(reached) >= tile"},
	{"a session goes on over the gap", "window/session.go", "if any && begin-last >= gap {", "if any && begin-last > gap {"},
	{"a session does not say what it lost", "window/session.go", "return x.dropped && any &&", "return false && any &&"},
	{"an exact window trusts a witness at its start", "window/rows.go", "int64(l.rows[i].order.Time) < int64(t)-int64(f.Offset+f.Width)", "int64(l.rows[i].order.Time) <= int64(t)-int64(f.Offset+f.Width)"},
	{"ties of pending rows fall the other way", "window/rows.go", "x.list.rows[x.i].order.Compare(&s.due[x.j].order) > 0", "x.list.rows[x.i].order.Time > s.due[x.j].order.Time"},
	{"a retraction takes the first of equal rows", "window/retract.go", "if best < 0 || all[k].order.Compare(all[best].order) > 0 {", "if best < 0 || all[k].order.Compare(all[best].order) < 0 {"},
	{"a retraction finds no row of a higher partition", "window/retract.go", "case apart >= 0:", "case apart >= 0 && false:"},
	{"a retraction takes rows of other sources", "window/retract.go", "x.order.Source != r.order.Source", "false"},
	{"merged tiles flip first and last", "agg/first.go", "(c.at.compareStamp(&o.at) < 0) != c.last", "(c.at.compareStamp(&o.at) < 0) == c.last"},
	{"ties of first and last fall by arrival", "agg/first.go", "(c.at.Compare(o) < 0) != c.last", "(c.at.time < o.Time) != c.last"},
	{"a double sum is naive", "agg/hot.go", "	c.at[slot].sum.Add(inputs[c.x].Double())\n",
		"	v, _ := c.at[slot].sum.Round()\n	c.at[slot].sum.Reset()\n	c.at[slot].sum.Add(v + inputs[c.x].Double())\n"},
	{"a merge of double sums is naive", "agg/sum.go", "{ c.sum.Merge(&o.sum) }", "{\n\tv, _ := c.sum.Round()\n\tw, _ := o.sum.Round()\n\tc.sum.Reset()\n\tc.sum.Add(v + w)\n}"},
	{"an int64 sum wraps", "agg/sum.go", "v, ok := c.intSum(f.partials[0], s).sum.Int64()", "v, ok := c.intSum(f.partials[0], s).sum.Int64()\n\tok = true"},
	{"a maximum is a minimum in merges", "agg/min.go", "func (c *intExtreme) merge(o *intExtreme)                 { c.take(o.v) }",
		"func (c *intExtreme) merge(o *intExtreme) {\n\tif o.v < c.v {\n\t\tc.v = o.v\n\t}\n}"},
}

// TestMutantsAreCaught makes each mistake in a copy of the file that the
// compiler reads in place of the original, and runs the differential test: it
// must fail. What it costs is the building, a few seconds each.
func TestMutantsAreCaught(t *testing.T) {
	for _, m := range mutants {
		if *onlyMutant != "" && m.name != *onlyMutant {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			program := m.build(t)
			for _, test := range []string{"TestFoldEqualsOracle", "TestCapsEqualOracle"} {
				out, err := exec.Command(program, "-test.run=^"+test+"$", "-test.timeout=300s", "-oracle.cases=8000", "-oracle.shrink=false").CombinedOutput()
				var failed *exec.ExitError
				switch {
				case err == nil:
					continue // perhaps the next one
				case !errors.As(err, &failed) || !strings.Contains(string(out), "--- FAIL: "+test):
					t.Fatalf("%v\n%s", err, out)
				}
				return
			}
			t.Errorf("the tests pass with %q in place of %q in %s", m.new, m.old, m.file)
		})
	}
}

// build makes the test program of the mutant.
func (m *mutant) build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	file, err := filepath.Abs(filepath.Join("..", filepath.FromSlash(m.file)))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), m.old); n != 1 {
		t.Fatalf("%q stands %d times in %s: the mistake has to move along", m.old, n, m.file)
	}
	changed := filepath.Join(dir, "mutant.go")
	overlay := filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {file: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string]string{changed: strings.Replace(string(source), m.old, m.new, 1), overlay: string(replace)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "oracle.test")
	if out, err := exec.Command("go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go test -c: %v\n%s", err, out)
	}
	return program
}
