package predictions

import (
	"context"
	"fmt"
	"io"

	"github.com/freshet/freshet/featurestore"
)

// The columns of a file of outputs: a row an output, which has its value in the
// column of its kind.
const (
	columnModel  = "_model"
	columnOutput = "_output"
	columnIndex  = "_index"
)

// Places in outputColumns.
const (
	outRequest = iota
	outRow
	outLogged
	outModel
	outIndex
	outName
	outBool
	outInt64
	outDouble
	outString
)

func outputColumns() []column {
	return []column{
		outRequest: {name: columnRequest, typ: featurestore.String, required: true},
		outRow:     {name: columnRow, typ: featurestore.Int64, required: true},
		outLogged:  {name: columnLogged, typ: featurestore.Timestamp, required: true},
		outModel:   {name: columnModel, typ: featurestore.String, required: true},
		outIndex:   {name: columnIndex, typ: featurestore.Int64, required: true},
		outName:    {name: columnOutput, typ: featurestore.String}, // null: a prediction without outputs
		outBool:    {name: "_bool", typ: featurestore.Bool},
		outInt64:   {name: "_int64", typ: featurestore.Int64},
		outDouble:  {name: "_double", typ: featurestore.Double},
		outString:  {name: "_string", typ: featurestore.String},
	}
}

// outputPlace is the column of an output's kind; -1 for a kind that none has.
func outputPlace(k featurestore.Kind) int {
	switch k {
	case featurestore.KindBool:
		return outBool
	case featurestore.KindInt64:
		return outInt64
	case featurestore.KindDouble:
		return outDouble
	case featurestore.KindString:
		return outString
	}
	return -1
}

// CheckPrediction says what is wrong with a prediction, as ErrInvalid.
func CheckPrediction(p *Prediction) error {
	switch {
	case p.RequestID == "":
		return featurestore.Invalidf("a prediction needs the request id of the lookup that it was made from")
	case p.Row < 0:
		return featurestore.Invalidf("prediction for request %q: row %d is below 0", p.RequestID, p.Row)
	case !writable(p.LoggedAt):
		return featurestore.Invalidf("prediction for request %q: its time is outside of the years 0001 to 9999", p.RequestID)
	}
	for _, o := range p.Outputs {
		if !o.Value.IsNull() && outputPlace(o.Value.Kind()) < 0 {
			return featurestore.Invalidf("prediction for request %q: output %q is a %s: send a bool, number or text", p.RequestID, o.Name, o.Value.Kind())
		}
	}
	return nil
}

// OutputsWriter writes predictions as a Parquet file. It is for one goroutine.
type OutputsWriter struct {
	table *table
	row   []featurestore.Value
}

// NewOutputsWriter begins a file on out.
func NewOutputsWriter(out io.Writer) *OutputsWriter {
	columns := outputColumns()
	return &OutputsWriter{newTable(out, columns, fmt.Sprintf(`{"version":%d,"outputs":true}`, Version)), make([]featurestore.Value, len(columns))}
}

// Append adds a prediction.
func (w *OutputsWriter) Append(p *Prediction) error {
	w.row[outRequest], w.row[outRow] = featurestore.StringValue(p.RequestID), featurestore.Int64Value(p.Row)
	w.row[outLogged], w.row[outModel] = featurestore.TimestampValue(p.LoggedAt), featurestore.StringValue(p.Model)
	if len(p.Outputs) == 0 {
		return w.append(0, featurestore.Null, featurestore.Null)
	}
	for i, o := range p.Outputs {
		if err := w.append(i, featurestore.StringValue(o.Name), o.Value); err != nil {
			return err
		}
	}
	return nil
}

func (w *OutputsWriter) append(index int, name, v featurestore.Value) error {
	w.row[outIndex], w.row[outName] = featurestore.Int64Value(int64(index)), name
	clear(w.row[outBool:])
	if at := outputPlace(v.Kind()); at >= 0 {
		w.row[at] = v
	}
	return w.table.append(w.row)
}

// Close ends the file; out stays open.
func (w *OutputsWriter) Close() error { return w.table.close() }

// outputsFile reads a file of outputs.
func outputsFile(ctx context.Context, path string, each func(*Prediction) error) error {
	var open *Prediction // its outputs are still coming
	err := readTable(ctx, path, outputColumns(), func(row []featurestore.Value) error {
		if row[outIndex].Int64() == 0 {
			if err := release(open, each); err != nil {
				return err
			}
			open = &Prediction{RequestID: row[outRequest].Str(), Row: row[outRow].Int64(), Model: row[outModel].Str(), LoggedAt: row[outLogged].Timestamp()}
		}
		if open == nil {
			return featurestore.Invalidf("outputs of request %q begin in the middle", row[outRequest].Str())
		}
		if row[outName].IsNull() {
			return nil
		}
		o := Output{Name: row[outName].Str()}
		for _, v := range row[outBool:] {
			if !v.IsNull() {
				o.Value = v
			}
		}
		open.Outputs = append(open.Outputs, o)
		return nil
	})
	if err != nil {
		return err
	}
	return release(open, each)
}

func release(p *Prediction, each func(*Prediction) error) error {
	if p == nil {
		return nil
	}
	return each(p)
}
