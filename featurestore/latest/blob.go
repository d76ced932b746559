package latest

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
)

// A stored row of a view without aggregates has the time and the values of its
// Row, so that the greatest row stays online, whichever run brings it. Aggregates
// belong to a cutoff: with them the time is the run's cutoff, so that the newest
// run stays, and the row's own time follows the values.

// StoredTypes are the types of a stored row's values.
func StoredTypes(v *definition.BatchView) []featurestore.Type {
	if len(v.Aggregates) == 0 {
		return Types(v)
	}
	return append(Types(v), featurestore.Timestamp)
}

// Store gives a stored row the time and the values of what a run made at a
// cutoff. It may keep row.Values.
func Store(v *definition.BatchView, row *Row, cutoff featurestore.Instant, into *codec.BatchRow) {
	into.Time, into.Values = row.Time, row.Values
	if len(v.Aggregates) > 0 {
		into.Time = featurestore.EventTime(cutoff)
		into.Values = append(into.Values[:len(into.Values):len(into.Values)], featurestore.TimestampValue(featurestore.Instant(row.Time)))
	}
}

// Stored is the row that Store was given.
func Stored(v *definition.BatchView, from *codec.BatchRow) Row {
	if len(v.Aggregates) == 0 {
		return Row{Time: from.Time, Values: from.Values}
	}
	last := len(from.Values) - 1
	return Row{Time: featurestore.EventTime(from.Values[last].Timestamp()), Values: from.Values[:last]}
}
