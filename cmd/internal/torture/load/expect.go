package load

import (
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/transforms/oracle"
	"github.com/freshet/freshet/transforms/window"
)

// Entity is one entity of a view with all of its rows.
type Entity struct {
	Key   []featurestore.Value
	Bytes []byte
	rows  []window.Row

	judged *oracle.Entity
}

// Config is what the oracle needs of a view.
func Config(view *definition.StreamView) window.Config {
	c := window.Config{Features: view.Features, TTL: view.TTL}
	for i := range view.Bindings {
		s := view.Bindings[i].Source
		c.Sources = append(c.Sources, window.SourceRule{AllowedLateness: s.AllowedLateness, HasEventID: s.EventID >= 0, Changes: s.Changes()})
	}
	return c
}

// Read is what the oracle says of the entity, where its state has taken in what
// applied says.
func (x *Entity) Read(view *definition.StreamView, applied featurestore.Applied, at featurestore.Instant) ([]featurestore.Cell, error) {
	if x.judged == nil {
		x.judged = oracle.Judge(Config(view), x.rows)
	}
	return x.judged.Read(oracle.Reading{At: at, Mode: oracle.Exact, Applied: applied})
}

// Complete says why an applied list is not that of all of the entity's records;
// "" where it is. Only records that are neither late nor too far ahead stand in it.
// Of a partition of which retention has dropped all of the entity's records, before
// the offset that is given, a state that was built from what is left has no entry.
func (x *Entity) Complete(view *definition.StreamView, applied featurestore.Applied, dropped map[Partition]int64) string {
	var want featurestore.Applied
	kept := map[featurestore.PartitionID]bool{}
	for i := range x.rows {
		r := &x.rows[i]
		source := view.Bindings[r.Source].Source
		late := r.Change == featurestore.NoChange && int64(r.Time) < int64(r.LogTime)-int64(source.AllowedLateness)
		ahead := int64(max(r.Mutated, r.Time)) > int64(r.LogTime)+int64(5*featurestore.Minute)
		if late || ahead {
			continue
		}
		want = want.Add(r.Position, r.LogTime)
		if r.Offset >= dropped[Partition{Source: source.Name, Generation: r.Generation, Number: r.Partition}] {
			kept[r.PartitionID] = true
		}
	}
	want = slices.DeleteFunc(want, func(e featurestore.AppliedEntry) bool {
		return !kept[e.PartitionID] && applied.Find(e.PartitionID) == nil
	})
	if len(want) != len(applied) {
		return fmt.Sprintf("%d partitions are applied, want %d: %v, want %v", len(applied), len(want), applied, want)
	}
	for i := range want {
		if want[i] != applied[i] {
			return fmt.Sprintf("applied is %v, want %v", applied[i], want[i])
		}
	}
	return ""
}
