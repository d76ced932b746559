package conformance

import (
	"cmp"
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/oracle"
	"github.com/freshet/freshet/transforms/window"
)

// readBatch answers a reading of a batch view.
func (c *Case) readBatch(r *Reading) ([]featurestore.Cell, error) {
	reading := oracle.BatchReading{At: r.At, TTL: c.View.TTL}
	last := len(c.Tables) - 1
	switch r.Mode {
	case EventTime:
		reading.Mode, reading.Delay = oracle.EventTime, r.Delay
		return c.cellsOf(last, r.Entity, reading)
	case Available:
		for _, run := range c.Runs {
			reading.Runs = append(reading.Runs, oracle.Run{Cutoff: run.Cutoff, Completed: run.Completed})
		}
		if len(c.Runs) == 0 || r.At < c.Runs[0].Completed {
			run := (&Case{View: c.View, Tables: c.Tables}).Made(r)[0]
			reading.Runs = []oracle.Run{{Cutoff: run.Cutoff, Completed: run.Completed}}
		}
		return c.cellsOf(last, r.Entity, reading)
	}
	return c.readStored(r, reading)
}

// readStored answers from what the runs left: with aggregates the run with the
// greatest cutoff, of equal ones the last; else the greatest row of any run.
func (c *Case) readStored(r *Reading, reading oracle.BatchReading) ([]featurestore.Cell, error) {
	made := c.Made(r)
	var stands *BatchRun
	var greatest *oracle.BatchRow
	known := false
	for i := range made {
		run := &made[i]
		reading.Runs = []oracle.Run{{Cutoff: run.Cutoff, Completed: run.Completed}}
		row, _ := oracle.LatestBatch(c.batchRows(run.Table, r.Entity), oracle.BatchReading{At: featurestore.MaxInstant, Runs: reading.Runs})
		known = known || row != nil
		switch {
		case c.aggregates() > 0:
			if stands == nil || run.Cutoff >= stands.Cutoff {
				stands = run
			}
		case row != nil && (greatest == nil || compareBatch(row, greatest) >= 0):
			stands, greatest = run, row
		}
	}
	if stands == nil { // nothing was brought: an empty table says so
		reading.Runs = nil
		return c.cellsOf(len(c.Tables)-1, r.Entity, reading)
	}
	if r.AsOf && known && stands.Completed > r.At {
		cells := make([]featurestore.Cell, len(c.Config.Features))
		for i := range cells {
			cells[i].Status = featurestore.TooOld
		}
		return cells, nil
	}
	// What completed after the reading's time is too old or of nobody.
	reading.Runs = []oracle.Run{{Cutoff: stands.Cutoff, Completed: min(stands.Completed, r.At)}}
	return c.cellsOf(stands.Table, r.Entity, reading)
}

func compareBatch(x, y *oracle.BatchRow) int {
	return cmp.Or(cmp.Compare(x.Time, y.Time), cmp.Compare(x.AvailableAt, y.AvailableAt), cmp.Compare(x.File, y.File), cmp.Compare(x.FileRow, y.FileRow))
}

// aggregates is how many of the features are.
func (c *Case) aggregates() (n int) {
	for i := range c.Config.Features {
		if c.Config.Features[i].Kind != window.Latest {
			n++
		}
	}
	return n
}

// batchRows are the rows of an entity in a table.
func (c *Case) batchRows(table int, entity KeyTuple) (out []oracle.BatchRow) {
	for _, row := range c.Tables[table] {
		if row.Key.Equal(entity) {
			out = append(out, oracle.BatchRow{Time: row.Time, AvailableAt: row.Available, File: FileOfRows(row.File), FileRow: row.Number, Values: row.Inputs, Inputs: row.Inputs})
		}
	}
	return out
}

// FileOfRows is the name of a file of a table, in whose order they count.
func FileOfRows(number int) string { return fmt.Sprintf("%03d.csv", number) }

// cellsOf reads a table.
func (c *Case) cellsOf(table int, entity KeyTuple, r oracle.BatchReading) ([]featurestore.Cell, error) {
	rows := c.batchRows(table, entity)
	config := window.Config{Sources: c.Config.Sources}
	for _, f := range c.Config.Features {
		if f.Kind != window.Latest {
			config.Features = append(config.Features, f)
		}
	}
	aggregates, err := oracle.BatchAggregates(config, rows, r)
	if err != nil {
		return nil, err
	}
	greatest, status := oracle.LatestBatch(rows, r)
	out := make([]featurestore.Cell, len(c.Config.Features))
	for i := range out {
		f := &c.Config.Features[i]
		if f.Kind != window.Latest {
			out[i], aggregates = aggregates[0], aggregates[1:]
			continue
		}
		out[i].Status = status
		if greatest != nil {
			if out[i].Value = greatest.Values[f.Input]; out[i].Value.IsNull() {
				out[i].Status = featurestore.Empty
			}
		}
		if out[i].Value.IsNull() {
			out[i].Value = f.Default
		}
	}
	return out, nil
}
