package load

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// Archived is an event as it is to stand at rest.
type Archived struct {
	Offset  int64
	Time    featurestore.EventTime
	LogTime featurestore.LogTime
	Late    bool
	Values  []featurestore.Value // of the declared fields
}

// Archived are the events of a partition from one offset up to another, without it:
// every record that is no dead letter, late ones and those without a key too.
func (l *Ledger) Archived(p Partition, s *definition.StreamSource, from, to int64) []Archived {
	var out []Archived
	for _, e := range l.Events(p) {
		ahead := int64(e.Time) > int64(e.LogTime)+int64(5*featurestore.Minute)
		if e.Poison != "" || ahead || e.Offset < from || e.Offset >= to {
			continue
		}
		out = append(out, Archived{
			Offset: e.Offset, Time: e.Time, LogTime: e.LogTime, Values: fields(s, &e.Event),
			Late: int64(e.Time) < int64(e.LogTime)-int64(s.AllowedLateness),
		})
	}
	return out
}
