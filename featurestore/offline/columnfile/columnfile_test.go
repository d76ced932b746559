package columnfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding"
	"github.com/parquet-go/parquet-go/format"
)

// pageRows is how many rows the pages of these tests have.
const pageRows = 1000

// col is a column of a test, with its values.
type col struct {
	name   string
	node   parquet.Node
	plain  bool // written without its dictionary
	values []parquet.Value
}

// file is the columns of a test in their order.
type file []col

func (f file) schema() *parquet.Schema {
	g := group{}
	for i := range f {
		g.fields = append(g.fields, field{f[i].node, f[i].name})
	}
	return parquet.NewSchema("test", g)
}

type group struct {
	parquet.Group
	fields []parquet.Field
}

func (g group) Fields() []parquet.Field { return g.fields }

type field struct {
	parquet.Node
	name string
}

func (f field) Name() string                      { return f.name }
func (f field) Value(reflect.Value) reflect.Value { panic("rows are not written here") }

// pageOf is the page of some values, a level each.
func pageOf(kind parquet.Kind, optional bool, values []parquet.Value, d *Dictionary) *Page {
	p := &Page{Rows: len(values)}
	var (
		ints    []int64
		int32s  []int32
		doubles []float64
		bits    []byte
		texts   []byte
		ends    = []uint32{0}
		bools   int
	)
	for _, v := range values {
		if optional {
			p.Levels = append(p.Levels, byte(v.DefinitionLevel()))
		}
		switch {
		case v.IsNull():
		case d != nil:
			int32s = append(int32s, d.Place(v.ByteArray()))
		case kind == parquet.Boolean:
			if bools%8 == 0 {
				bits = append(bits, 0)
			}
			if v.Boolean() {
				bits[bools/8] |= 1 << (bools % 8)
			}
			bools++
		case kind == parquet.Int32:
			int32s = append(int32s, v.Int32())
		case kind == parquet.Int64:
			ints = append(ints, v.Int64())
		case kind == parquet.Double:
			doubles = append(doubles, v.Double())
		default:
			texts = append(texts, v.ByteArray()...)
			ends = append(ends, uint32(len(texts)))
		}
	}
	switch {
	case d != nil || kind == parquet.Int32:
		p.Values = encoding.Int32Values(int32s)
	case kind == parquet.Boolean:
		p.Values = encoding.BooleanValues(bits)
	case kind == parquet.Int64:
		p.Values = encoding.Int64Values(ints)
	case kind == parquet.Double:
		p.Values = encoding.DoubleValues(doubles)
	default:
		p.Values = encoding.ByteArrayValues(texts, ends)
	}
	return p
}

// ours writes the file by this package.
func (f file) ours(t *testing.T, b *Buffers) []byte {
	t.Helper()
	var out bytes.Buffer
	layout, err := LayoutOf(f.schema())
	ok(t, err)
	w, err := Begin(&out, layout, b)
	ok(t, err)
	for i := range f {
		c, err := w.Next()
		ok(t, err)
		kind := f[i].node.Type().Kind()
		var d *Dictionary
		if f[i].plain {
			c.Plain()
		} else if c.HasDictionary() {
			d = &Dictionary{}
			d.Reset()
			pageOf(kind, f[i].node.Optional(), f[i].values, d)
			ok(t, c.Dictionary(d))
		}
		for part := range slices.Chunk(f[i].values, pageRows) {
			ok(t, c.Write(pageOf(kind, f[i].node.Optional(), part, d)))
		}
	}
	ok(t, w.Close())
	return out.Bytes()
}

