package exact

import (
	"encoding/binary"
	"math/bits"
)

const (
	limbLen  = 64
	eraBits  = 10
	eraTerms = 1 << eraBits       // half-lives of an era
	eraLimbs = eraTerms / limbLen // what an era weighs more than the one before it
	eras     = 3
	maxEra   = 1 << 50 // far beyond any instant in half-lives of a second
)

// Decayed is an exact sum of terms x * 2^(e/h) of exponential decay: e is the
// event's time and 1970 the landmark, so a term never changes (Cormode, Shkapenyuk,
// Srivastava, Xu, "Forward decay", 2009), and reading at t multiplies once. Each
// term is rounded once, to the 53 bits of a double with an exponent of any size;
// their sum is exact, so the order does not matter.
//
// It keeps the newest era of 1,024 half-lives that it has seen, also by a term of
// zero, and the two before it. Older terms count for less than 2^-2,048 of their
// x; a term is dropped or kept by the newest era alone, so the state is a
// function of the multiset of terms. A term cannot be taken away, since the era
// that it may have been alone in would stay: retractions rebuild.
//
// The zero Decayed is the sum of nothing. State: 3 sums of 64 bytes and up. It must
// not be copied while in use.
type Decayed struct {
	sums   [eras]Float // of the newest era and those before it, in units of 2^(1,024 * era)
	newest int64
	any    bool
}

// Reset makes d the sum of nothing and keeps its memory.
func (d *Decayed) Reset() {
	d.any = false
	for i := range d.sums {
		d.sums[i].Reset()
	}
}

// IsEmpty reports whether d has seen no term, not even one of zero.
func (d *Decayed) IsEmpty() bool { return !d.any }

// Add adds x * 2^(e/h), rounded once; w is NewWeight(e, h). What is not finite is
// ignored.
func (d *Decayed) Add(x float64, w *Weight) {
	if x-x != 0 {
		return
	}
	era := w.n >> eraBits
	age := d.reach(era)
	m, p, ok := split(x)
	if age >= eras || !ok {
		return
	}
	if up := bits.LeadingZeros64(m) - (64 - mantissaBits); up > 0 {
		m, p = m<<uint(up), p-up // a subnormal gets its 53 bits
	}
	m, up := w.scale(m)
	p += up + int(w.n&(eraTerms-1))
	sh := uint(p & 63)
	d.sums[age].add2(p>>6, m<<sh, m>>(64-sh), signMask(x))
}

// reach makes room for an era and gives how many eras it is behind the newest.
func (d *Decayed) reach(era int64) int64 {
	if !d.any {
		d.any, d.newest = true, era
	}
	if era <= d.newest {
		return d.newest - era
	}
	d.shift(era - d.newest)
	d.newest = era
	return 0
}

// shift makes every era n eras older.
func (d *Decayed) shift(n int64) {
	for range min(n, eras) {
		d.sums[0], d.sums[1], d.sums[2] = d.sums[2], d.sums[0], d.sums[1]
		d.sums[0].Reset()
	}
}

// Merge adds the sum o, which stays as it is; o must not be d.
func (d *Decayed) Merge(o *Decayed) {
	if !o.any {
		return
	}
	age := d.reach(o.newest)
	for i := range o.sums {
		if to := age + int64(i); to < eras {
			d.sums[to].Merge(&o.sums[i])
		}
	}
}

// total is the sum in units of 2^(1,024 * newest).
func (d *Decayed) total(a *arena) wide {
	t := a.sum(&d.sums[0])
	for i := 1; i < eras; i++ {
		if d.sums[i].n > 0 {
			s := a.sum(&d.sums[i])
			s.base -= i * eraLimbs
			t = a.plus(t, s)
		}
	}
	return t
}

// Append appends the canonical bytes of the sum: the byte 0 for that of nothing;
// else a varint of 4 times the zigzag of the newest era, plus 1, 2 or 3, and that
// many sums, from the newest era to the oldest whose sum is not zero.
func (d *Decayed) Append(dst []byte) []byte {
	if !d.any {
		return append(dst, 0)
	}
	n := eras
	for n > 1 && d.sums[n-1].IsZero() {
		n--
	}
	dst = binary.AppendUvarint(dst, zigzag(d.newest)<<2|uint64(n))
	for i := range n {
		dst = d.sums[i].Append(dst)
	}
	return dst
}

// Decode reads a sum from the front of src and returns what follows it.
func (d *Decayed) Decode(src []byte) (rest []byte, err error) {
	d.Reset()
	head, src, err := uvarint(src)
	if err != nil || head == 0 {
		return src, err
	}
	n, era := head&3, unzigzag(head>>2)
	if n == 0 || era > maxEra || era < -maxEra {
		return nil, errCanonical
	}
	d.any, d.newest = true, era
	for i := range n {
		if src, err = d.sums[i].Decode(src); err != nil {
			return nil, err
		}
	}
	if n > 1 && d.sums[n-1].IsZero() {
		return nil, errCanonical
	}
	return src, nil
}
