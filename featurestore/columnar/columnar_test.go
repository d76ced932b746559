package columnar

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

func source(changes bool) *definition.StreamSource {
	elem, of := featurestore.Int64, featurestore.String
	s := &definition.StreamSource{
		Meta: definition.Meta{Name: "clicks"}, EventID: 3, Sequence: 1,
		Fields: []definition.Field{
			{Name: "b", Type: featurestore.Bool}, {Name: "i", Type: featurestore.Int64}, {Name: "d", Type: featurestore.Double},
			{Name: "s", Type: featurestore.String}, {Name: "y", Type: featurestore.Bytes}, {Name: "t", Type: featurestore.Timestamp},
			{Name: "m", Type: featurestore.Decimal(10, 2)},
			{Name: "l", Type: featurestore.Type{Kind: featurestore.KindList, Elem: &elem}},
			{Name: "o", Type: featurestore.Type{Kind: featurestore.KindMap, Elem: &of}},
		},
	}
	if changes {
		s.Format = definition.FormatDebezium
	}
	return s
}

// draw gives an event of the source in memory of its own.
func draw(t *rapid.T, s *definition.StreamSource, offset int64) featurestore.Event {
	text := func(name string) string { return rapid.StringN(0, 12, 40).Draw(t, name) }
	ev := featurestore.Event{Fields: []featurestore.Value{
		featurestore.BoolValue(rapid.Bool().Draw(t, "b")), featurestore.Int64Value(rapid.Int64().Draw(t, "i")),
		featurestore.DoubleValue(rapid.Float64().Draw(t, "d")), featurestore.StringValue(text("s")), featurestore.BytesValue(text("y")),
		featurestore.TimestampValue(featurestore.Instant(rapid.Int64().Draw(t, "t"))), featurestore.DecimalValue(rapid.Int64().Draw(t, "m")),
		featurestore.ListValue([]featurestore.Value{featurestore.Int64Value(offset), featurestore.Null}),
		featurestore.MapValue([]string{"a", "b"}, []featurestore.Value{featurestore.StringValue(text("o")), featurestore.Null}),
	}}
	for i := range ev.Fields {
		if rapid.IntRange(0, 4).Draw(t, "null") == 0 {
			ev.Fields[i] = featurestore.Null
		}
	}
	ev.Generation, ev.Partition, ev.Offset = 1, int32(rapid.IntRange(0, 1).Draw(t, "p")), offset
	ev.Time, ev.LogTime = featurestore.EventTime(rapid.Int64().Draw(t, "e")), featurestore.LogTime(rapid.Int64().Draw(t, "a"))
	ev.Sequence, ev.ID = ev.Fields[1], ev.Fields[3].Str()
	if s.Changes() {
		ev.Change, ev.Mutated = featurestore.Change(rapid.IntRange(1, 2).Draw(t, "c")), featurestore.EventTime(offset)
	}
	return ev
}

func same(t *rapid.T, got *Events, want []featurestore.Event) {
	t.Helper()
	if got.Len() != len(want) {
		t.Fatalf("%d events, want %d", got.Len(), len(want))
	}
	i := 0
	for ev := range got.All() {
		w := &want[i]
		if ev.Position != w.Position || ev.Time != w.Time || ev.LogTime != w.LogTime || ev.ID != w.ID || ev.Change != w.Change || ev.Mutated != w.Mutated ||
			!ev.Sequence.Equal(w.Sequence) || !slices.EqualFunc(ev.Fields, w.Fields, featurestore.Value.Equal) {
			t.Fatalf("event %d is %+v, want %+v", i, *ev, *w)
		}
		i++
	}
}

// What was appended is given back, also after rows were copied here and there, and
// after the memory was used before.
func TestEventsComeBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := source(rapid.Bool().Draw(rt, "changes"))
		events, copied := New(s), New(s)
		events.Expect(rapid.IntRange(0, 10000).Draw(rt, "expected"))
		for range 2 {
			var want, taken []featurestore.Event
			for n := range rapid.IntRange(0, 80).Draw(rt, "n") {
				ev := draw(rt, s, int64(n))
				if err := events.Append(&ev); err != nil {
					rt.Fatal(err)
				}
				want = append(want, ev)
			}
			same(rt, events, want)
			for range 3 {
				from := rapid.IntRange(0, len(want)).Draw(rt, "from")
				to := rapid.IntRange(from, len(want)).Draw(rt, "to")
				if err := copied.AppendRows(events, from, to); err != nil {
					rt.Fatal(err)
				}
				taken = append(taken, want[from:to]...)
			}
			same(rt, copied, taken)
			events.Reset()
			copied.Reset()
		}
	})
}

