package expr

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
)

func mustCompile(t testing.TB, src string, vars []Var) *Program {
	t.Helper()
	p, err := Compile(src, vars)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return p
}

func TestSlots(t *testing.T) {
	vars := fuzzVars()
	for src, want := range map[string][]int{"y + x * y": {2, 3}, "1 + 2": nil, "p ? t : s": {4, 6, 7}, "true ? a : b": {0, 1}} {
		if got := mustCompile(t, src, vars).Slots(); !slices.Equal(got, want) {
			t.Errorf("%s reads %v, want %v", src, got, want)
		}
	}
}

func TestCanonical(t *testing.T) {
	vars := fuzzVars()
	for src, want := range map[string]string{
		" a+ b*  2":                 "a + b * 2",
		"((a) + ((b * 2)))":         "a + b * 2",
		"(a + b) * 2":               "(a + b) * 2",
		"a - (b - 1)":               "a - (b - 1)",
		"(a - b) - 1":               "a - b - 1",
		"x > 15 ? 1 : 0.5":          "x > 15.0 ? 1.0 : 0.5",
		"(p && q) && p":             "p && q && p",
		"p && (q || p)":             "p && (q || p)",
		"!(p && q)":                 "!(p && q)",
		"!p":                        "!p",
		"-(a)":                      "-a",
		"int(x)":                    "int64(x)",
		"s.contains('a')":           `contains(s, "a")`,
		`contains(s, "\x61")`:       `contains(s, "a")`,
		"d > 1":                     "d > 1.00",
		"a in [ 1,2 ]":              "a in [1, 2]",
		"p ? (q ? a : b) : (q?b:a)": "p ? (q ? a : b) : q ? b : a",
		"(p ? q : p) ? a : b":       "(p ? q : p) ? a : b",
		"m['a']":                    `m["a"]`,
		"at > timestamp('2013-01-01T00:00:00-05:00')": `at > timestamp("2013-01-01T05:00:00Z")`,
		"x // a comment": "x",
		"p ? x : null":   "p ? x : null",
		"-(-(5)) + a":    "5 + a",
		"b'a' == by":     `b"\x61" == by`,
		"x * 1e300":      "x * 1e+300",
	} {
		if got := mustCompile(t, src, vars).Canonical(); got != want {
			t.Errorf("%s is %s, want %s", src, got, want)
		}
	}
}

func TestCompileAs(t *testing.T) {
	vars := fuzzVars()
	for _, c := range []struct {
		src  string
		want featurestore.Type
		err  string
	}{
		{"1", featurestore.Double, ""},
		{"x > 0.0 ? 1 : 0", featurestore.Double, ""},
		{"a", featurestore.Double, "the expression gives int64, but a double is needed; write double(a)"},
		{"a", featurestore.Bool, "the expression gives int64, but a bool is needed; compare it with something, as a > 0"},
		{"s", featurestore.Int64, "the expression gives string, but an int64 is needed; write int64(s)"},
		{"d + e", featurestore.Decimal(10, 2), ""},
		{"e", featurestore.Decimal(10, 2), ""},
		{"d", featurestore.Decimal(10, 3), "the expression gives decimal(10,2), but a decimal(10,3) is needed; "},
		{"1.5", featurestore.Decimal(10, 2), ""},
		{"xs", featurestore.List(featurestore.Double), ""},
		{"xs", featurestore.List(featurestore.Int64), "the expression gives list<double>, but a list<int64> is needed; "},
		{"1000000.00", featurestore.Decimal(6, 2), "this fails on every row: the result is out of the range of decimal(6,2); "},
	} {
		p, err := CompileAs(c.src, vars, c.want)
		switch {
		case err != nil:
			e := err.(*Error)
			if got := e.Message + "; " + e.Hint; got != c.err || c.src[e.Offset:e.End] != c.src {
				t.Errorf("%s as %s: %d:%d %s", c.src, c.want, e.Offset, e.End, got)
			}
		case c.err != "":
			t.Errorf("%s as %s compiles", c.src, c.want)
		case !p.Type().Equal(c.want):
			t.Errorf("%s as %s gives %s", c.src, c.want, p.Type())
		}
	}
	p, err := CompileAs("d + e", vars, featurestore.Decimal(10, 2))
	if err != nil {
		t.Fatal(err)
	}
	r := fuzzRow(9999999999, 1, 0, 0, "", "", 0)
	if v, failed := p.Eval(r); !failed || !v.IsNull() {
		t.Errorf("a decimal beyond the declared precision gives %v", v)
	}
	if plain := mustCompile(t, "d + e", vars); plain.Canonical() == p.Canonical() {
		t.Error("a narrowed decimal has the canonical text of the wide one")
	}
}

