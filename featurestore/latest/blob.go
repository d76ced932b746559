package latest

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
)

// A stored row of a view without aggregates has the time and the values of its
// Row, so that the greatest row stays online, whichever run brings it. Aggregates
// belong to a cutoff: with them the time is the run's cutoff and available_at its
// completion, so that the newest run stays, and the row's own time follows the
// values. Of an entity that has left the table by that run all of these are null.

// Run is the run that a stored row comes from.
type Run struct {
	ID                string
	Cutoff, Completed featurestore.Instant
}

// StoredTypes are the types of a stored row's values.
func StoredTypes(v *definition.BatchView) []featurestore.Type {
	if len(v.Aggregates) == 0 {
		return Types(v)
	}
	return append(Types(v), featurestore.Timestamp)
}

// Store gives a stored row what a run made; it may keep row.Values. In a view with
// aggregates a nil row says that the entity has left the table.
func Store(v *definition.BatchView, run *Run, row *Row, into *codec.BatchRow) {
	into.Run, into.Completed = run.ID, run.Completed
	if row != nil {
		into.Time, into.Values = row.Time, row.Values
	}
	if len(v.Aggregates) == 0 {
		return
	}
	into.Time, into.AvailableAt = featurestore.EventTime(run.Cutoff), featurestore.LogTime(run.Completed)
	if row == nil {
		into.Values = make([]featurestore.Value, len(v.Features)+len(v.Aggregates)+1)
		return
	}
	into.Values = append(into.Values[:len(into.Values):len(into.Values)], featurestore.TimestampValue(featurestore.Instant(row.Time)))
}

// Stored is the row that Store was given.
func Stored(v *definition.BatchView, from *codec.BatchRow) *Row {
	if len(v.Aggregates) == 0 {
		return &Row{Time: from.Time, Values: from.Values}
	}
	last := len(from.Values) - 1
	if from.Values[last].IsNull() {
		return nil
	}
	return &Row{Time: featurestore.EventTime(from.Values[last].Timestamp()), Values: from.Values[:last]}
}
