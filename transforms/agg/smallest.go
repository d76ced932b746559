package agg

import (
	"cmp"
	"sort"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// smallest is a map from values to V that keeps the entries of at most max keys:
// those with the smallest hashes, and the smaller key of equal hashes.
//
// Which keys are kept, and all that is kept of them, depends on the set of the
// contributions alone. Let S be the keys seen in all the events below a cell,
// and K the first max of S in the order (hash, key). A key of K is among the
// first max of every subset of S that has it, so that no cell on any path of
// adds and merges has ever dropped it: all its contributions are in its V. A
// key outside of K has max smaller ones in S; at the latest where the last of
// these meets it, it is dropped or refused, and since the greatest kept key only
// falls from then on, it never comes back. dropped is set iff S has more than
// max keys: that is when the first drop must happen, and never before.
type smallest[K scalar[K], V any] struct {
	entries []entry[K, V] // ascending by hash, then key
	spare   []entry[K, V] // memory for merges
	max     int
	kind    featurestore.Kind // of the keys
	dropped bool
}

type entry[K scalar[K], V any] struct {
	hash uint64
	key  K
	v    V
}

func (e *entry[K, V]) compare(hash uint64, key K) int {
	if c := cmp.Compare(e.hash, hash); c != 0 {
		return c
	}
	return e.key.compare(key)
}

func (m *smallest[K, V]) reset(size int64, kind featurestore.Kind) {
	m.entries, m.max, m.kind, m.dropped = m.entries[:0], int(size), kind, false
}

// admit gives the place of a key's V: that which is there, or a zero one. It is
// nil where the key is not kept. evicted is the V of the key that had to leave;
// out says whether there is one.
func (m *smallest[K, V]) admit(key K) (v *V, fresh bool, evicted V, out bool) {
	hash := key.hash(m.kind)
	i := sort.Search(len(m.entries), func(i int) bool { return m.entries[i].compare(hash, key) >= 0 })
	if i < len(m.entries) && m.entries[i].hash == hash && m.entries[i].key == key {
		return &m.entries[i].v, false, evicted, false
	}
	if len(m.entries) == m.max {
		m.dropped = true
		if i == m.max {
			return nil, false, evicted, false
		}
		evicted, out = m.entries[m.max-1].v, true
		m.entries = m.entries[:m.max-1]
	}
	m.entries = append(m.entries, entry[K, V]{})
	copy(m.entries[i+1:], m.entries[i:])
	m.entries[i] = entry[K, V]{hash: hash, key: key.keep()}
	return &m.entries[i].v, true, evicted, out
}

// joiner is what a merge does with the values of two maps.
type joiner[V any] interface {
	join(dst *V, src V) // the key is in both
	take(src V) V       // the key is in the other map only
	drop(v V)           // of this map, whose key leaves
}

func (m *smallest[K, V]) merge(o *smallest[K, V], j joiner[V]) {
	m.dropped = m.dropped || o.dropped
	if len(o.entries) == 0 {
		return
	}
	out, a, b := m.spare[:0], m.entries, o.entries
	for len(out) < m.max && len(a)+len(b) > 0 {
		side := 0
		switch {
		case len(b) == 0:
			side = -1
		case len(a) == 0:
			side = 1
		default:
			side = a[0].compare(b[0].hash, b[0].key)
		}
		if side <= 0 {
			out, a = append(out, a[0]), a[1:]
		} else {
			out = append(out, entry[K, V]{hash: b[0].hash, key: b[0].key, v: j.take(b[0].v)})
		}
		if side == 0 {
			j.join(&out[len(out)-1].v, b[0].v)
		}
		if side >= 0 {
			b = b[1:]
		}
	}
	if len(a)+len(b) > 0 {
		m.dropped = true
	}
	for i := range a {
		j.drop(a[i].v)
	}
	m.entries, m.spare = out, m.entries
}

// append writes twice the number of entries, plus 1 where a key was dropped, and
// each key with what value writes of its V.
func (m *smallest[K, V]) append(dst []byte, value func(dst []byte, v V) []byte) []byte {
	head := uint64(len(m.entries)) << 1
	if m.dropped {
		head |= 1
	}
	dst = pack.AppendUint(dst, head)
	for i := range m.entries {
		dst = value(m.entries[i].key.append(dst), m.entries[i].v)
	}
	return dst
}

// decode reads a map of append that is not empty; value reads a V. least is the
// fewest bytes of an entry.
func (m *smallest[K, V]) decode(r *pack.Reader, least int, value func() V) {
	head := r.Uint()
	n := head >> 1
	m.dropped = head&1 == 1
	if n == 0 || n > uint64(m.max) || m.dropped && n != uint64(m.max) {
		r.Failf("a set keeps %d of at most %d keys", n, m.max)
	}
	if n > uint64(len(r.Rest())/least) {
		r.Fail(pack.ErrShort)
	}
	for i := 0; i < int(n) && r.Err() == nil; i++ {
		var e entry[K, V]
		e.key = e.key.read(r, m.kind).keep()
		e.hash = e.key.hash(m.kind)
		if i > 0 && m.entries[i-1].compare(e.hash, e.key) >= 0 {
			r.Fail(pack.ErrCanonical)
		}
		if r.Err() != nil {
			return
		}
		e.v = value()
		m.entries = append(m.entries, e)
	}
}
