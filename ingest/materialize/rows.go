package materialize

import (
	"context"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/offline/warehouse"
	"github.com/freshet/freshet/featurestore/pit"
)

// The leading columns of a sort; the keys and the values of the view follow.
const (
	colKey = iota // the encoded key: entities come together
	colTime
	colAvailable
	colFile // place of the file in the order of names
	colRow
	colKeys
)

// counted is the rows of the inputs that count at the cutoff, as rows of a sort.
type counted struct {
	r      *Request
	report *Report
	inputs []input
	eval   *pit.BatchEvaluator
	types  []featurestore.Type // of the keys
	sorted []frame.Field
	row    []featurestore.Value
	key    []byte
}

func newCounted(r *Request, report *Report, inputs []input) *counted {
	l := &counted{r: r, report: report, inputs: inputs, eval: pit.NewBatchEvaluator(r.View)}
	l.sorted = []frame.Field{
		{Name: "key", Type: featurestore.Bytes}, {Name: "time", Type: featurestore.Int64}, {Name: "available", Type: featurestore.Int64},
		{Name: "file", Type: featurestore.Int64}, {Name: "row", Type: featurestore.Int64},
	}
	for _, k := range r.View.Entity.Keys {
		l.types = append(l.types, k.Type)
		l.sorted = append(l.sorted, frame.Field{Name: k.Name, Type: k.Type})
	}
	l.sorted = append(l.sorted, l.eval.Columns()...)
	l.row = make([]featurestore.Value, len(l.sorted))
	return l
}

// feed adds the rows of all inputs that count at the cutoff.
func (l *counted) feed(ctx context.Context, reader Reader, add func(*frame.Frame) error) error {
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

func (l *counted) progress() {
	if l.r.Progress != nil {
		l.r.Progress(Progress{Read: l.report.Read, Put: l.report.Put})
	}
}

// take writes one input row as a row of the sort, or reports that it is none.
func (l *counted) take(in *warehouse.Row, file int) bool {
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

func (l *counted) bad(in *warehouse.Row, reason string) bool {
	l.report.Bad++
	if l.r.Bad != nil {
		l.r.Bad(BadRow{File: in.File, Row: in.Row, Reason: reason})
	}
	return false
}
