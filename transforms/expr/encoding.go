package expr

import (
	"cmp"
	"encoding/binary"
	"math"
	"sort"

	"github.com/zeebo/xxh3"

	"github.com/freshet/freshet/featurestore"
)

func compileEncoding(n *node, args []code) code {
	switch n.name {
	case "hash":
		return code{i: compileHash(args[0])}
	case "bucketize":
		return code{i: compileBucketize(n, args[0])}
	}
	return code{v: compileOneHot(n, args[0])}
}

// compileHash is XXH3 (64 bits, seed 0) of a value's bytes: eight, little
// endian, for int64, timestamps, the unscaled integer of a decimal and the bits
// of a double; one for a bool; those of text and bytes as they are.
func compileHash(x code) fn[int64] {
	switch {
	case x.b != nil:
		return mapped(x.b, func(b bool) int64 {
			if b {
				return int64(xxh3.Hash([]byte{1}))
			}
			return int64(xxh3.Hash([]byte{0}))
		})
	case x.i != nil:
		return mapped(x.i, func(v int64) int64 { return hash8(uint64(v)) })
	case x.d != nil:
		return mapped(x.d, func(d float64) int64 { return hash8(math.Float64bits(d)) })
	}
	return mapped(x.s, func(text string) int64 { return int64(xxh3.HashString(text)) })
}

func hash8(bits uint64) int64 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], bits)
	return int64(xxh3.Hash(b[:]))
}

// compileBucketize counts the bounds that x has reached: bounds [b0, b1] make
// the buckets 0 (below b0), 1 (from b0, below b1) and 2 (from b1).
func compileBucketize(n *node, x code) fn[int64] {
	elems := n.args[1].value.Elems()
	if x.d != nil {
		return reached(x.d, column(elems, featurestore.Value.Double))
	}
	return reached(x.i, column(elems, featurestore.Value.Int64))
}

func reached[T cmp.Ordered](x fn[T], bounds []T) fn[int64] {
	return mapped(x, func(v T) int64 {
		return int64(sort.Search(len(bounds), func(i int) bool { return bounds[i] > v }))
	})
}

// column takes one thing from each element.
func column[E, T any](elems []E, get func(E) T) []T {
	list := make([]T, len(elems))
	for i, e := range elems {
		list[i] = get(e)
	}
	return list
}

// compileOneHot makes all possible lists once; a value of no category has the
// list of zeros.
func compileOneHot(n *node, x code) fn[featurestore.Value] {
	elems := n.args[1].value.Elems()
	lists := make([]featurestore.Value, len(elems)+1)
	for i := range lists {
		cells := make([]featurestore.Value, len(elems))
		for j := range cells {
			cells[j] = featurestore.DoubleValue(0)
		}
		if i < len(cells) {
			cells[i] = featurestore.DoubleValue(1)
		}
		lists[i] = featurestore.ListValue(cells)
	}
	switch {
	case x.s != nil:
		return oneHot(x.s, column(elems, featurestore.Value.Str), lists)
	case x.i != nil:
		return oneHot(x.i, column(elems, featurestore.Value.Int64), lists)
	}
	return oneHot(x.b, column(elems, featurestore.Value.Bool), lists)
}

func oneHot[T comparable](x fn[T], categories []T, lists []featurestore.Value) fn[featurestore.Value] {
	index := make(map[T]int, len(categories))
	for i, c := range categories {
		index[c] = i
	}
	return mapped(x, func(v T) featurestore.Value {
		if i, found := index[v]; found {
			return lists[i]
		}
		return lists[len(categories)]
	})
}
