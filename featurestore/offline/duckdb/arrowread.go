//go:build duckdb_arrow

package duckdb

import (
	"context"
	"database/sql/driver"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	engine "github.com/duckdb/duckdb-go/v2"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/frame"
)

// query runs a SELECT and appends its rows to out, whose columns are those of
// the SELECT. first is the number of the first row, for messages.
func (db *DB) query(ctx context.Context, out *frame.Frame, first int64, query string, args ...any) error {
	return db.raw(func(c driver.Conn) error {
		a, err := engine.NewArrowFromConn(c)
		if err != nil {
			return err
		}
		rows, err := a.QueryContext(ctx, query, args...)
		if err != nil {
			return kinded(ctx, err)
		}
		defer rows.Release()
		for rows.Next() {
			batch := rows.RecordBatch()
			for i := range out.Columns {
				if err := appendArray(&out.Columns[i], batch.Column(i), first); err != nil {
					return err
				}
			}
			first += batch.NumRows()
		}
		return kinded(ctx, rows.Err())
	})
}

// schema gives the fields of a table as frames show them.
func (db *DB) schema(ctx context.Context, table string) ([]frame.Field, error) {
	natives, err := db.describe(ctx, name(table))
	if err != nil {
		return nil, err
	}
	var fields []frame.Field
	err = db.raw(func(c driver.Conn) error {
		a, err := engine.NewArrowFromConn(c)
		if err != nil {
			return err
		}
		rows, err := a.QueryContext(ctx, "SELECT * FROM "+name(table)+" LIMIT 0")
		if err != nil {
			return kinded(ctx, err)
		}
		defer rows.Release()
		for i, f := range rows.Schema().Fields() {
			fields = append(fields, fieldOf(f, natives[i].native))
		}
		return nil
	})
	return fields, err
}

// described is a column as DESCRIBE shows it.
type described struct{ name, native string }

// describe gives the columns of a table or table function, in order.
func (db *DB) describe(ctx context.Context, from string) ([]described, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	rows, err := db.conn.QueryContext(ctx, "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM "+from+")")
	if err != nil {
		return nil, kinded(ctx, err)
	}
	defer func() { _ = rows.Close() }() // Err below says what went wrong
	var out []described
	for rows.Next() {
		var d described
		if err := rows.Scan(&d.name, &d.native); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, kinded(ctx, rows.Err())
}

// appendArray appends one Arrow array to a column. Nothing of the array's
// memory, which is DuckDB's, is kept.
func appendArray(c *frame.Column, a arrow.Array, first int64) error {
	n := a.Len()
	for i := range n {
		c.Null = append(c.Null, a.IsNull(i))
	}
	switch a := a.(type) {
	case *array.String:
		appendText(c, string(a.ValueBytes()), a.ValueOffsets())
	case *array.LargeString:
		appendText(c, string(a.ValueBytes()), a.ValueOffsets())
	case *array.Binary:
		appendText(c, string(a.ValueBytes()), a.ValueOffsets())
	case *array.Timestamp:
		return appendTimes(c, a, first)
	case *array.Uint64:
		return appendUint64(c, a, first)
	case *array.List, *array.LargeList, *array.FixedSizeList, *array.Map:
		return appendComposites(c, a, first)
	default:
		at := fixed(a)
		if at == nil {
			return featurestore.Invalidf("column %q is %s, which cannot be read", c.Name, c.Native)
		}
		for i := range n {
			if a.IsNull(i) {
				c.Bits = append(c.Bits, 0)
			} else {
				c.Bits = append(c.Bits, at(i))
			}
		}
	}
	return nil
}

// appendText cuts one copy of all the array's characters into its values;
// offsets has one entry more than the array, unless the array is empty.
func appendText[T int32 | int64](c *frame.Column, all string, offsets []T) {
	for i := 1; i < len(offsets); i++ {
		c.Text = append(c.Text, all[offsets[i-1]-offsets[0]:offsets[i]-offsets[0]])
	}
}

// fixed gives the function that reads one value of fixed width as 64 bits.
func fixed(a arrow.Array) func(int) uint64 {
	switch a := a.(type) {
	case *array.Boolean:
		return func(i int) uint64 {
			if a.Value(i) {
				return 1
			}
			return 0
		}
	case *array.Int8:
		return func(i int) uint64 { return uint64(int64(a.Value(i))) }
	case *array.Int16:
		return func(i int) uint64 { return uint64(int64(a.Value(i))) }
	case *array.Int32:
		return func(i int) uint64 { return uint64(int64(a.Value(i))) }
	case *array.Int64:
		return func(i int) uint64 { return uint64(a.Value(i)) }
	case *array.Uint8:
		return func(i int) uint64 { return uint64(a.Value(i)) }
	case *array.Uint16:
		return func(i int) uint64 { return uint64(a.Value(i)) }
	case *array.Uint32:
		return func(i int) uint64 { return uint64(a.Value(i)) }
	case *array.Float32:
		return func(i int) uint64 { return math.Float64bits(float64(a.Value(i))) }
	case *array.Float64:
		return func(i int) uint64 { return math.Float64bits(a.Value(i)) }
	case *array.Decimal128:
		return func(i int) uint64 { return a.Value(i).LowBits() } // 18 digits fit the low half
	case *array.Date32:
		return func(i int) uint64 { return uint64(int64(a.Value(i)) * int64(featurestore.Day)) }
	}
	return nil
}

func appendUint64(c *frame.Column, a *array.Uint64, first int64) error {
	for i := range a.Len() {
		v := a.Value(i)
		if a.IsValid(i) && v > math.MaxInt64 {
			return featurestore.Invalidf("column %q, row %d: %d is out of the range of int64", c.Name, first+int64(i)+1, v)
		}
		c.Bits = append(c.Bits, v)
	}
	return nil
}

// appendTimes brings a timestamp of any unit to microseconds, exactly.
func appendTimes(c *frame.Column, a *array.Timestamp, first int64) error {
	unit := a.DataType().(*arrow.TimestampType).Unit
	for i := range a.Len() {
		v := int64(a.Value(i))
		if a.IsNull(i) {
			c.Bits = append(c.Bits, 0)
			continue
		}
		us, err := microseconds(v, unit)
		if err != nil {
			return featurestore.Invalidf("column %q, row %d: %w", c.Name, first+int64(i)+1, err)
		}
		c.Bits = append(c.Bits, uint64(us))
	}
	return nil
}

func microseconds(v int64, unit arrow.TimeUnit) (int64, error) {
	scale := int64(1)
	switch unit {
	case arrow.Nanosecond:
		if v%1000 != 0 {
			return 0, fmt.Errorf("a time with nanoseconds (%d ns since 1970) cannot be kept exactly: store microseconds", v)
		}
		return v / 1000, nil
	case arrow.Millisecond:
		scale = 1000
	case arrow.Second:
		scale = 1_000_000
	case arrow.Microsecond:
	}
	if v > math.MaxInt64/scale || v < math.MinInt64/scale {
		return 0, fmt.Errorf("time %d is out of range", v)
	}
	return v * scale, nil
}
