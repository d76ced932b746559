package agg_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/agg/pack"
)

var update = flag.Bool("update", false, "add calls that are not frozen yet to the frozen cells; frozen ones are never rewritten")

const frozenFile = "testdata/cells-v2.txt"

// TestFrozenCells holds the bytes of every aggregate over some events: a state
// that was written stays readable, and equal states have equal bytes in every
// version that writes this format.
func TestFrozenCells(t *testing.T) {
	text, err := os.ReadFile(frozenFile)
	if err != nil && !*update {
		t.Fatal(err)
	}
	frozen := map[string]string{}
	for line := range strings.Lines(string(text)) {
		call, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		frozen[call] = rest
	}
	for _, function := range agg.Functions() {
		for _, call := range calls(function) {
			key := name(call)
			want, known := frozen[key]
			if !known && *update {
				a := newAlgebra(t, call, -1)
				text = fmt.Appendf(text, "%s\t%s\n", key, frozenLine(a, a.of(fixedEvents(call)...)))
				continue
			}
			if !known {
				t.Errorf("%s is not frozen: run the test with -update and commit %s", key, frozenFile)
				continue
			}
			checkFrozen(t, call, want)
		}
	}
	if *update {
		if err := os.WriteFile(frozenFile, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func frozenLine(a algebra, s agg.Slot) string {
	cell := a.read(s)
	return fmt.Sprintf("%x\t%s %s", a.bytes(s), cell.Status, cell.Value.Text(a.finish.Type()))
}

func checkFrozen(t *testing.T, call agg.Call, want string) {
	t.Helper()
	a := newAlgebra(t, call, -1)
	if got := frozenLine(a, a.of(fixedEvents(call)...)); got != want {
		t.Errorf("%s is written as %s, frozen as %s", name(call), got, want)
	}
	src, _, _ := strings.Cut(want, "\t")
	b, err := hex.DecodeString(src)
	if err != nil {
		t.Fatal(err)
	}
	s, r := a.cells.Alloc(), pack.NewReader(b)
	if a.cells.Decode(&r, s, 17); r.Err() != nil || len(r.Rest()) > 0 {
		t.Errorf("%s: frozen bytes do not read: %v", name(call), r.Err())
	} else if got := frozenLine(a, s); got != want || !bytes.Equal(a.bytes(s), b) {
		t.Errorf("%s: frozen bytes read as %s, want %s", name(call), got, want)
	}
}

// fixedEvents are 12 events with ties, nulls, and repeated values.
func fixedEvents(c agg.Call) []event {
	xs, ys, keys := fixedValues(c.Input), fixedValues(c.Second), fixedValues(c.By)
	var out []event
	for i := range 12 {
		e := event{inputs: []featurestore.Value{xs[i%len(xs)], featurestore.Null, ys[(i*3)%len(ys)], keys[(i/2)%len(keys)]}}
		e.order.Time = featurestore.EventTime(i/2) * 1_000_000
		e.order.Partition, e.order.Offset = int32(i/5), int64(100+i)
		if i%4 == 3 {
			e.order.Sequence = featurestore.StringValue("s")
		}
		out = append(out, e)
	}
	return out
}

func fixedValues(t featurestore.Type) []featurestore.Value {
	switch t.Kind {
	case featurestore.KindBool:
		return []featurestore.Value{featurestore.BoolValue(true), featurestore.BoolValue(false), null}
	case featurestore.KindInt64:
		return append(ints(3, -70, 3, 1000, 1<<40), null, i64(0))
	case featurestore.KindDouble:
		return append(doubles(0.5, -70, 0.1, 1e300, 0.5), null, f64(0))
	case featurestore.KindTimestamp:
		return []featurestore.Value{featurestore.TimestampValue(1_700_000_000_000_000), null, featurestore.TimestampValue(-1)}
	case featurestore.KindDecimal:
		return []featurestore.Value{dec(1250), dec(-5), null, dec(1250), dec(99)}
	case featurestore.KindBytes:
		return []featurestore.Value{featurestore.BytesValue("\x00\xff"), null, featurestore.BytesValue("")}
	case featurestore.KindString:
		return append(texts("b", "a", "b", "", "longer than the others"), null)
	case featurestore.KindList:
		return []featurestore.Value{list(doubles(1, 2.5)...), null, list(f64(-1), null, f64(3)), list()}
	case featurestore.KindMap:
		return []featurestore.Value{featurestore.MapValue([]string{"a", "b"}, ints(1, 2)), null}
	}
	return []featurestore.Value{null}
}
