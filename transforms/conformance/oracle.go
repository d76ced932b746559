package conformance

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/oracle"
	"github.com/freshet/freshet/transforms/window"
)

// Oracle runs cases on the naive oracle. An online reading is the exact reading
// of the records that an ingester would have applied when the clock stood there.
type Oracle struct{}

// Name is "oracle".
func (Oracle) Name() string { return "oracle" }

// Runs reports true for what is about values of views.
func (Oracle) Runs(c *Case, _ *Reading) bool { return c.Kind == KindWindow || c.Kind == KindBatch }

// Run answers the readings.
func (Oracle) Run(c *Case) (Result, error) {
	var result Result
	for _, r := range c.Readings {
		if c.Kind == KindBatch {
			cells, err := c.readBatch(&r)
			if err != nil {
				return result, err
			}
			result.Cells = append(result.Cells, cells)
			continue
		}
		rows := c.Rows(r.Entity)
		slices.Reverse(rows) // any order may be given
		cells, err := oracle.Read(c.Config, rows, oracleReading(c, r))
		if err != nil {
			return result, err
		}
		result.Cells = append(result.Cells, cells)
	}
	return result, nil
}

func oracleReading(c *Case, r Reading) oracle.Reading {
	switch r.Mode {
	case Available:
		return oracle.Reading{At: r.At, Mode: oracle.Available}
	case EventTime:
		return oracle.Reading{At: r.At, Mode: oracle.EventTime, Delay: r.Delay}
	}
	return oracle.Reading{At: r.At, Mode: oracle.Exact, Applied: c.AppliedBefore(r.Entity, r.Clock)}
}

// AppliedBefore is the applied list of an entity once the records with a < t
// are applied.
func (c *Case) AppliedBefore(entity KeyTuple, t featurestore.Instant) featurestore.Applied {
	var list featurestore.Applied
	for _, row := range c.Rows(entity) {
		if int64(row.LogTime) < int64(t) && accepted(c.Config, &row) {
			list = list.Add(row.Position, row.LogTime)
		}
	}
	return list
}

// accepted reports whether a row is neither late nor ahead of its log.
func accepted(c window.Config, row *window.Row) bool {
	e := featurestore.Event{Time: row.Time, LogTime: row.LogTime, Change: row.Change, Mutated: row.Mutated}
	return !e.Late(c.Sources[row.Source].AllowedLateness) && !e.Ahead()
}
