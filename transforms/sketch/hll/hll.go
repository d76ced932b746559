// Package hll estimates how many different hashes were added: HyperLogLog
// (Flajolet, Fusy, Gandouet, Meunier, 2007) with 4,096 registers, a sparse form
// for few hashes (the idea of Heule, Nunkesser, Hall, 2013) and Ertl's improved
// estimator (Ertl, "New cardinality estimation algorithms for HyperLogLog
// sketches", 2017), which needs no table of corrections.
//
// A register holds a maximum, and the form follows from the registers, so the
// state and its bytes are a function of the set of hashes: no order, batch or
// tree of merges can show. There is no history-dependent estimate (HIP) here,
// which would be a little more accurate and would break that.
//
// State: 4 bytes a hash up to 1,024 registers, then 4,096 bytes; about 2 bytes
// a hash, then about 2,050, once it is written. Error: the relative standard
// error is 1.04/sqrt(4,096), 1.6 %; far less below a few hundred hashes.
package hll

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

const (
	precision = 12
	registers = 1 << precision
	maxRank   = 64 - precision + 1 // of a hash whose other bits are all zero
	maxSparse = 1024               // registers in use of the sparse form
)

// Sketch is a set of 64-bit hashes, estimated. The zero Sketch is the empty set.
// It must not be copied while in use.
type Sketch struct {
	sparse []entry // the registers in use, ascending; not used where dense
	dense  bool    // more than maxSparse registers are in use
	ranks  []uint8 // all registers, where dense
}

// entry is a register in use: its index above its rank, so that entries sort by
// index.
type entry uint32

const rankBits = 8

func newEntry(index int, rank uint8) entry { return entry(index)<<rankBits | entry(rank) }
func (e entry) index() int                 { return int(e >> rankBits) }
func (e entry) rank() uint8                { return uint8(e) }

// Reset makes s the empty set and keeps its memory.
func (s *Sketch) Reset() { s.sparse, s.dense = s.sparse[:0], false }

// IsZero reports whether s is the empty set.
func (s *Sketch) IsZero() bool { return !s.dense && len(s.sparse) == 0 }

// Add adds a hash. Equal hashes count once.
func (s *Sketch) Add(hash uint64) {
	index := int(hash >> (64 - precision))
	rank := uint8(bits.LeadingZeros64(hash<<precision|1<<(precision-1))) + 1
	if s.dense {
		s.ranks[index] = max(s.ranks[index], rank)
		return
	}
	s.insert(newEntry(index, rank))
}

// insert raises one register of the sparse form.
func (s *Sketch) insert(e entry) {
	lo, hi := 0, len(s.sparse)
	for lo < hi { // the first entry at or above e's index
		mid := int(uint(lo+hi) >> 1)
		if s.sparse[mid]>>rankBits < e>>rankBits {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(s.sparse) && s.sparse[lo].index() == e.index() {
		s.sparse[lo] = max(s.sparse[lo], e)
		return
	}
	s.sparse = slices.Insert(s.sparse, lo, e)
	if len(s.sparse) > maxSparse {
		s.makeDense()
	}
}

// makeDense leaves the sparse form.
func (s *Sketch) makeDense() {
	if s.ranks == nil {
		s.ranks = make([]uint8, registers)
	} else {
		clear(s.ranks)
	}
	for _, e := range s.sparse {
		s.ranks[e.index()] = e.rank()
	}
	s.sparse, s.dense = s.sparse[:0], true
}

// Merge adds the hashes of o, which stays as it is; o must not be s.
func (s *Sketch) Merge(o *Sketch) {
	switch {
	case o.dense && !s.dense:
		few := s.sparse
		s.makeDense() // keeps few's memory, which nothing writes to below
		copy(s.ranks, o.ranks)
		s.raise(few)
	case o.dense:
		raiseAll(s.ranks, o.ranks)
	case s.dense:
		s.raise(o.sparse)
	default:
		s.mergeSparse(o.sparse)
	}
}

// raise raises registers of the dense form.
func (s *Sketch) raise(entries []entry) {
	for _, e := range entries {
		s.ranks[e.index()] = max(s.ranks[e.index()], e.rank())
	}
}

// raiseAll raises every register of dst to that of src, eight at a time: ranks
// are below 128, so the top bit of each byte is free to hold a comparison.
func raiseAll(dst, src []uint8) {
	const tops = 0x8080808080808080
	for i := 0; i+8 <= len(dst) && i+8 <= len(src); i += 8 {
		a, b := binary.LittleEndian.Uint64(dst[i:i+8]), binary.LittleEndian.Uint64(src[i:i+8])
		ge := ((a | tops) - b) & tops // the top bits of the bytes in which a >= b
		keep := ge - ge>>7            // 0x7f in those bytes
		binary.LittleEndian.PutUint64(dst[i:i+8], a&keep|b&^(keep|tops))
	}
}

// mergeSparse merges two sparse forms from the back, in place.
func (s *Sketch) mergeSparse(o []entry) {
	if len(o) == 0 {
		return
	}
	i, j := len(s.sparse)-1, len(o)-1
	s.sparse = slices.Grow(s.sparse, len(o))[:len(s.sparse)+len(o)]
	to := len(s.sparse)
	for j >= 0 {
		to--
		switch {
		case i < 0 || s.sparse[i]>>rankBits < o[j]>>rankBits:
			s.sparse[to] = o[j]
			j--
		case s.sparse[i].index() == o[j].index():
			s.sparse[to] = max(s.sparse[i], o[j])
			i--
			j--
		default:
			s.sparse[to] = s.sparse[i]
			i--
		}
	}
	if i+1 < to { // registers of both leave a gap
		s.sparse = slices.Delete(s.sparse, i+1, to)
	}
	if len(s.sparse) > maxSparse {
		s.makeDense()
	}
}
