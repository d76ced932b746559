package worker

import (
	"errors"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/online"
)

// errGone says of an entity that the store lost it, or took an older one back,
// while its lane's watermark stands: a key was deleted, or restored by hand.
var errGone = errors.New("the store no longer has what it acknowledged of this entity, though its lane stands")

// ownThrough is how far a partition is applied in an applied prefix, plus one; 0
// is not at all.
func ownThrough(prefix []byte, id featurestore.PartitionID) int64 {
	list, err := codec.AppliedOf(prefix)
	if err != nil {
		return 0
	}
	if e := list.Find(id); e != nil {
		return e.Offset + 1
	}
	return 0
}

// remember notes how far this chunk's partition is in entities that the store has
// otherwise than they are cached. The lane's watermark was right, and nobody else
// writes what this partition holds: what is read next must be as far, and must be
// there at all. (Where it is not because other partitions' writes were lost, it is
// rebuilt up to their watermarks, which is as right.) It is noted at once: what ends
// the chunk before the entity is read must not forget it.
func (v *View) remember(c *Chunk, works []*work) {
	for _, w := range works {
		if w.entity == nil || w.entity.open == nil {
			continue
		}
		expect := w.entity.expect()
		list, err := codec.AppliedOf(expect)
		at, some := list.MaxLogTime()
		now := max(int64(c.ReadTime), int64(c.LogTime))
		if err != nil || !some || v.ttl > 0 && int64(at)+v.ttl.Microseconds() < now {
			continue // its time to live may be over
		}
		v.gone[w.key] = damage{
			key: w.key, lane: w.lane, reason: errGone, partition: v.fold.partition,
			stood: true, own: ownThrough(expect, v.fold.partition),
		}
	}
}

// isGone reports whether what was read of an entity is less than what it had, by
// what a chunk of this partition or another has seen: until it is rebuilt, nobody
// may begin it anew.
func (v *View) isGone(w *work, open []byte) bool {
	d, noted := v.gone[w.key]
	if !noted {
		return false
	}
	if d.gone(open, v.lanes.at(w.lane, v.partitionOf(d.partition)).offset) {
		return true
	}
	delete(v.gone, w.key) // it is rebuilt, or its lane went back, too
	return false
}

// back says that entities are what their lanes say again.
func (v *View) back(found []damage) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range found {
		delete(v.gone, found[i].key)
	}
}

// partitionOf names a partition of the view as the store does.
func (v *View) partitionOf(id featurestore.PartitionID) online.Partition {
	return online.Partition{Source: v.view.Bindings[id.Source].Source.Name, Generation: id.Generation, Number: id.Partition}
}

// gone reports whether what was read of an entity is less than what it had, though
// its lane stands. Where the lane went back too, what is missing is read again.
func (d *damage) gone(open []byte, lane int64) bool {
	return d.stood && lane+1 >= d.own && (open == nil || ownThrough(open, d.partition) < d.own)
}
