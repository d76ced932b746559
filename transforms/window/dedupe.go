package window

import (
	"cmp"
	"slices"
	"sort"

	"github.com/zeebo/xxh3"

	"github.com/freshet/freshet/featurestore"
)

// idBucket holds the event ids that one partition has claimed in one tile, as
// ascending 64-bit XXH3 hashes: two of n different ids in one bucket collide
// with probability n^2 / 2^65.
type idBucket struct {
	partition featurestore.PartitionID
	tile      int64 // its start
	hashes    []uint64
}

// claim reports whether the row is the first of its id in its partition and
// tile, and claims the id. An event whose tile lies so far back that its id may
// have been forgotten claims nothing. entry is the partition's applied entry
// before the row, nil for none.
func (s *State) claim(p *Plan, entry *featurestore.AppliedEntry, r *Row) bool {
	tile := floor(int64(r.Time), p.dedupe)
	if entry != nil && p.forgotten(r.PartitionID, tile, entry.MaxLogTime) {
		return false
	}
	h := xxh3.HashString(r.ID)
	at := func(i int) int {
		return cmp.Or(s.ids[i].partition.Compare(r.PartitionID), cmp.Compare(s.ids[i].tile, tile))
	}
	i := sort.Search(len(s.ids), func(i int) bool { return at(i) >= 0 })
	if i == len(s.ids) || at(i) != 0 {
		s.ids = insert(s.ids, i, idBucket{partition: r.PartitionID, tile: tile, hashes: []uint64{h}})
		return true
	}
	b := &s.ids[i]
	j, found := slices.BinarySearch(b.hashes, h)
	if found {
		return false
	}
	b.hashes = slices.Insert(b.hashes, j, h)
	return true
}

// forgotten reports whether the ids of a tile are no longer kept: the
// partition's largest log time has passed the tile's end by the lateness, so
// that every further event of the tile is late unless log times run backwards.
func (p *Plan) forgotten(partition featurestore.PartitionID, tile int64, reached featurestore.LogTime) bool {
	return int64(reached) > tile+p.dedupe+int64(p.sources[partition.Source].AllowedLateness)
}