// TestLimits: what would take stack, time or memory is refused at once, with
// the reason.
func TestLimits(t *testing.T) {
	vars := fuzzVars()
	for name, c := range map[string]struct{ src, want string }{
		"brackets":       {strings.Repeat("(", 2000) + "a" + strings.Repeat(")", 2000), "nest deeper than 64"},
		"20000 brackets": {strings.Repeat("[", 20000), "the limit is 4096"},
		"65 brackets":    {strings.Repeat("(", 65) + "a" + strings.Repeat(")", 65), "nest deeper than 64"},
		"source":         {strings.Repeat(" ", 4096) + "a", "the limit is 4096"},
		"sum":            {strings.Repeat("a+", 300) + "a", "operators nest deeper than 200"},
		"ternary":        {strings.Repeat("p?a:", 300) + "a", "operators nest deeper than 200"},
		"text":           {strings.Repeat("s+", 64) + "s", "joined from more than 64 texts"},
		"doubling":       {"(" + strings.Repeat("s+", 40) + "s)+(" + strings.Repeat("s+", 40) + "s)", "joined from more than 64 texts"},
		"patterns":       {strings.Repeat(`matches(s,"a{900}")&&`, 30) + "p", "units for a row; the limit is 5000"},
		"macros":         {"xs.all(v, xs.all(w, xs.all(z, z > v + w)))", "a loop over a list has no bound"},
	} {
		start := time.Now()
		_, err := Compile(c.src, vars)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkError(t, c.src, err.(*Error))
		if took := time.Since(start); took > time.Second {
			t.Errorf("%s: refused after %s", name, took)
		}
	}
	for name, src := range map[string]string{
		"64 brackets": strings.Repeat("(", 64) + "a" + strings.Repeat(")", 64),
		"150 terms":   strings.Repeat("a+", 150) + "a",
		"1000 terms":  strings.Repeat("p&&", 1000) + "p",
		"minus":       strings.Repeat("-", 2001) + "a",
	} {
		if _, err := Compile(src, vars); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTextLimit: joined texts and parts of a split are bounded at run time, too.
func TestTextLimit(t *testing.T) {
	vars := []Var{{"s", featurestore.String}}
	long := []featurestore.Value{featurestore.StringValue(strings.Repeat(",", maxText/2+1))}
	for _, src := range []string{"s + s", "split(s, ',')", "size(s + s)"} {
		if v, failed := mustCompile(t, src, vars).Eval(long); !failed || !v.IsNull() {
			t.Errorf("%s gives a value of a text of %d bytes", src, maxText/2+1)
		}
	}
}

// TestWrongKind: a cell of another kind than declared is null.
func TestWrongKind(t *testing.T) {
	vars := fuzzVars()
	wrong := make([]featurestore.Value, len(vars))
	for i := range wrong {
		wrong[i] = featurestore.BytesValue("x")
	}
	wrong[8] = featurestore.Int64Value(1)
	for _, v := range vars {
		for _, src := range []string{v.Name, "has(" + v.Name + ") ? null : " + v.Name} {
			if got, failed := mustCompile(t, src, vars).Eval(wrong); failed || !got.IsNull() {
				t.Errorf("%s over a wrong cell gives %v", src, got)
			}
		}
	}
}

func TestNoAllocations(t *testing.T) {
	vars := fuzzVars()
	r := fuzzRow(12, 300, 17, 2, "JFK", "a", 0)
	for _, src := range []string{"x > 15.0 ? 1.0 : 0.0", "double(a) / (double(b) / 48.0 + 1.0)", "a + b * 2 - a % 7", "p && x > y || !q",
		"coalesce(x, y, 0.0)", "log1p(abs(x)) + pow(x, y)", `s in ["EWR", "JFK", "LGA"]`, `one_hot(s, ["EWR", "JFK"])`, "bucketize(x, [0.0, 15.0])",
		`hour(at, "America/New_York")`, "hash(s) % 10", "hash(x)", "d + e > 1.00", "clip(x, 0.0, y)", "size(s)", `s.startsWith("J")`,
		`s.matches("^[A-Z]+$")`, "substring(s, 1, 2)", "double(d)", "m['a']", "xs[0] > 1.0", "a in ns", "seconds_between(at, to)"} {
		p := mustCompile(t, src, vars)
		if n := testing.AllocsPerRun(100, func() { p.Eval(r) }); n != 0 {
			t.Errorf("%s allocates %v times", src, n)
		}
	}
}

// TestConcurrent runs one program from several goroutines, for the race detector.
func TestConcurrent(t *testing.T) {
	p := mustCompile(t, `s.matches("^J") && hour(at, "America/New_York") >= 0 ? x : y`, fuzzVars())
	want, _ := p.Eval(fuzzRow(1, 2, 3, 4, "JFK", "", 0))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				if got, _ := p.Eval(fuzzRow(1, 2, 3, 4, "JFK", "", 0)); !got.Equal(want) {
					t.Errorf("got %v, want %v", got, want)
				}
			}
		})
	}
	wg.Wait()
}

func TestEmpty(t *testing.T) {
	for _, src := range []string{"", " \n", "// nothing"} {
		if _, err := Compile(src, nil); err == nil || err.Error() != "the expression is empty" {
			t.Errorf("%q: %v", src, err)
		}
	}
}

func BenchmarkEval(b *testing.B) {
	vars := fuzzVars()
	r := fuzzRow(12, 300, 17, 2, "JFK", "a", 0)
	for _, src := range []string{"x > 15.0 ? 1.0 : 0.0", "double(a) / (double(b) / 48.0 + 1.0)", `s in ["EWR", "JFK"] && x > 0.0`} {
		b.Run(src, func(b *testing.B) {
			p := mustCompile(b, src, vars)
			b.ReportAllocs()
			for b.Loop() {
				p.Eval(r)
			}
		})
	}
}
