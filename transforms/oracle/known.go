package oracle

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// knowledge is what a reading sees of an entity. Its lists are in the total
// order.
type knowledge struct {
	entity *Entity
	at     featurestore.Instant
	taken  []*event // every row that the state has taken in, pending ones and duplicates included
	past   []*event // of those what had become visible
	rows   []*event // what counts: visible, no duplicate, no retraction, not retracted

	// settled is what a state has folded: rows as in rows, but by the log times of
	// their own partitions in place of the read time. Caps are about these; rows
	// that still wait for their event time are kept beside, all of them.
	settled []*event

	// witness is the greatest row that the cap of raw rows has cut, nil for none.
	witness *event
}

// know collects what a reading may know.
func (e *Entity) know(r Reading) *knowledge {
	k := &knowledge{entity: e, at: r.At}
	end := r.At
	if r.Mode == EventTime {
		end -= featurestore.Instant(r.Delay)
	}
	k.taken = taken(e.events, r, end)
	k.past = only(k.taken, func(x *event) bool { return x.visible < end })
	folded := foldedIn(k.taken, r.Mode)
	counted := only(k.taken, func(x *event) bool { return !x.duplicate })
	if keepsRawRows(e.config) {
		counted, k.witness = cutRaw(counted, folded)
	}
	match := matchRetractions(counted)
	k.rows = net(counted, match, func(x *event) bool { return x.visible < end })
	k.settled = net(counted, match, folded)
	return k
}

// taken keeps the events that the reading's state has taken in, pending ones
// included.
func taken(events []*event, r Reading, end featurestore.Instant) []*event {
	return only(events, func(x *event) bool {
		switch r.Mode {
		case Available:
			return int64(x.LogTime)+int64(r.Delay) < int64(r.At)
		case Exact:
			entry := r.Applied.Find(x.PartitionID)
			return entry != nil && x.Offset <= entry.Offset
		default: // there is no log time in this mode: what happened was known
			return x.visible < end
		}
	})
}

// foldedIn says which events a state that has taken these in has folded: their
// own partition has reached them in log time.
func foldedIn(taken []*event, mode Mode) func(*event) bool {
	reached := map[featurestore.PartitionID]featurestore.LogTime{}
	for _, x := range taken {
		if old, seen := reached[x.PartitionID]; !seen || x.LogTime > old {
			reached[x.PartitionID] = x.LogTime
		}
	}
	return func(x *event) bool {
		return mode == EventTime || int64(x.visible) <= int64(reached[x.PartitionID])
	}
}

// tooOld reports whether a state that has taken in these events can no longer
// be read as of t. An event that is folded has an event time that is not after
// some applied log time, so that the log times alone decide; the event time of
// a pending row does not count.
func (k *knowledge) tooOld(t featurestore.Instant) bool {
	return slices.ContainsFunc(k.taken, func(x *event) bool { return int64(x.LogTime) >= int64(t) })
}

// found reports whether an applied event lies within the view's retention
// before t. Duplicates and retractions are applied events.
func (k *knowledge) found(c window.Config, t featurestore.Instant) bool {
	keep, bounded := retention(c)
	return slices.ContainsFunc(k.past, func(x *event) bool {
		return !bounded || int64(x.Time) >= int64(t)-int64(keep)
	})
}

func only(events []*event, keep func(*event) bool) []*event {
	var out []*event
	for _, x := range events {
		if keep(x) {
			out = append(out, x)
		}
	}
	return out
}
