package ddsketch

import "github.com/freshet/freshet/transforms/agg/pack"

// The bytes of a sketch are the number of zeros (varint), then the values below
// zero by their size, then those above. Of each of the two: the number of bins in
// use, from 0 to 2,048 (varint), then the bins, ascending. Of the first bin, the
// index (zigzag varint); of each other, its distance from the one before, less 1
// (varint). Either is doubled, plus 1 where the count is above 1; and there the
// count less 2 follows (varint). Bins outside of what doubles need, more than
// 2,047 apart, or counts above 2^62 in all are refused.

const maxCount = 1 << 62

// Append appends the canonical bytes of the sketch.
func (s *Sketch) Append(dst []byte) []byte {
	dst = pack.AppendUint(dst, uint64(s.zeros))
	dst = s.negative.append(dst)
	return s.positive.append(dst)
}

func (s *store) append(dst []byte) []byte {
	used := 0
	for range s.bins {
		used++
	}
	dst = pack.AppendUint(dst, uint64(used))
	next, first := int32(0), true
	for b := range s.bins {
		place := uint64(b.index-next) << 1
		if first {
			place, first = zigzag(b.index)<<1, false
		}
		next = b.index + 1
		if b.count == 1 {
			dst = pack.AppendUint(dst, place)
			continue
		}
		dst = pack.AppendUint(dst, place|1)
		dst = pack.AppendUint(dst, uint64(b.count-2))
	}
	return dst
}

// Decode reads a sketch of Append.
func (s *Sketch) Decode(r *pack.Reader) {
	s.Reset()
	zeros := r.Uint()
	if zeros > maxCount {
		r.Failf("a sketch has %d zeros, above 2^62", zeros)
	} else {
		s.zeros = int64(zeros)
	}
	s.negative.decode(r, maxCount-s.zeros)
	s.positive.decode(r, maxCount-s.zeros-s.negative.n)
	if r.Err() != nil {
		s.Reset()
	}
}

// decode reads at most limit values into an empty store.
func (s *store) decode(r *pack.Reader, limit int64) {
	used := r.Count(1)
	if used > maxBins {
		r.Failf("a sketch has %d bins, above %d", used, maxBins)
	}
	var lowest, next int64
	for i := range used {
		head := r.Uint()
		count := uint64(1)
		if head&1 == 1 {
			count = min(r.Uint(), maxCount) + 2
		}
		if r.Err() != nil {
			return
		}
		place := int64(head >> 1)
		if i == 0 {
			place = place>>1 ^ -(place & 1)
			lowest = place
		}
		index := next + place
		switch {
		case place > maxIndex || index < minIndex || index > maxIndex || index-lowest >= maxBins:
			r.Failf("a sketch has bin %d, which lies outside of its range", index)
			return
		case count > uint64(limit-s.n):
			r.Failf("a sketch counts more than 2^62 values")
			return
		}
		s.add(int32(index), int64(count))
		next = index + 1
	}
}

func zigzag(v int32) uint64 { return uint64(uint32(v)<<1 ^ uint32(v>>31)) }
