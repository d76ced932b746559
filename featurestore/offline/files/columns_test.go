package files

import (
	"errors"
	"io"
	"math"
	"os"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/definition"
)

// parquetColumns is a file that is read by column.
type parquetColumns struct {
	E int64    `parquet:"e,timestamp(microsecond)"`
	A int64    `parquet:"a,timestamp(microsecond),delta"`
	O int64    `parquet:"o,delta"`
	B *bool    `parquet:"b"`
	I *int64   `parquet:"i,dict"`
	D *float64 `parquet:"d"`
	S *string  `parquet:"s,dict"`
	P *string  `parquet:"p"`
	Y *[]byte  `parquet:"y"`
	M *int64   `parquet:"m,decimal(2:10)"`
}

var columnFields = fields("b", featurestore.Bool, "i", featurestore.Int64, "d", featurestore.Double, "s", featurestore.String,
	"p", featurestore.String, "y", featurestore.Bytes, "m", featurestore.Decimal(10, 2), "absent", featurestore.String)

func columnSpec(needed ...int) *ColumnSpec {
	return &ColumnSpec{Time: "e", Available: "a", Offset: "o", Fields: columnFields, Needed: needed}
}

func columnSource() *definition.StreamSource {
	return &definition.StreamSource{Fields: columnFields, EventID: -1, Sequence: -1}
}

// readColumns reads a file to its end, some rows at a time, and skips some.
func readColumns(path string, spec *ColumnSpec, to *columnar.Events, each, skip int) error {
	r, err := OpenColumns(path, "f", spec)
	if err != nil {
		return err
	}
	for n := 0; err == nil; n++ {
		var offsets []int64
		if offsets, err = r.Offsets(); err != nil {
			break
		}
		if skip > 0 && n%3 == 2 {
			err = r.Skip(min(skip, len(offsets)))
			continue
		}
		err = r.Read(min(each, len(offsets)), featurestore.PartitionID{}, to)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, r.Close())
}

func someColumns(n int) []parquetColumns {
	var rows []parquetColumns
	for i := range n {
		row := parquetColumns{E: int64(i) * 10, A: int64(i) * 20, O: int64(i) * 3}
		if i%3 > 0 {
			row.B, row.I, row.D, row.M = ptr(i%2 == 0), ptr(int64(i%7)-3), ptr(float64(i)/2), ptr(int64(-i))
		}
		if i%5 > 1 {
			row.S, row.P, row.Y = ptr([]string{"", "web", "déjà"}[i%3]), ptr(string(rune('a'+i%26))), ptr([]byte{0xff, byte(i)})
		}
		rows = append(rows, row)
	}
	return rows
}

// Columns are what rows are, with nulls, dictionaries, small pages and several row groups.
func TestColumnsAreRows(t *testing.T) {
	rows := someColumns(3000)
	path := writeParquet(t, rows, parquet.MaxRowsPerRowGroup(1700), parquet.PageBufferSize(512))
	spec := Spec{Time: definition.TimeSpec{Name: "e", Format: definition.FormatNative}, Available: &definition.TimeSpec{Name: "a", Format: definition.FormatNative},
		Fields: columnFields, Missing: MissingIsNull}
	want, _ := readAll(t, path, spec)
	for _, c := range []struct{ each, skip int }{{1, 0}, {7, 0}, {4000, 0}, {13, 5}} {
		events := columnar.New(columnSource())
		if err := readColumns(path, columnSpec(), events, c.each, c.skip); err != nil {
			t.Fatal(err)
		}
		if c.skip == 0 && events.Len() != len(rows) || events.Len() == 0 {
			t.Fatalf("%d rows", events.Len())
		}
		for ev := range events.All() {
			row := want[ev.Offset/3]
			if ev.Time != row.Time || ev.LogTime != row.Available {
				t.Fatalf("offset %d: %v and %v, want %v and %v", ev.Offset, ev.Time, ev.LogTime, row.Time, row.Available)
			}
			checkRow(t, Row{Fields: ev.Fields}, row.Fields)
		}
	}
	events := columnar.New(columnSource())
	if err := readColumns(path, columnSpec(3), events, 100, 0); err != nil {
		t.Fatal(err)
	}
	for ev := range events.All() {
		if !ev.Fields[1].IsNull() || !ev.Fields[3].Equal(want[ev.Offset/3].Fields[3]) {
			t.Fatalf("needed fields alone: %+v", ev)
		}
	}
}

// What a row may not have, and columns of other types, are for who reads row by row.
func TestColumnsThatAreReadByRow(t *testing.T) {
	with := func(change func(*parquetColumns)) string {
		rows := someColumns(10)
		change(&rows[7])
		return writeParquet(t, rows)
	}
	for name, path := range map[string]string{
		"time":       with(func(r *parquetColumns) { r.E = math.MaxInt64 }),
		"log time":   with(func(r *parquetColumns) { r.A = math.MinInt64 }),
		"text":       with(func(r *parquetColumns) { r.P = ptr("\xff") }),
		"dictionary": with(func(r *parquetColumns) { r.S = ptr("\xff") }),
		"double":     with(func(r *parquetColumns) { r.D = ptr(math.NaN()) }),
		"decimal":    with(func(r *parquetColumns) { r.M = ptr(int64(1e10)) }),
		"no offset": writeParquet(t, []struct {
			E int64 `parquet:"e,timestamp(microsecond)"`
			A int64 `parquet:"a,timestamp(microsecond)"`
		}{{}}),
		"null time": writeParquet(t, []struct {
			E *int64 `parquet:"e,timestamp(microsecond)"`
			A int64  `parquet:"a,timestamp(microsecond)"`
			O int64  `parquet:"o"`
		}{{}}),
		"milliseconds": writeParquet(t, []struct {
			E int64 `parquet:"e,timestamp(millisecond)"`
			A int64 `parquet:"a,timestamp(microsecond)"`
			O int64 `parquet:"o"`
		}{{}}),
		"another type": writeParquet(t, []struct {
			E int64 `parquet:"e,timestamp(microsecond)"`
			A int64 `parquet:"a,timestamp(microsecond)"`
			O int64 `parquet:"o"`
			I int32 `parquet:"i"`
		}{{}}),
	} {
		if err := readColumns(path, columnSpec(), columnar.New(columnSource()), 100, 0); !errors.Is(err, ErrByRow) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDamagedColumnsAreAnError(t *testing.T) {
	whole, err := os.ReadFile(writeParquet(t, someColumns(40)))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(whole); i += 3 {
		damaged := append([]byte(nil), whole...)
		damaged[i] ^= 0x55
		path := writeFile(t, "f", string(damaged))
		// It must end, in rows or an error, and never panic.
		err := readColumns(path, columnSpec(), columnar.New(columnSource()), 7, 0)
		if err != nil && !errors.Is(err, ErrByRow) && !errors.Is(err, featurestore.ErrInvalid) {
			t.Errorf("byte %d: %v", i, err)
		}
	}
}
