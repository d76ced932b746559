package embedded

import (
	"sync"

	"github.com/zeebo/xxh3"

	"github.com/freshet/freshet/featurestore/online"
)

// stripes are the locks of all lanes: a lane hashes to one. A lane's lock is held
// from the first check to the end of the commit.
type stripes [256]sync.Mutex

// held are locked stripes.
type held struct {
	stripes *stripes
	set     [256]bool
}

// hold locks the stripes of lanes in ascending order, so that two callers never
// wait for each other.
func (s *stripes) hold(lanes func(yield func(online.LaneID) bool)) *held {
	h := &held{stripes: s}
	var tag []byte
	for l := range lanes {
		tag = l.AppendTag(tag[:0])
		h.set[xxh3.Hash(tag)%uint64(len(h.set))] = true
	}
	for i, in := range h.set {
		if in {
			s[i].Lock()
		}
	}
	return h
}

func (h *held) release() {
	for i, in := range h.set {
		if in {
			h.stripes[i].Unlock()
		}
	}
}
