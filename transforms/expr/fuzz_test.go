package expr

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/freshet/freshet/featurestore"
)

func fuzzVars() []Var {
	return append(genVars(), Var{"by", featurestore.Bytes}, Var{"at", featurestore.Timestamp}, Var{"to", featurestore.Timestamp},
		Var{"d", featurestore.Decimal(10, 2)}, Var{"e", featurestore.Decimal(6, 2)}, Var{"xs", featurestore.List(featurestore.Double)},
		Var{"ws", featurestore.List(featurestore.String)}, Var{"ns", featurestore.List(featurestore.Int64)}, Var{"m", featurestore.Map(featurestore.Int64)})
}

func fuzzRow(a, b int64, x, y float64, s, t string, mask uint16) []featurestore.Value {
	texts := []featurestore.Value{featurestore.StringValue(s), featurestore.Null, featurestore.StringValue(t)}
	r := []featurestore.Value{featurestore.Int64Value(a), featurestore.Int64Value(b), featurestore.DoubleValue(x), featurestore.DoubleValue(y),
		featurestore.BoolValue(a > b), featurestore.BoolValue(x > y), featurestore.StringValue(s), featurestore.StringValue(t),
		featurestore.BytesValue(t), featurestore.TimestampValue(featurestore.Instant(a)), featurestore.TimestampValue(featurestore.Instant(b)),
		featurestore.DecimalValue(a % 10000000000), featurestore.DecimalValue(b % 1000000),
		featurestore.ListValue([]featurestore.Value{featurestore.DoubleValue(x), featurestore.Null, featurestore.DoubleValue(y)}),
		featurestore.ListValue(texts), featurestore.ListValue(nil), featurestore.MapValue([]string{"a", "b"}, []featurestore.Value{featurestore.Int64Value(a), featurestore.Null})}
	for i := range r {
		if mask&(1<<(i%16)) != 0 {
			r[i] = featurestore.Null
		}
	}
	return r
}

// seeds are the expressions of the tables.
func seeds(f *testing.F) []string {
	var list []string
	for path, sep := range map[string]string{"testdata/values.txt": " | ", "testdata/errors.txt": " ~ "} {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
			if src, _, found := strings.Cut(lines.Text(), sep); found && !isComment(src) {
				list = append(list, src)
			}
		}
	}
	return append(list, strings.Repeat("(", 20000), strings.Repeat("[", 20000), strings.Repeat("!-", 2000), strings.Repeat("p?", 1500),
		strings.Repeat("a+", 1500)+"a", "'''a\n'b'''", "r'\\'", "b'\\xff'", "\xff", "\"日\xff\"", "1.5.e", "0x", "1e", ".5", "a//\n+b", "\\", "`", "'\\\n'")
}

// FuzzCompile: no text panics; an error lies in the text; what compiles has
// spans that nest and a canonical text that is itself again.
func FuzzCompile(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	vars := fuzzVars()
	row := fuzzRow(3, -1, 0.5, 2, "a,b", "b", 0)
	f.Fuzz(func(t *testing.T, src string) {
		p, err := Compile(src, vars)
		if err != nil {
			checkError(t, src, err.(*Error))
			return
		}
		tree, _ := check(src, vars)
		checkSpans(t, src, tree)
		v, failed := p.Eval(row)
		again, err := Compile(p.Canonical(), vars)
		if err != nil {
			if e := err.(*Error); len(p.Canonical()) > maxSource || strings.Contains(e.Message, "nest deeper") {
				return
			}
			t.Fatalf("%q: canonical text %q: %v", src, p.Canonical(), err)
		}
		w, f := again.Eval(row)
		if again.Canonical() != p.Canonical() || !v.Equal(w) || f != failed {
			t.Fatalf("%q: canonical text %q becomes %q, %v becomes %v", src, p.Canonical(), again.Canonical(), v, w)
		}
	})
}

func checkError(t *testing.T, src string, e *Error) {
	t.Helper()
	if e.Message == "" || e.Offset < 0 || e.End > len(src) || e.Offset >= e.End && src != "" {
		t.Fatalf("%q: error %d:%d %q", src, e.Offset, e.End, e.Message)
	}
	if strings.Contains(e.Message, "cannot be parsed") {
		t.Fatalf("%q: the parser panics", src)
	}
	if utf8.ValidString(src) && !utf8.ValidString(src[e.Offset:e.End]) {
		t.Fatalf("%q: %d:%d cuts a character", src, e.Offset, e.End)
	}
}

func checkSpans(t *testing.T, src string, n *node) {
	t.Helper()
	if n.start < 0 || n.start >= n.end || n.end > len(src) {
		t.Fatalf("%q: node %q at %d:%d", src, n.name, n.start, n.end)
	}
	for _, a := range n.args {
		if a.start < n.start || a.end > n.end {
			t.Fatalf("%q: %q at %d:%d leaves its parent %q at %d:%d", src, a.name, a.start, a.end, n.name, n.start, n.end)
		}
		checkSpans(t, src, a)
	}
}

// FuzzEval: no row panics, a failure is null, no double is NaN, infinite or
// -0.0, no text is longer than the limit allows.
func FuzzEval(f *testing.F) {
	vars := fuzzVars()
	for i, s := range seeds(f) {
		if _, err := Compile(s, vars); err == nil {
			f.Add(s, int64(i), int64(-i), float64(i)/4, -1e300, "a,b", "日", uint16(0))
			f.Add(s, int64(math.MinInt64), int64(-1), math.MaxFloat64, 5e-324, "", "\xff", uint16(i))
		}
	}
	f.Fuzz(func(t *testing.T, src string, a, b int64, x, y float64, s, u string, mask uint16) {
		p, err := Compile(src, vars)
		if err != nil {
			return
		}
		row := fuzzRow(a, b, x, y, s, u, mask)
		v, failed := p.Eval(row)
		w, f2 := p.Eval(row)
		if !v.Equal(w) || failed != f2 {
			t.Fatalf("%q gives %v and %v", src, v, w)
		}
		if failed && !v.IsNull() || !v.IsNull() && v.Kind() != p.Type().Kind {
			t.Fatalf("%q of type %s gives %v, failed %v", src, p.Type(), v, failed)
		}
		if d := v.Double(); v.Kind() == featurestore.KindDouble && (d-d != 0 || d == 0 && math.Signbit(d)) {
			t.Fatalf("%q gives %v", src, d)
		}
		if len(v.Str()) > max(maxText, 3*(len(s)+len(u)+len(src))) {
			t.Fatalf("%q gives a text of %d bytes", src, len(v.Str()))
		}
	})
}
