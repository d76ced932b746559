package materialize

import (
	"context"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/offline/warehouse"
	"github.com/freshet/freshet/featurestore/pit"
)

// The leading columns of a sort; the keys and features follow.
const (
	colKey = iota // the encoded key: entities come together
	colTime
	colAvailable
	colFile // place of the file in the order of names
	colRow
	colKeys
)

// latest finds the latest row of each entity.
type latest struct {
	r      *Request
	report *Report
	inputs []input
	eval   *pit.BatchEvaluator
	types  []featurestore.Type
	sorted []frame.Field
	row    []featurestore.Value
	key    []byte
}

func newLatest(r *Request, report *Report, inputs []input) *latest {
	l := &latest{r: r, report: report, inputs: inputs, eval: pit.NewBatchEvaluator(r.View)}
	l.sorted = []frame.Field{
		{Name: "key", Type: featurestore.Bytes}, {Name: "time", Type: featurestore.Int64}, {Name: "available", Type: featurestore.Int64},
		{Name: "file", Type: featurestore.Int64}, {Name: "row", Type: featurestore.Int64},
	}
	for _, k := range r.View.Entity.Keys {
		l.types = append(l.types, k.Type)
		l.sorted = append(l.sorted, frame.Field{Name: k.Name, Type: k.Type})
	}
	for i := range r.View.Features {
		l.sorted = append(l.sorted, frame.Field{Name: r.View.Features[i].Name, Type: r.View.Features[i].Type})
	}
	l.row = make([]featurestore.Value, len(l.sorted))
	return l
}

// feed adds the rows of all inputs that count at the cutoff.
func (l *latest) feed(ctx context.Context, reader Reader, add func(*frame.Frame) error) error {
	needed := l.eval.Fields()
	batch := frame.New(l.sorted)
	for i := range l.inputs {
		err := reader.BatchRows(ctx, l.r.View.Source, l.inputs[i].File, needed, func(rows []warehouse.Row) error {
			for k := range rows {
				if l.take(&rows[k], i) {
					batch.AppendRow(l.row)
				}
			}
			l.report.Read += int64(len(rows))
			l.progress()
			err := add(batch)
			batch.Reset()
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *latest) progress() {
	if l.r.Progress != nil {
		l.r.Progress(Progress{Read: l.report.Read, Put: l.report.Put})
	}
}

// take writes one input row as a row of the sort, or reports that it is none.
func (l *latest) take(in *warehouse.Row, file int) bool {
	if in.Problem != "" {
		return l.bad(in, in.Problem)
	}
	if int64(in.Time) >= int64(l.r.Cutoff) || int64(in.Available) > int64(l.r.Cutoff) {
		l.report.Outside++
		return false
	}
	keys := l.row[colKeys : colKeys+len(l.types)]
	l.eval.Keys(in.Fields, keys)
	for i, k := range keys {
		if k.IsNull() {
			return l.bad(in, "key "+l.r.View.Entity.Keys[i].Name+" is null")
		}
	}
	var err error
	if l.key, err = codec.AppendKey(l.key[:0], l.types, keys); err != nil {
		return l.bad(in, err.Error())
	}
	l.row[colKey] = featurestore.BytesValue(string(l.key))
	for i, n := range [...]int64{int64(in.Time), int64(in.Available), int64(file), in.Row} {
		l.row[colTime+i] = featurestore.Int64Value(n)
	}
	l.eval.Values(in.Fields, l.row[colKeys+len(l.types):])
	return true
}

func (l *latest) bad(in *warehouse.Row, reason string) bool {
	l.report.Bad++
	if l.r.Bad != nil {
		l.r.Bad(BadRow{File: in.File, Row: in.Row, Reason: reason})
	}
	return false
}

// write sorts the rows and writes the last one of each entity, ascending by
// encoded key. It returns their number.
func (m *Materializer) write(ctx context.Context, r Request, report *Report, inputs []input, path string) (rows int64, err error) {
	l := newLatest(&r, report, inputs)
	layout := pit.LayoutOf(r.View)
	err = replace(path, func(whole string) error {
		return m.Writer.WriteFrames(ctx, layout.Fields, func(add func(*frame.Frame) error) error {
			w := &lastOfKey{l: l, layout: layout, out: frame.New(layout.Fields), add: add, row: make([]featurestore.Value, len(layout.Fields)), held: make([]featurestore.Value, len(l.sorted))}
			err := m.Writer.Sort(ctx, frame.Order{Fields: l.sorted, Keys: colKeys},
				func(add func(*frame.Frame) error) error { return l.feed(ctx, m.Reader, add) }, w.each)
			if err != nil {
				return err
			}
			w.release()
			rows = w.rows
			return add(w.out)
		}, frame.File{Path: whole, Name: runPath(r.View.Name, report.Run.ID), Format: definition.Parquet})
	})
	return rows, err
}

// lastOfKey passes on the last row of each run of equal keys.
type lastOfKey struct {
	l      *latest
	layout pit.RunLayout
	out    *frame.Frame
	add    func(*frame.Frame) error
	row    []featurestore.Value // as it is written
	held   []featurestore.Value // the last row so far, as it was sorted
	full   bool
	rows   int64
}

func (w *lastOfKey) each(f *frame.Frame) error {
	for i := range f.Len() {
		if w.full && f.Columns[colKey].Text[i] != w.held[colKey].Str() {
			w.release()
		}
		f.Row(i, w.held)
		w.full = true
	}
	err := w.add(w.out)
	w.out.Reset()
	return err
}

func (w *lastOfKey) release() {
	if !w.full {
		return
	}
	keys := len(w.l.types)
	copy(w.row, w.held[colKeys:colKeys+keys])
	w.row[w.layout.Time] = featurestore.TimestampValue(featurestore.Instant(w.held[colTime].Int64()))
	w.row[w.layout.Available] = featurestore.TimestampValue(featurestore.Instant(w.held[colAvailable].Int64()))
	w.row[w.layout.File] = featurestore.StringValue(w.l.inputs[w.held[colFile].Int64()].Name)
	w.row[w.layout.Row] = w.held[colRow]
	copy(w.row[w.layout.Feature:], w.held[colKeys+keys:])
	w.out.AppendRow(w.row)
	w.rows++
	w.full = false
}
