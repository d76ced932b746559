package hll

import (
	"slices"

	"github.com/freshet/freshet/transforms/agg/pack"
)

// The bytes of a sketch are one of
//
//	sparse  varint 2n, n from 0 to 1,024: the registers in use, ascending; each as a
//	        varint of 64 x (its index - that of the one before - 1) + its rank (the
//	        one before the first is -1)
//	dense   varint 2b + 1, b the least rank of the 4,096 registers, then 2,048 bytes:
//	        register 2i in the low half of byte i, 2i + 1 in the high one, as rank - b
//	        but at most 15; then, for each register that reads 15, ascending, one byte
//	        rank - b - 15
//
// Sparse iff at most 1,024 registers are in use (rank above 0), so every set of
// registers has one spelling.

const (
	packed   = registers / 2
	escape   = 15 // rank - b of a register whose rest stands behind
	rankUnit = 64
)

// Append appends the canonical bytes of the sketch.
func (s *Sketch) Append(dst []byte) []byte {
	if s.dense {
		return s.appendDense(dst)
	}
	dst = pack.AppendUint(dst, uint64(2*len(s.sparse)))
	next := 0
	for _, e := range s.sparse {
		dst = pack.AppendUint(dst, uint64(e.index()-next)*rankUnit+uint64(e.rank()))
		next = e.index() + 1
	}
	return dst
}

func (s *Sketch) appendDense(dst []byte) []byte {
	base := slices.Min(s.ranks)
	dst = pack.AppendUint(dst, uint64(base)*2+1)
	for i := 0; i+2 <= len(s.ranks); i += 2 {
		dst = append(dst, min(s.ranks[i]-base, escape)|min(s.ranks[i+1]-base, escape)<<4)
	}
	for _, r := range s.ranks {
		if r >= base+escape {
			dst = append(dst, r-base-escape)
		}
	}
	return dst
}

// Decode reads a sketch of Append.
func (s *Sketch) Decode(r *pack.Reader) {
	s.Reset()
	head := r.Uint()
	switch {
	case head&1 == 0:
		s.decodeSparse(r, head/2)
	case head/2 > maxRank:
		r.Failf("a sketch has the least rank %d, above %d", head/2, maxRank)
	default:
		s.decodeDense(r, uint8(head/2))
	}
	if r.Err() != nil {
		s.Reset()
	}
}

func (s *Sketch) decodeSparse(r *pack.Reader, n uint64) {
	if n > maxSparse {
		r.Failf("a sparse sketch has %d registers, above %d", n, maxSparse)
		return
	}
	next := uint64(0)
	for range n {
		v := r.Uint()
		index, rank := next+v/rankUnit, v%rankUnit
		if r.Err() != nil {
			return
		}
		if v/rankUnit >= registers || index >= registers || rank == 0 || rank > maxRank {
			r.Fail(pack.ErrCanonical)
			return
		}
		s.sparse = append(s.sparse, newEntry(int(index), uint8(rank)))
		next = index + 1
	}
}

func (s *Sketch) decodeDense(r *pack.Reader, base uint8) {
	src := r.Rest()
	if len(src) < packed {
		r.Fail(pack.ErrShort)
		return
	}
	r.Continue(src[packed:], nil)
	s.makeDense()
	var low, high [16]int // registers by what stands for them
	for i, b := range src[:packed] {
		low[b&15]++
		high[b>>4]++
		s.ranks[2*i], s.ranks[2*i+1] = base+(b&15), base+(b>>4)
	}
	for d := uint8(escape - 1); d > maxRank-base; d-- {
		if low[d]+high[d] > 0 {
			r.Fail(pack.ErrCanonical)
			return
		}
	}
	if low[escape]+high[escape] > 0 {
		s.decodeEscaped(r, base)
	}
	if zeros := low[0] + high[0]; zeros == 0 || base == 0 && zeros >= registers-maxSparse {
		r.Fail(pack.ErrCanonical) // another base, or the sparse form, spells it
	}
}

// decodeEscaped reads what stands behind the registers.
func (s *Sketch) decodeEscaped(r *pack.Reader, base uint8) {
	for i, rank := range s.ranks {
		if rank != base+escape {
			continue
		}
		more := r.Byte()
		if int(rank)+int(more) > maxRank {
			r.Fail(pack.ErrCanonical)
			return
		}
		s.ranks[i] += more
	}
}
