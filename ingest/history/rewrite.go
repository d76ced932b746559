package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/archive"
)

// rewriting writes the rows of a file again, with fields in addition.
type rewriting struct {
	source  *definition.StreamSource
	wider   *archive.Wider
	in      *mergeInput
	records Records
	out     *parquet.GenericWriter[any]

	offset, event, log int // columns
	change             int // likewise; -1: the rows are ordinary events

	record *Record // the one that was read last
	ended  bool    // there is none behind it
	rows   []parquet.Row
	group  int   // rows of the row group
	bytes  int64 // of their texts

	progress func(rows int64)
}

// rewrite writes the rows of a file that is not open yet.
func rewrite(ctx context.Context, one *Widening, wider *archive.Wider, in *mergeInput, out io.Writer) (done Widened, err error) {
	records, err := one.Open(ctx)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, records.Close(), in.close()) }()
	schema, err := schemaOf(in.path)
	if err != nil {
		return done, err
	}
	r := &rewriting{source: one.Source, wider: wider, in: in, records: records, out: newParquet(out, wider.Schema), progress: one.Progress}
	if err := r.columnsOf(schema); err != nil {
		return done, err
	}
	return r.run(ctx)
}

// onDisk is the error of a disk, which may have room again.
func onDisk(err error) error {
	if err == nil {
		return nil
	}
	return featurestore.Unavailablef("%w", err)
}

// columnsOf finds the columns that a record is known by.
func (r *rewriting) columnsOf(schema *parquet.Schema) error {
	names := archive.Names(schema)
	r.change = slices.Index(names, archive.ColumnChange)
	for name, at := range map[string]*int{archive.ColumnOffset: &r.offset, archive.ColumnEventTime: &r.event, archive.ColumnLogTime: &r.log} {
		if *at = slices.Index(names, name); *at < 0 {
			return featurestore.Invalidf("archived file %q has no column %q", r.in.path, name)
		}
	}
	return nil
}

func (r *rewriting) run(ctx context.Context) (done Widened, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		ended, err := r.in.fill(r.offset)
		if err != nil {
			return done, featurestore.Unavailablef("archived file %q: %w", r.in.path, err)
		}
		if ended {
			return done, onDisk(r.out.Close())
		}
		if len(r.in.have) == 0 {
			continue // a row group has ended
		}
		read, err := r.write(ctx, r.in.have)
		if err != nil {
			return done, err
		}
		done.Rows, done.Read = done.Rows+int64(len(r.in.have)), done.Read+read
		if r.progress != nil {
			r.progress(done.Rows)
		}
	}
}

// write writes some rows; read are those whose records are there.
func (r *rewriting) write(ctx context.Context, rows []parquet.Row) (read int64, err error) {
	r.rows = slices.Grow(r.rows[:0], len(rows))[:len(rows)]
	for i, row := range rows {
		ev, err := r.eventOf(ctx, row)
		if err != nil {
			return read, err
		}
		if ev != nil {
			read++
		}
		r.rows[i] = r.widen(r.rows[i][:0], row, ev)
	}
	if _, err := r.out.WriteRows(r.rows); err != nil {
		return read, onDisk(err)
	}
	if r.group += len(rows); r.group < groupRows && r.bytes < groupBytes {
		return read, nil
	}
	r.group, r.bytes = 0, 0
	return read, onDisk(r.out.Flush())
}

// widen appends the cells of a row.
func (r *rewriting) widen(to, row parquet.Row, ev *featurestore.Event) parquet.Row {
	for at, c := range r.wider.Columns {
		var cell parquet.Value
		switch {
		case c.Have >= 0:
			cell = row[c.Have].Level(0, row[c.Have].DefinitionLevel(), at)
		case ev == nil || ev.Fields[c.Field].IsNull():
			cell = parquet.Value{}.Level(0, 0, at)
		default:
			cell = cellOf(ev.Fields[c.Field], r.source.Fields[c.Field].Type).Level(0, 1, at)
		}
		r.bytes += cellBytes
		if kind := cell.Kind(); kind == parquet.ByteArray || kind == parquet.FixedLenByteArray {
			r.bytes += int64(len(cell.ByteArray()))
		}
		to = append(to, cell)
	}
	return to
}

// cellOf is a value as files hold it (archive.Schema).
func cellOf(v featurestore.Value, t featurestore.Type) parquet.Value {
	switch t.Kind {
	case featurestore.KindBool:
		return parquet.BooleanValue(v.Bool())
	case featurestore.KindDouble:
		return parquet.DoubleValue(v.Double())
	case featurestore.KindString, featurestore.KindBytes:
		return parquet.ByteArrayValue([]byte(v.Str()))
	case featurestore.KindList, featurestore.KindMap:
		return parquet.ByteArrayValue(featurestore.AppendJSON(nil, v, t))
	default:
		return parquet.Int64Value(int64(v.Bits()))
	}
}

// eventOf is what the record of a row says now, nil where the log does not have it, or
// it decodes to no such row. The times say whether it is the same record.
func (r *rewriting) eventOf(ctx context.Context, row parquet.Row) (*featurestore.Event, error) {
	offset := row[r.offset].Int64()
	if err := r.reach(ctx, offset); err != nil {
		return nil, err
	}
	if r.record == nil || r.record.Offset != offset {
		return nil, nil
	}
	change := featurestore.NoChange
	if r.change >= 0 {
		change = featurestore.Change(row[r.change].Int32())
	}
	event, log := row[r.event].Int64(), row[r.log].Int64()
	if int64(r.record.LogTime) != log {
		return nil, fmt.Errorf("%w: offset %d has log time %s, the row %s", ErrOtherRecord, offset, r.record.LogTime, featurestore.LogTime(log))
	}
	for i := range r.record.Events {
		ev := &r.record.Events[i]
		switch {
		case ev.Change != change:
		case int64(ev.LogTime) != log || int64(ev.Time) != event:
			return nil, fmt.Errorf("%w, or the source has another timestamp: offset %d has event time %s, the row %s", ErrOtherRecord, offset, ev.Time, featurestore.EventTime(event))
		default:
			return ev, nil
		}
	}
	return nil, nil
}

// reach reads on to an offset.
func (r *rewriting) reach(ctx context.Context, offset int64) (err error) {
	for !r.ended && (r.record == nil || r.record.Offset < offset) {
		r.record, err = r.records.Next(ctx)
		if errors.Is(err, io.EOF) {
			r.record, r.ended, err = nil, true, nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
