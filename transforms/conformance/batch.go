package conformance

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore"
)

// TableRow is a row of a warehouse table. Number is its place within its file,
// from 0. Object is it as a JSON object: the key columns, the fields, and the two
// times in microseconds under "ts" and "known".
type TableRow struct {
	Key       KeyTuple
	Time      featurestore.EventTime
	Available featurestore.LogTime
	File      int
	Number    int64
	Inputs    []featurestore.Value
	Object    map[string]json.RawMessage
}

// BatchRun is a run of a batch view, over the table as it then is.
type BatchRun struct {
	Cutoff, Completed featurestore.Instant
	Table             int // of Case.Tables
}

// ticks are the schedules of the file: how far apart their ticks are, from 1970 on.
var ticks = map[string]featurestore.Duration{"": 0, "hourly": featurestore.Hour, "daily": featurestore.Day}

// Made are the runs that were made when a reading's clock stood there, in their
// order. Where a case has none, that is one: at the newest tick of the schedule,
// without a schedule at the clock.
func (c *Case) Made(r *Reading) []BatchRun {
	if len(c.Runs) == 0 {
		at := r.Clock
		if every := ticks[c.View.Schedule]; every > 0 {
			at = at.Floor(every)
		}
		return []BatchRun{{Cutoff: at, Completed: at, Table: len(c.Tables) - 1}}
	}
	i := slices.IndexFunc(c.Runs, func(run BatchRun) bool { return run.Completed > r.Clock })
	if i < 0 {
		i = len(c.Runs)
	}
	return c.Runs[:i]
}

// buildBatch reads the tables and the runs.
func buildBatch(c *Case, j *caseJSON) error {
	c.View.Schedule = j.View.Schedule
	if _, known := ticks[c.View.Schedule]; !known {
		return fmt.Errorf("unknown schedule %q", c.View.Schedule)
	}
	for _, rows := range j.Tables {
		var table []TableRow
		numbers := map[int]int64{}
		for i := range rows {
			row, err := c.tableRow(&rows[i])
			if err != nil {
				return fmt.Errorf("row %d of a table: %w", i, err)
			}
			row.Number = numbers[row.File]
			numbers[row.File]++
			table = append(table, row)
		}
		c.Tables = append(c.Tables, table)
	}
	for _, run := range j.Runs {
		out := BatchRun{Cutoff: featurestore.Instant(run.Cutoff), Completed: featurestore.Instant(run.Cutoff), Table: len(c.Tables) - 1}
		if run.Completed != nil {
			out.Completed = featurestore.Instant(*run.Completed)
		}
		if run.Table != nil {
			out.Table = *run.Table
		}
		if out.Table < 0 || out.Table >= len(c.Tables) || len(c.Runs) > 0 && c.Runs[len(c.Runs)-1].Completed > out.Completed {
			return fmt.Errorf("a run of table %d: there is none, or it completed before the one that stands before it", out.Table)
		}
		c.Runs = append(c.Runs, out)
	}
	if (c.Kind == KindBatch) != (len(c.Tables) > 0) {
		return fmt.Errorf("a case of kind %s has %d tables", c.Kind, len(c.Tables))
	}
	return nil
}

func (c *Case) tableRow(j *rowJSON) (row TableRow, err error) {
	t, bad, err := instant(j.E)
	if err != nil || bad != "" {
		return row, fmt.Errorf("its time %q is none: %w", bad, err)
	}
	row.Time, row.Available, row.File = featurestore.EventTime(t), featurestore.LogTime(t), j.File
	if j.A != nil {
		row.Available = featurestore.LogTime(*j.A)
	}
	if row.Key, err = c.key(j.Entity); err != nil {
		return row, err
	}
	of := EntityRow{}
	if err := c.fields(&of, &j.imageJSON); err != nil {
		return row, err
	}
	row.Inputs, row.Object = of.Inputs, map[string]json.RawMessage{}
	for name, v := range c.object(&Event{}, &j.imageJSON) {
		if row.Object[name], err = json.Marshal(v); err != nil {
			return row, err
		}
	}
	row.Object["known"], err = json.Marshal(row.Available)
	return row, err
}
