package oracle

import (
	"cmp"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// BatchRow is one row of a warehouse table for one entity.
type BatchRow struct {
	Time        featurestore.EventTime
	Sequence    featurestore.Value
	AvailableAt featurestore.LogTime
	File        string
	FileRow     int64
	Values      []featurestore.Value // latest values
	Inputs      []featurestore.Value // of aggregates
}

// Run is one materialization: it saw the rows with e < Cutoff that were
// available at Cutoff, and served them from Completed on.
type Run struct{ Cutoff, Completed featurestore.Instant }

// BatchReading is one read of a batch view. Runs are the recorded ones; who
// reads a time before the first of them gives the ticks of the schedule, and
// without a schedule one run at At. Mode is Available or EventTime; EventTime
// looks at no run.
type BatchReading struct {
	At    featurestore.Instant
	Mode  Mode
	Delay featurestore.Duration // EventTime only
	TTL   featurestore.Duration // 0: none
	Runs  []Run
}

// LatestBatch gives the row that a read sees, or nil with NOT_FOUND (no row
// before the cut) or EXPIRED (the newest is past the ttl). A null in the row is
// for the caller to call EMPTY.
func LatestBatch(rows []BatchRow, r BatchReading) (*BatchRow, featurestore.Status) {
	var newest *BatchRow
	for _, row := range countedRows(rows, r) {
		if newest == nil || compareBatch(row, newest) > 0 {
			newest = row
		}
	}
	if newest == nil {
		return nil, featurestore.NotFound
	}
	if r.TTL > 0 && int64(newest.Time) < int64(r.At)-int64(r.TTL) {
		return nil, featurestore.Expired
	}
	return newest, featurestore.Present
}

// BatchAggregates gives the aggregates that a read sees: of the rows that count,
// as of the run's cutoff, in mode EventTime as of At. An entity with a row that
// counts was seen, however far back it lies. No row is late, and ties fall as they
// do among batch rows.
func BatchAggregates(c window.Config, rows []BatchRow, r BatchReading) ([]featurestore.Cell, error) {
	counted := countedRows(rows, r)
	slices.SortFunc(counted, compareBatch)
	var events []window.Row
	for i, row := range counted {
		e := window.Row{Time: row.Time, LogTime: featurestore.LogTime(row.Time), Inputs: row.Inputs}
		e.Offset = int64(i)
		events = append(events, e)
	}
	at := r.At
	if run := lastRun(r); r.Mode != EventTime && run != nil {
		at = run.Cutoff
	}
	cells, err := Read(c, events, Reading{At: at, Mode: EventTime})
	for i := range cells {
		if len(events) > 0 && cells[i].Status == featurestore.NotFound {
			cells[i].Status = featurestore.Empty
		}
	}
	return cells, err
}

// countedRows are the rows that a read sees.
func countedRows(rows []BatchRow, r BatchReading) []*BatchRow {
	run := lastRun(r)
	var out []*BatchRow
	for i := range rows {
		row := &rows[i]
		if int64(row.Time) >= int64(r.At) {
			continue
		}
		if r.Mode == EventTime && int64(row.Time) >= int64(r.At)-int64(r.Delay) {
			continue
		}
		if r.Mode != EventTime && (run == nil || int64(row.Time) >= int64(run.Cutoff) || int64(row.AvailableAt) > int64(run.Cutoff)) {
			continue
		}
		out = append(out, row)
	}
	return out
}

// lastRun is, of the runs that were complete at the read time, the one with the
// latest cutoff: a run that looks further back replaces nothing.
func lastRun(r BatchReading) *Run {
	var last *Run
	for i := range r.Runs {
		run := &r.Runs[i]
		if run.Completed > r.At {
			continue
		}
		if last == nil || run.Cutoff > last.Cutoff {
			last = run
		}
	}
	return last
}

func compareBatch(x, y *BatchRow) int {
	return cmp.Or(cmp.Compare(x.Time, y.Time), x.Sequence.Compare(y.Sequence),
		cmp.Compare(x.AvailableAt, y.AvailableAt), cmp.Compare(x.File, y.File), cmp.Compare(x.FileRow, y.FileRow))
}