// What is stored has lists and maps as JSON, and everything else as it was.
func TestStored(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := source(false)
		events, stored := New(s), NewStored(s)
		var want []featurestore.Event
		for n := range 5 {
			ev := draw(rt, s, int64(n))
			want = append(want, ev)
			if err := events.Append(&ev); err != nil {
				rt.Fatal(err)
			}
		}
		if err := stored.AppendRows(events, 0, 5); err != nil {
			rt.Fatal(err)
		}
		for row, ev := range want {
			for i, v := range ev.Fields {
				c := stored.Field(i)
				if c.Valid()[row] == v.IsNull() {
					rt.Fatalf("row %d, field %d: valid is %v", row, i, c.Valid()[row])
				}
				switch v.Kind() {
				case featurestore.KindNull:
				case featurestore.KindList, featurestore.KindMap:
					if json := featurestore.AppendJSON(nil, v, s.Fields[i].Type); string(c.Text(row)) != string(json) {
						rt.Fatalf("row %d, field %d: %s, want %s", row, i, c.Text(row), json)
					}
				case featurestore.KindString, featurestore.KindBytes:
					if string(c.Text(row)) != v.Str() {
						rt.Fatalf("row %d, field %d: %q, want %q", row, i, c.Text(row), v.Str())
					}
				default:
					if c.Bits(row) != v.Bits() {
						rt.Fatalf("row %d, field %d: %x, want %x", row, i, c.Bits(row), v.Bits())
					}
				}
			}
		}
	})
}

// An event keeps nothing of the memory that it came in: decoders use it again.
func TestCopied(t *testing.T) {
	s := source(false)
	events := New(s)
	text, elem := []byte("before"), []byte("in a list")
	ev := featurestore.Event{Fields: make([]featurestore.Value, len(s.Fields))}
	ev.Fields[3] = featurestore.StringValue(unsafe.String(&text[0], len(text)))
	ev.Fields[8] = featurestore.MapValue([]string{"k"}, []featurestore.Value{featurestore.StringValue(unsafe.String(&elem[0], len(elem)))})
	if err := events.Append(&ev); err != nil {
		t.Fatal(err)
	}
	copy(text, "BEHIND")
	copy(elem, "elsewhere")
	for got := range events.All() {
		if got.Fields[3].Str() != "before" || got.Fields[8].Elems()[0].Str() != "in a list" {
			t.Errorf("it is %+v", got.Fields)
		}
	}
}

// What is not of the source is refused, and nothing of it stays.
func TestForeign(t *testing.T) {
	s := source(false)
	events := New(s)
	for what, fields := range map[string][]featurestore.Value{
		"8 fields":  make([]featurestore.Value, 8),
		`field "b"`: append([]featurestore.Value{featurestore.Int64Value(1)}, make([]featurestore.Value, 8)...),
	} {
		err := events.Append(&featurestore.Event{Fields: fields})
		if err == nil || !strings.Contains(err.Error(), what) || events.Len() != 0 {
			t.Errorf("%s: %v, and there are %d", what, err, events.Len())
		}
	}
	other := source(true)
	if err := NewStored(other).AppendRows(events, 0, 0); err == nil {
		t.Error("rows of another definition were taken")
	}
}

func ExampleEvents_Runs() {
	s := &definition.StreamSource{Meta: definition.Meta{Name: "clicks"}, EventID: -1, Sequence: -1}
	events := New(s)
	for offset, partition := range []int32{0, 0, 1} {
		ev := featurestore.Event{}
		ev.Partition, ev.Offset = partition, int64(offset)
		if err := events.Append(&ev); err != nil {
			fmt.Println(err)
		}
	}
	for id, rows := range events.Runs() {
		fmt.Println(id.Partition, rows)
	}
	// Output:
	// 0 [0 2]
	// 1 [2 3]
}
