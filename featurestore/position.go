package featurestore

import (
	"cmp"
	"slices"
)

// PartitionID names one partition of one generation of one source of a view.
// Source is the index into the view's sources, which are in ascending order of
// their names, so that comparing indexes compares names. Generation 0 is the
// source's history files; a topic's first life is 1, and each accepted
// re-creation adds one.
type PartitionID struct {
	Source     uint16
	Generation uint32
	Partition  int32
}

// Compare orders by source, generation, partition.
func (p PartitionID) Compare(o PartitionID) int {
	return cmp.Or(cmp.Compare(p.Source, o.Source), cmp.Compare(p.Generation, o.Generation), cmp.Compare(p.Partition, o.Partition))
}

// Position is where a record stands in its log.
type Position struct {
	PartitionID
	Offset int64
}

// Compare orders by partition, then offset: the last part of the total order
// of events.
func (p Position) Compare(o Position) int {
	return cmp.Or(p.PartitionID.Compare(o.PartitionID), cmp.Compare(p.Offset, o.Offset))
}

// AppliedEntry says how far one partition is applied to one entity: the last
// offset of the entity's own records, and the largest log time among them.
type AppliedEntry struct {
	PartitionID
	Offset     int64
	MaxLogTime LogTime
}

// Applied is the identity of an entity's state: its entries in ascending order
// of partition. The state is a function of this list (stream-protocol: Lanes).
type Applied []AppliedEntry

// Find gives the entry of a partition, or nil.
func (a Applied) Find(p PartitionID) *AppliedEntry {
	for i := range a {
		if a[i].PartitionID == p {
			return &a[i]
		}
	}
	return nil
}

// Add records one applied record and returns the list, which stays sorted.
func (a Applied) Add(pos Position, at LogTime) Applied {
	if e := a.Find(pos.PartitionID); e != nil {
		e.Offset = max(e.Offset, pos.Offset)
		e.MaxLogTime = max(e.MaxLogTime, at)
		return a
	}
	a = append(a, AppliedEntry{PartitionID: pos.PartitionID, Offset: pos.Offset, MaxLogTime: at})
	slices.SortFunc(a, func(x, y AppliedEntry) int { return x.PartitionID.Compare(y.PartitionID) })
	return a
}

// MaxLogTime is the largest log time of all entries; ok is false for none.
func (a Applied) MaxLogTime() (t LogTime, ok bool) {
	for i, e := range a {
		if i == 0 || e.MaxLogTime > t {
			t = e.MaxLogTime
		}
	}
	return t, len(a) > 0
}