// theirs writes it by the library's writer, with the same pages.
func (f file) theirs(t *testing.T) []byte {
	t.Helper()
	for i := range f {
		if f[i].plain {
			t.Fatal("the library has no such column")
		}
	}
	var out bytes.Buffer
	w := parquet.NewGenericWriter[any](&out, f.schema(), parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}), parquet.DataPageStatistics(false))
	for i, c := range w.ColumnWriters() {
		for part := range slices.Chunk(f[i].values, pageRows) {
			_, err := c.WriteRowValues(part)
			ok(t, err)
			ok(t, c.Flush())
		}
	}
	ok(t, w.Close())
	return out.Bytes()
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testFile has a column of each kind and encoding that archives have, and pages of
// nulls, of none, and of both.
func testFile(rows int) file {
	r := rand.New(rand.NewPCG(1, 2))
	str := parquet.String()
	f := file{
		{name: "at", node: parquet.Encoded(parquet.Timestamp(parquet.Microsecond), &parquet.DeltaBinaryPacked)},
		{name: "part", node: parquet.Int(32)},
		{name: "late", node: parquet.Leaf(parquet.BooleanType)},
		{name: "b", node: parquet.Optional(parquet.Leaf(parquet.BooleanType))},
		{name: "i", node: parquet.Optional(parquet.Encoded(parquet.Int(64), &parquet.DeltaBinaryPacked))},
		{name: "d", node: parquet.Optional(parquet.Leaf(parquet.DoubleType))},
		{name: "s", node: parquet.Optional(parquet.Encoded(str, &parquet.RLEDictionary))},
		{name: "u", node: parquet.Optional(str)},
		{name: "y", node: parquet.Optional(parquet.Leaf(parquet.ByteArrayType))},
		{name: "t", node: parquet.Optional(parquet.Timestamp(parquet.Microsecond))},
		{name: "m", node: parquet.Optional(parquet.Decimal(2, 10, parquet.Int64Type))},
		{name: "j", node: parquet.Optional(parquet.JSON())},
	}
	doubles := []float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), 1.5, -1e300}
	for i := range f {
		for row := range rows {
			var v parquet.Value
			switch kind := f[i].node.Type().Kind(); kind {
			case parquet.Boolean:
				v = parquet.BooleanValue(r.IntN(9) == 0)
			case parquet.Int32:
				v = parquet.Int32Value(7)
			case parquet.Int64:
				v = parquet.Int64Value(int64(row)*1000 - int64(r.Uint64()>>r.IntN(64)))
			case parquet.Double:
				v = parquet.DoubleValue(doubles[r.IntN(len(doubles))])
				if row/pageRows == 3 {
					v = parquet.DoubleValue(math.NaN())
				}
			default:
				text := fmt.Sprintf("%d", r.IntN(30)*r.IntN(30))
				switch r.IntN(9) {
				case 0:
					text = ""
				case 1:
					text = strings.Repeat(text, 20)
				}
				v = parquet.ByteArrayValue([]byte(text))
			}
			page := row / pageRows
			switch {
			case !f[i].node.Optional():
				v = v.Level(0, 0, i)
			case page%4 == 1 || page%4 == 2 && r.IntN(3) == 0 || page%4 == 3 && row%100 < 50:
				v = parquet.NullValue().Level(0, 0, i)
			default:
				v = v.Level(0, 1, i)
			}
			f[i].values = append(f[i].values, v)
		}
	}
	return f
}

func opened(t *testing.T, data []byte) *parquet.File {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	ok(t, err)
	return f
}

// TestSameAsTheLibrary: what the library's writer makes of the same values is the
// same file, to the byte.
func TestSameAsTheLibrary(t *testing.T) {
	b := NewBuffers()
	for _, rows := range []int{1, pageRows, 6*pageRows + 321, 7} {
		f := testFile(rows)
		ours, theirs := f.ours(t, b), f.theirs(t)
		a, z := opened(t, ours).Metadata(), opened(t, theirs).Metadata()
		for i := range a.RowGroups {
			for j := range a.RowGroups[i].Columns {
				x, y := a.RowGroups[i].Columns[j], z.RowGroups[i].Columns[j]
				if !reflect.DeepEqual(x, y) {
					t.Errorf("%d rows, column %q:\n%+v, the library's\n%+v", rows, f[j].name, x, y)
				}
			}
		}
		if !bytes.Equal(ours, theirs) {
			t.Errorf("%d rows: %d bytes differ from the library's %d", rows, len(ours), len(theirs))
		}
		same(t, f, ours)
	}
}

