package oracle

import (
	"cmp"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// aheadLimit is how far beyond its log time an event may lie.
const aheadLimit = 5 * featurestore.Minute

// Entity is the judged log of one entity, for who reads it at many instants. It
// is not safe for concurrent use.
type Entity struct {
	config window.Config
	events []*event // accepted, in the total order
	powers powers
}

// event is an accepted row: neither late nor ahead.
type event struct {
	window.Row
	visible   featurestore.Instant // reads after it may see the row
	duplicate bool                 // applied, but counts for nothing
}

// Judge drops late and quarantined rows and marks duplicates. All of it depends
// on the log alone, never on a reading: dedupe comes before the cut at t.
func Judge(c window.Config, rows []window.Row) *Entity {
	c.Features = slices.Clone(c.Features)
	for i := range c.Features {
		c.Features[i].Tile = tileOf(&c.Features[i])
	}
	log := slices.Clone(rows)
	slices.SortFunc(log, comparePosition)
	ids := ledger{tile: finestTile(c), claimed: map[claim]bool{}, reached: map[featurestore.PartitionID]featurestore.LogTime{}}
	var events []*event
	for _, row := range log {
		rule := c.Sources[row.Source]
		if late(row, rule) || ahead(row) {
			continue
		}
		events = append(events, &event{Row: row, visible: visible(row), duplicate: ids.repeats(row, rule)})
	}
	slices.SortFunc(events, compareEvent)
	return &Entity{config: c, events: events, powers: powers{}}
}

// visible is when the row's effect begins: a change is not seen before it
// happened, whatever the event time of its row.
func visible(row window.Row) featurestore.Instant {
	if row.Change == featurestore.NoChange {
		return featurestore.Instant(row.Time)
	}
	return featurestore.Instant(max(row.Time, row.Mutated))
}

// late judges an event by its event time. A change is never late.
func late(row window.Row, rule window.SourceRule) bool {
	return row.Change == featurestore.NoChange && int64(row.Time) < int64(row.LogTime)-int64(rule.AllowedLateness)
}

func ahead(row window.Row) bool {
	return int64(visible(row)) > int64(row.LogTime)+int64(aheadLimit)
}

// comparePosition is the order of the log. Of two changes that one record brings
// the retraction comes first.
func comparePosition(x, y window.Row) int {
	return cmp.Or(x.Position.Compare(y.Position), cmp.Compare(y.Change, x.Change))
}

// compareEvent is the total order of events.
func compareEvent(x, y *event) int {
	return cmp.Or(cmp.Compare(x.Time, y.Time), x.Sequence.Compare(y.Sequence), comparePosition(x.Row, y.Row))
}

// ledger is what the ids of one entity's accepted rows say, in log order.
type ledger struct {
	tile    featurestore.Duration // the view's finest
	claimed map[claim]bool
	reached map[featurestore.PartitionID]featurestore.LogTime // the largest log time so far
}

type claim struct {
	partition featurestore.PartitionID
	tile      featurestore.Instant
	id        string
}

// repeats reports whether an earlier row of the same partition has the same id
// in the same finest tile, or whether the partition's log time has passed that
// tile so far that such a row might have been forgotten. A row without an id
// (null or empty) cannot repeat one, nor can its id be forgotten. A change is
// known by the row that it changes, not by an id: it takes no part.
func (l *ledger) repeats(row window.Row, rule window.SourceRule) bool {
	reached, seen := l.reached[row.PartitionID]
	if !seen || row.LogTime > reached {
		l.reached[row.PartitionID] = row.LogTime
	}
	if !rule.HasEventID || row.ID == "" || row.Change != featurestore.NoChange {
		return false
	}
	c := claim{partition: row.PartitionID, tile: floor(featurestore.Instant(row.Time), l.tile), id: row.ID}
	forgotten := int64(c.tile) + int64(l.tile) + int64(rule.AllowedLateness)
	if l.claimed[c] || seen && int64(reached) > forgotten {
		return true
	}
	l.claimed[c] = true
	return false
}
