package pit

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/transforms/window"
)

// BatchFold makes of the rows of one entity of a batch view what a run keeps of
// them. Rows are added in their order (time, available_at, file, row number), and
// only those that count. Each is folded as if a log had taken it at its event
// time, in that order, so that none is late and ties fall as they do among batch
// rows.
type BatchFold struct {
	view   *definition.BatchView
	latest int // how many latest values stand before the inputs
	fold   fold
	row    window.Row // the next one
	cells  []featurestore.Cell
}

// NewBatchFold folds rows of a view.
func NewBatchFold(v *definition.BatchView) *BatchFold {
	return &BatchFold{view: v, latest: len(v.Features) - len(v.Aggregates), fold: fold{plan: v.Plan}, cells: make([]featurestore.Cell, len(v.Aggregates))}
}

// Reset makes room for the next entity.
func (f *BatchFold) Reset() {
	if f.view.Plan != nil {
		f.fold.reset()
	}
	f.row.Offset = 0
}

// Add takes a row, whose values are those of the BatchEvaluator; they are not
// kept.
func (f *BatchFold) Add(e featurestore.EventTime, values []featurestore.Value) {
	if f.view.Plan == nil {
		return
	}
	f.row.Time, f.row.LogTime, f.row.Inputs = e, featurestore.LogTime(e), values[f.latest:]
	f.fold.apply(&f.row)
	f.row.Offset++
}

// Read writes what a run with the cutoff at keeps (latest.Row): the latest values
// of greatest, the values of the greatest row, and the aggregates of all that was
// added. at is past every row.
func (f *BatchFold) Read(at featurestore.Instant, greatest, out []featurestore.Value) {
	n := len(f.view.Features)
	if f.view.Plan != nil {
		f.fold.read(at, f.cells)
	}
	latest := 0
	for i := range f.view.Features {
		feature := &f.view.Features[i]
		if feature.Expr != nil {
			out[i] = greatest[latest]
			latest++
			continue
		}
		c := f.cells[feature.Aggregate]
		if c.Status == featurestore.NotFound { // its rows lie too far back; it was seen
			c.Status = featurestore.Empty
		}
		out[i], out[n+feature.Aggregate] = c.Value, featurestore.Int64Value(int64(c.Status))
	}
}
