package oracle

import (
	"cmp"

	"github.com/freshet/freshet/featurestore"
)

// BatchRow is one row of a warehouse table for one entity.
type BatchRow struct {
	Time        featurestore.EventTime
	Sequence    featurestore.Value
	AvailableAt featurestore.LogTime
	File        string
	FileRow     int64
	Values      []featurestore.Value
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
	run := lastRun(r)
	var newest *BatchRow
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

// lastRun is the latest run that was complete at the read time.
func lastRun(r BatchReading) *Run {
	var last *Run
	for i := range r.Runs {
		run := &r.Runs[i]
		if run.Completed > r.At {
			continue
		}
		if last == nil || cmp.Or(cmp.Compare(run.Completed, last.Completed), cmp.Compare(run.Cutoff, last.Cutoff)) > 0 {
			last = run
		}
	}
	return last
}

func compareBatch(x, y *BatchRow) int {
	return cmp.Or(cmp.Compare(x.Time, y.Time), x.Sequence.Compare(y.Sequence),
		cmp.Compare(x.AvailableAt, y.AvailableAt), cmp.Compare(x.File, y.File), cmp.Compare(x.FileRow, y.FileRow))
}
