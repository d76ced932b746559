package ddsketch

import "slices"

// maxFew is how many bins a store keeps as a list before it takes the ring.
const maxFew = 64

// store counts the values of one sign by bin. Its bins in use lie within maxBins
// of the greatest. The two forms are a matter of speed and memory only: they
// have the same bins.
type store struct {
	n    int64 // values
	few  []bin // the bins in use, ascending, where ring is not in use
	wide bool  // the ring is in use
	ring *[maxBins]int64
	top  int32 // the greatest bin in use, of the ring
}

// bin is a bin in use.
type bin struct {
	index int32
	count int64 // above zero
}

func (s *store) reset() {
	s.n, s.wide, s.few = 0, false, s.few[:0]
}

// cell is the place of a bin in the ring, which holds the maxBins bins up to top.
func (s *store) cell(index int32) *int64 { return &s.ring[uint32(index)%maxBins] }

// add counts into a bin.
func (s *store) add(index int32, count int64) {
	s.n += count
	if s.wide {
		if index > s.top {
			s.raise(index)
		}
		*s.cell(max(index, s.top-(maxBins-1))) += count
		return
	}
	last := len(s.few) - 1
	if last >= 0 {
		if index > s.few[last].index {
			s.collapseFew(index - (maxBins - 1))
		} else {
			index = max(index, s.few[last].index-(maxBins-1))
		}
	}
	lo, hi := 0, len(s.few)
	for lo < hi { // the first bin at or above index
		mid := int(uint(lo+hi) >> 1)
		if s.few[mid].index < index {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(s.few) && s.few[lo].index == index {
		s.few[lo].count += count
		return
	}
	s.few = slices.Insert(s.few, lo, bin{index, count})
	if len(s.few) > maxFew {
		s.widen()
	}
}

// collapseFew moves what lies below a bin into it.
func (s *store) collapseFew(floor int32) {
	below, n := 0, int64(0)
	for below < len(s.few) && s.few[below].index < floor {
		n += s.few[below].count
		below++
	}
	if below == 0 {
		return
	}
	if below < len(s.few) && s.few[below].index == floor {
		s.few[below].count += n
	} else {
		below--
		s.few[below] = bin{floor, n}
	}
	s.few = slices.Delete(s.few, 0, below)
}

// widen goes over to the ring.
func (s *store) widen() {
	if s.ring == nil {
		s.ring = new([maxBins]int64)
	} else {
		*s.ring = [maxBins]int64{}
	}
	s.wide, s.top = true, s.few[len(s.few)-1].index
	for _, b := range s.few {
		*s.cell(b.index) = b.count
	}
	s.few = s.few[:0]
}

// raise makes index the greatest bin of the ring: the cells that it and the bins
// below it get are those of the bins that collapse.
func (s *store) raise(index int32) {
	n := int64(0)
	if index-s.top >= maxBins {
		n = s.n
		*s.ring = [maxBins]int64{}
	} else {
		for i := s.top + 1; i <= index; i++ {
			c := s.cell(i)
			n += *c
			*c = 0
		}
	}
	s.top = index
	*s.cell(index - (maxBins - 1)) += n
}

// merge adds the counts of o.
func (s *store) merge(o *store) {
	if !o.wide {
		for i := len(o.few) - 1; i >= 0; i-- { // the greatest first: nothing collapses twice
			s.add(o.few[i].index, o.few[i].count)
		}
		return
	}
	if !s.wide {
		few := s.few
		s.n, s.wide, s.top = o.n, true, o.top
		if s.ring == nil {
			s.ring = new([maxBins]int64)
		}
		*s.ring = *o.ring
		s.few = s.few[:0]
		for _, b := range few { // its memory rests, since s is wide
			s.add(b.index, b.count)
		}
		return
	}
	if o.top > s.top {
		s.raise(o.top)
	}
	s.n += o.n
	s.mergeRing(o)
}

// mergeRing adds the counts of a ring whose top is not above that of s. A bin has
// the same place in both, but for those of o that lie below the bins of s.
func (s *store) mergeRing(o *store) {
	floor := s.top - (maxBins - 1)
	if o.top < floor {
		*s.cell(floor) += o.n
		return
	}
	to, from := s.ring, o.ring
	for i := range to {
		to[i] += from[i]
	}
	for i := o.top - (maxBins - 1); i < floor; i++ {
		c := *o.cell(i)
		*s.cell(i) -= c
		*s.cell(floor) += c
	}
}

// at is the bin of the value with a rank below n, in ascending order.
func (s *store) at(rank int64) int32 {
	for b := range s.bins {
		if rank -= b.count; rank < 0 {
			return b.index
		}
	}
	return 0 // not reached: n is the sum of the counts
}

// bins walks the bins in use, ascending.
func (s *store) bins(yield func(bin) bool) {
	if !s.wide {
		for _, b := range s.few {
			if !yield(b) {
				return
			}
		}
		return
	}
	for i := s.top - (maxBins - 1); i <= s.top; i++ {
		if c := *s.cell(i); c != 0 && !yield(bin{i, c}) {
			return
		}
	}
}
