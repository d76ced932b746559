//go:build duckdb_arrow

package duckdb

import (
	"context"
	"database/sql/driver"
	"fmt"
	"math"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory/mallocator"
	engine "github.com/duckdb/duckdb-go/v2"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/frame"
)

// create makes a table for rows of the given fields.
func (db *DB) create(ctx context.Context, table string, fields []frame.Field) error {
	columns := make([]string, len(fields))
	for i, f := range fields {
		t, err := sqlType(f.Type)
		if err != nil {
			return err
		}
		columns[i] = name(f.Name) + " " + t
	}
	return db.exec(ctx, fmt.Sprintf("CREATE TABLE %s (%s)", name(table), strings.Join(columns, ", ")))
}

// insert appends the rows of a frame to a table of its fields, through Arrow.
// The buffers are C memory: DuckDB reads them from its own threads.
func (db *DB) insert(ctx context.Context, table string, f *frame.Frame) error {
	if f.Len() == 0 {
		return nil
	}
	batch, err := batchOf(f)
	if err != nil {
		return err
	}
	defer batch.Release()
	reader, err := array.NewRecordReader(batch.Schema(), []arrow.RecordBatch{batch})
	if err != nil {
		return err
	}
	defer reader.Release()
	view := db.table("arrow")
	return db.raw(func(c driver.Conn) error {
		a, err := engine.NewArrowFromConn(c)
		if err != nil {
			return err
		}
		release, err := a.RegisterView(reader, view)
		if err != nil {
			return err
		}
		defer release()
		conn := c.(driver.ExecerContext)
		if _, err := conn.ExecContext(ctx, fmt.Sprintf("INSERT INTO %s SELECT * FROM %s", name(table), name(view)), nil); err != nil {
			return kinded(ctx, err)
		}
		_, err = conn.ExecContext(context.WithoutCancel(ctx), "DROP VIEW "+name(view), nil)
		return err
	})
}

// batchOf copies a frame into an Arrow batch.
func batchOf(f *frame.Frame) (arrow.RecordBatch, error) {
	mem := mallocator.NewMallocator()
	fields := make([]arrow.Field, len(f.Columns))
	arrays := make([]arrow.Array, len(f.Columns))
	defer func() {
		for _, a := range arrays {
			if a != nil {
				a.Release()
			}
		}
	}()
	for i := range f.Columns {
		c := &f.Columns[i]
		t, err := arrowType(c.Type)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", c.Name, err)
		}
		b := array.NewBuilder(mem, t)
		b.Reserve(c.Len())
		appendColumn(b, c)
		fields[i] = arrow.Field{Name: c.Name, Type: t, Nullable: true}
		arrays[i] = b.NewArray()
		b.Release()
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), arrays, int64(f.Len())), nil
}

func arrowType(t featurestore.Type) (arrow.DataType, error) {
	switch t.Kind {
	case featurestore.KindBool:
		return arrow.FixedWidthTypes.Boolean, nil
	case featurestore.KindInt64:
		return arrow.PrimitiveTypes.Int64, nil
	case featurestore.KindDouble:
		return arrow.PrimitiveTypes.Float64, nil
	case featurestore.KindString:
		return arrow.BinaryTypes.LargeString, nil
	case featurestore.KindBytes:
		return arrow.BinaryTypes.LargeBinary, nil
	case featurestore.KindTimestamp:
		return arrow.FixedWidthTypes.Timestamp_us, nil
	case featurestore.KindDecimal:
		return &arrow.Decimal128Type{Precision: int32(t.Precision), Scale: int32(t.Scale)}, nil
	case featurestore.KindList:
		elem, err := arrowType(*t.Elem)
		if err != nil {
			return nil, err
		}
		return arrow.ListOf(elem), nil
	case featurestore.KindMap:
		elem, err := arrowType(*t.Elem)
		if err != nil {
			return nil, err
		}
		return arrow.MapOf(arrow.BinaryTypes.LargeString, elem), nil
	}
	return nil, featurestore.Invalidf("a column of type %s cannot be written yet", t)
}

func appendColumn(b array.Builder, c *frame.Column) {
	for i, null := range c.Null {
		if null {
			b.AppendNull()
			continue
		}
		switch b := b.(type) {
		case *array.BooleanBuilder:
			b.UnsafeAppend(c.Bits[i] != 0)
		case *array.Int64Builder:
			b.UnsafeAppend(int64(c.Bits[i]))
		case *array.Float64Builder:
			b.UnsafeAppend(math.Float64frombits(c.Bits[i]))
		case *array.TimestampBuilder:
			b.UnsafeAppend(arrow.Timestamp(c.Bits[i]))
		case *array.Decimal128Builder:
			b.Append(decimal128.FromI64(int64(c.Bits[i])))
		case *array.LargeStringBuilder:
			b.Append(c.Text[i])
		case *array.BinaryBuilder:
			b.AppendString(c.Text[i])
		default:
			appendValue(b, c.Any[i])
		}
	}
}

// appendValue appends a value that stands on its own: a list, a map or a part of
// one.
func appendValue(b array.Builder, v featurestore.Value) {
	if v.IsNull() {
		b.AppendNull()
		return
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(v.Bool())
	case *array.Int64Builder:
		b.Append(v.Int64())
	case *array.Float64Builder:
		b.Append(v.Double())
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v.Timestamp()))
	case *array.Decimal128Builder:
		b.Append(decimal128.FromI64(v.Int64()))
	case *array.LargeStringBuilder:
		b.Append(v.Str())
	case *array.BinaryBuilder:
		b.AppendString(v.Str())
	case *array.MapBuilder: // before the list, which it is made of
		b.Append(true)
		for i, e := range v.Elems() {
			appendValue(b.KeyBuilder(), featurestore.StringValue(v.Keys()[i]))
			appendValue(b.ItemBuilder(), e)
		}
	case *array.ListBuilder:
		b.Append(true)
		for _, e := range v.Elems() {
			appendValue(b.ValueBuilder(), e)
		}
	}
}