// same reads the columns back.
func same(t *testing.T, f file, data []byte) {
	t.Helper()
	chunks := opened(t, data).RowGroups()[0].ColumnChunks()
	for i := range f {
		r := parquet.NewColumnChunkValueReader(chunks[i])
		got := make([]parquet.Value, len(f[i].values)+1)
		n := 0
		for {
			k, err := r.ReadValues(got[n:min(len(got), n+50)])
			for i := range got[n : n+k] {
				got[n+i] = got[n+i].Clone() // it is the page's
			}
			n += k
			if errors.Is(err, io.EOF) {
				break
			}
			ok(t, err)
		}
		if n != len(f[i].values) {
			t.Fatalf("column %q: %d of %d values", f[i].name, n, len(f[i].values))
		}
		for row, want := range f[i].values {
			if !parquet.DeepEqual(got[row], want) && !(want.Kind() == parquet.Double && math.IsNaN(want.Double()) && math.IsNaN(got[row].Double())) {
				t.Fatalf("column %q, row %d: %+v, not %+v", f[i].name, row, got[row], want)
			}
		}
		ok(t, r.Close())
	}
}

// TestPlain: a column whose texts turn out not to repeat has no dictionary.
func TestPlain(t *testing.T) {
	f := testFile(3000)
	f[6].plain = true
	data := f.ours(t, NewBuffers())
	same(t, f, data)
	got := opened(t, data).Metadata().RowGroups[0].Columns[6].MetaData
	if want := []format.Encoding{format.RLE, format.DeltaLengthByteArray}; !slices.Equal(got.Encoding, want) || got.DictionaryPageOffset != 0 {
		t.Errorf("encodings %v, dictionary at %d", got.Encoding, got.DictionaryPageOffset)
	}
}

func TestDictionary(t *testing.T) {
	var d Dictionary
	for range 2 {
		d.Reset()
		places := map[string]int32{}
		for i := range 20_000 {
			text := fmt.Sprint(i * i % 7919)
			if i%100 == 0 {
				text = ""
			}
			place, known := places[text]
			if !known {
				place = int32(len(places))
				places[text] = place
			}
			if got := d.Place([]byte(text)); got != place || string(d.text(got)) != text {
				t.Fatalf("%q is at %d, not %d", text, got, place)
			}
		}
		if d.Len() != len(places) {
			t.Fatalf("%d texts, not %d", d.Len(), len(places))
		}
	}
}

// failing takes some bytes, then no more.
type failing struct{ left int }

var errFull = errors.New("full")

func (w *failing) Write(p []byte) (int, error) {
	n := min(len(p), w.left)
	w.left -= n
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

func TestRefusals(t *testing.T) {
	layout, err := LayoutOf(file{{name: "i", node: parquet.Optional(parquet.Int(64))}, {name: "s", node: parquet.Encoded(parquet.String(), &parquet.RLEDictionary)}}.schema())
	ok(t, err)
	b := NewBuffers()
	three := &Page{Rows: 3, Levels: []byte{1, 0, 1}, Values: encoding.Int64Values([]int64{1, 2})}
	begin := func(out io.Writer) (*File, *Column) {
		f, err := Begin(out, layout, b)
		ok(t, err)
		c, err := f.Next()
		ok(t, err)
		return f, c
	}
	refused := func(err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, not %q", err, want)
		}
	}
	f, c := begin(io.Discard)
	refused(c.Dictionary(&Dictionary{}), "no dictionary")
	refused(c.Write(&Page{Rows: 2, Values: encoding.Int64Values([]int64{1, 2})}), "0 levels")
	refused(c.Write(&Page{Rows: 2, Levels: []byte{1, 0}, Values: encoding.Int64Values([]int64{1, 2})}), "1 nulls has 2 values")
	refused(c.Write(&Page{Levels: []byte{}, Values: encoding.Int64Values(nil)}), "0 rows")
	ok(t, c.Write(three))
	refused(f.Close(), "1 of 2 columns")

	f, c = begin(io.Discard)
	ok(t, c.Write(three))
	c, err = f.Next()
	ok(t, err)
	refused(c.Write(&Page{Rows: 1, Values: encoding.Int32Values([]int32{0})}), "without the dictionary")
	refused(f.Close(), `column "s" has 0 rows`)

	f, c = begin(&failing{left: 10})
	ok(t, c.Write(three))
	c, err = f.Next()
	ok(t, err)
	c.Plain()
	ok(t, c.Write(&Page{Rows: 3, Values: encoding.ByteArrayValues([]byte("abc"), []uint32{0, 1, 2, 3})}))
	if err := f.Close(); !errors.Is(err, errFull) {
		t.Errorf("%v", err)
	}
	if _, err := LayoutOf(file{{name: "l", node: parquet.Repeated(parquet.Int(64))}}.schema()); err == nil {
		t.Error("a repeated column has a layout")
	}
}
