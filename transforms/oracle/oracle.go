package oracle

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// Mode says which rows a reading may know of.
type Mode uint8

// The modes of point-in-time reads.
const (
	Available Mode = iota // what serving could have known: a + delay < t
	EventTime             // what had happened: e < t - delay
	Exact                 // what a state with this applied list had taken in
)

// Reading is one read of one entity. In every mode only rows with e < At count;
// the delay cuts rows and never moves a window's start.
type Reading struct {
	At      featurestore.Instant
	Mode    Mode
	Delay   featurestore.Duration // Available: the source's apply_delay; EventTime: --delay
	Applied featurestore.Applied  // Exact: rows up to these offsets
}

// Read computes every feature of a view for one entity, with defaults applied.
// rows are all rows of the entity that any log or file holds, each position
// once, in any order. The error is for an aggregate the oracle does not know.
func Read(c window.Config, rows []window.Row, r Reading) ([]featurestore.Cell, error) {
	return Judge(c, rows).Read(r)
}

// Entity is the judged log of one entity, for who reads it at many instants.
type Entity struct {
	config window.Config
	events []event // in the total order
}

// event is an accepted row: neither late nor ahead.
type event struct {
	window.Row
	duplicate bool // applied, but counts for nothing
}

// Judge drops late and quarantined rows and marks duplicates. All of it depends
// on the log alone, never on a reading: dedupe comes before the cut at t.
func Judge(c window.Config, rows []window.Row) *Entity {
	log := slices.Clone(rows)
	slices.SortFunc(log, func(x, y window.Row) int { return x.Position.Compare(y.Position) })
	ids := ledger{tile: finestTile(c), claimed: map[claim]bool{}, reached: map[featurestore.PartitionID]featurestore.LogTime{}}
	var events []event
	for _, row := range log {
		rule := c.Sources[row.Source]
		late := int64(row.Time) < int64(row.LogTime)-int64(rule.AllowedLateness)
		ahead := int64(row.Time) > int64(row.LogTime)+int64(5*featurestore.Minute)
		if !late && !ahead {
			events = append(events, event{Row: row, duplicate: ids.repeats(row, rule)})
		}
	}
	slices.SortFunc(events, func(x, y event) int {
		return cmp.Or(cmp.Compare(x.Time, y.Time), x.Sequence.Compare(y.Sequence), x.Position.Compare(y.Position))
	})
	return &Entity{config: c, events: events}
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
// (null or empty) cannot repeat one, nor can its id be forgotten.
func (l *ledger) repeats(row window.Row, rule window.SourceRule) bool {
	reached, seen := l.reached[row.PartitionID]
	if !seen || row.LogTime > reached {
		l.reached[row.PartitionID] = row.LogTime
	}
	if !rule.HasEventID || row.ID == "" {
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

// Read computes every feature of the entity, with defaults applied.
func (e *Entity) Read(r Reading) ([]featurestore.Cell, error) {
	known := applied(e.events, r)
	past := before(known, r)
	counted := slices.DeleteFunc(slices.Clone(past), func(x event) bool { return x.duplicate })
	cells := make([]featurestore.Cell, len(e.config.Features))
	for i := range e.config.Features {
		f := &e.config.Features[i]
		cell, err := emptyCell(f, featurestore.NotFound)
		switch {
		case err != nil:
		case r.Mode == Exact && tooOld(known, r.At):
			cell = featurestore.Cell{Status: featurestore.TooOld}
		case !found(e.config, past, r.At):
		case f.Kind == window.Latest:
			cell = latest(f, counted, e.config.TTL, r.At)
		default:
			cell, err = trailing(f, counted, r.At)
		}
		if err != nil {
			return nil, fmt.Errorf("feature %q: %w", f.Name, err)
		}
		if cell.Value.IsNull() && !cell.Status.HidesDefault() {
			cell.Value = f.Default
		}
		cells[i] = cell
	}
	return cells, nil
}

// applied keeps the events that the reading's state has taken in, pending ones
// included.
func applied(events []event, r Reading) []event {
	return slices.DeleteFunc(slices.Clone(events), func(e event) bool {
		switch r.Mode {
		case Available:
			return int64(e.LogTime)+int64(r.Delay) >= int64(r.At)
		case Exact:
			entry := r.Applied.Find(e.PartitionID)
			return entry == nil || e.Offset > entry.Offset
		default:
			return false
		}
	})
}

// before keeps the events that had happened at the read time.
func before(events []event, r Reading) []event {
	end := int64(r.At)
	if r.Mode == EventTime {
		end -= int64(r.Delay)
	}
	return slices.DeleteFunc(slices.Clone(events), func(e event) bool { return int64(e.Time) >= end })
}

// tooOld reports whether a state that has taken in these events can no longer
// be read as of t. An event that is folded has an event time that is not after
// some applied log time, so that the log times alone decide; the event time of
// a pending row does not count.
func tooOld(known []event, t featurestore.Instant) bool {
	return slices.ContainsFunc(known, func(e event) bool { return int64(e.LogTime) >= int64(t) })
}

// found reports whether an applied event lies within the view's retention
// before t. Duplicates are applied events.
func found(c window.Config, past []event, t featurestore.Instant) bool {
	keep, bounded := retention(c)
	return slices.ContainsFunc(past, func(e event) bool {
		return !bounded || int64(e.Time) >= int64(t)-int64(keep)
	})
}

// retention is the largest offset + window, or the ttl, plus the largest tile
// and the largest lateness. A latest value without a ttl has no bound.
func retention(c window.Config) (keep featurestore.Duration, bounded bool) {
	var reach, tile, lateness featurestore.Duration
	for i := range c.Features {
		f := &c.Features[i]
		if f.Kind == window.Latest {
			if c.TTL == 0 {
				return 0, false
			}
			reach = max(reach, c.TTL)
			continue
		}
		reach = max(reach, f.Offset+f.Width)
		tile = max(tile, tileOf(f))
	}
	for _, s := range c.Sources {
		lateness = max(lateness, s.AllowedLateness)
	}
	return reach + tile + lateness, true
}

// latest is the value of the greatest event with t - ttl <= e. Only events
// before t are given.
func latest(f *window.Feature, past []event, ttl featurestore.Duration, t featurestore.Instant) featurestore.Cell {
	if len(past) == 0 {
		return featurestore.Cell{Status: featurestore.Empty}
	}
	newest := past[len(past)-1]
	if ttl > 0 && int64(newest.Time) < int64(t)-int64(ttl) {
		return featurestore.Cell{Status: featurestore.Expired}
	}
	return present(newest.Inputs[f.Input])
}

// present is a value that events gave: a null among them is EMPTY.
func present(v featurestore.Value) featurestore.Cell {
	if v.IsNull() {
		return featurestore.Cell{Status: featurestore.Empty}
	}
	return featurestore.Cell{Value: v, Status: featurestore.Present}
}
