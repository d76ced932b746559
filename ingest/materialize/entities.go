package materialize

import (
	"context"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/pit"
)

// write sorts the rows and writes what they make of each entity, ascending by
// encoded key. It returns their number.
func (m *Materializer) write(ctx context.Context, r Request, report *Report, inputs []input, path string) (rows int64, err error) {
	l := newCounted(&r, report, inputs)
	layout := pit.LayoutOf(r.View)
	err = replace(path, func(whole string) error {
		return m.Writer.WriteFrames(ctx, layout.Fields, func(add func(*frame.Frame) error) error {
			w := &entities{
				l: l, layout: layout, fold: pit.NewBatchFold(r.View), out: frame.New(layout.Fields), add: add,
				row: make([]featurestore.Value, len(layout.Fields)), held: make([]featurestore.Value, len(l.sorted)),
			}
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

// entities makes one row of each run of equal keys: of each entity only its last
// row and its fold are held.
type entities struct {
	l      *counted
	layout pit.RunLayout
	fold   *pit.BatchFold
	out    *frame.Frame
	add    func(*frame.Frame) error
	row    []featurestore.Value // as it is written
	held   []featurestore.Value // the last row so far, as it was sorted
	full   bool
	rows   int64
}

func (w *entities) each(f *frame.Frame) error {
	for i := range f.Len() {
		if w.full && f.Columns[colKey].Text[i] != w.held[colKey].Str() {
			w.release()
		}
		f.Row(i, w.held)
		w.fold.Add(featurestore.EventTime(w.held[colTime].Int64()), w.values())
		w.full = true
	}
	err := w.add(w.out)
	w.out.Reset()
	return err
}

// values are those of the evaluator in the held row.
func (w *entities) values() []featurestore.Value { return w.held[colKeys+len(w.l.types):] }

func (w *entities) release() {
	if !w.full {
		return
	}
	copy(w.row, w.held[colKeys:colKeys+len(w.l.types)])
	w.row[w.layout.Time] = featurestore.TimestampValue(featurestore.Instant(w.held[colTime].Int64()))
	w.row[w.layout.Available] = featurestore.TimestampValue(featurestore.Instant(w.held[colAvailable].Int64()))
	w.row[w.layout.File] = featurestore.StringValue(w.l.inputs[w.held[colFile].Int64()].Name)
	w.row[w.layout.Row] = w.held[colRow]
	w.fold.Read(w.l.r.Cutoff, w.values(), w.row[w.layout.Feature:])
	w.fold.Reset()
	w.out.AppendRow(w.row)
	w.rows++
	w.full = false
}
