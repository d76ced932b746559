package window

import (
	"math"
	"math/bits"
)

// A state's bytes stand in two parts, so that an event rewrites few of them: the
// open part with the newest tiles and all that changes, and the closed part with
// the older tiles, which is written anew only when one of them changes. Where
// the one ends is a function of the tiles alone, so that equal states are equal
// in both parts.

const (
	leastSplit = 24 // fewer tiles than these are all open
	mostOpen   = 32 // the open part holds the newest tiles, at least one and at most this many
)

// split is how many of the tiles, the oldest ones, are closed. The boundary is
// the roundest start of the newest mostOpen tiles (the one that most powers of
// two divide, the older of equal ones): it stays where it is while tiles are
// appended, until a rounder one comes or it falls out of these, for half of
// mostOpen appends or more.
func split(starts []int64, unit int64) int {
	n := len(starts)
	if n < leastSplit {
		return 0
	}
	best, round := 0, -1
	for i := max(1, n-mostOpen); i < n; i++ {
		if z := bits.TrailingZeros64(uint64(starts[i] / unit)); z > round {
			best, round = i, z
		}
	}
	return best
}

// Splits reports whether entities of this view can ever have a closed part.
func (p *Plan) Splits() bool { return len(p.ladder.sizes) > 0 }

// ClosedChanged reports whether the closed part may differ from what it was when
// the state was decoded, or since the last call of Stored. It may be true of
// equal bytes, and is never false of others. The state is settled.
func (s *State) ClosedChanged() bool {
	if s.plan == nil {
		return false
	}
	boundary := s.boundary()
	return boundary != s.storedBoundary || s.touched < boundary
}

// Stored notes that the state's bytes are stored as they are now.
func (s *State) Stored() {
	if s.plan != nil {
		s.storedBoundary, s.touched = s.boundary(), math.MaxInt64
	}
}

// boundary is the start of the first open tile; the least int64 where no tile is
// closed.
func (s *State) boundary() int64 {
	if len(s.plan.ladder.sizes) == 0 {
		return math.MinInt64
	}
	if n := split(s.starts, s.plan.ladder.sizes[0]); n > 0 {
		return s.starts[n]
	}
	return math.MinInt64
}

// touch notes that a tile at or after start changed.
func (s *State) touch(start int64) { s.touched = min(s.touched, start) }
