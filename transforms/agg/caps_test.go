package agg_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/zeebo/xxh3"
	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
)

// smallestKeys is what is kept of keys with a cap, worked out from all of them.
func smallestKeys(keys []int64, most int) (kept []int64, dropped bool) {
	hash := func(k int64) uint64 { return xxh3.Hash(binary.LittleEndian.AppendUint64(nil, uint64(k))) }
	all := slices.Clone(keys)
	slices.Sort(all)
	all = slices.Compact(all)
	slices.SortFunc(all, func(a, b int64) int {
		if hash(a) < hash(b) {
			return -1
		}
		return 1
	})
	if len(all) > most {
		return all[:most], true
	}
	return all, false
}

// TestCapsKeepTheSameKeysInAnyOrder holds that a capped map keeps the keys with
// the smallest hashes, with all that belongs to them, whatever the order and the
// tree of merges: a key that was dropped never comes back with a part.
func TestCapsKeepTheSameKeysInAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		most := rapid.IntRange(1, 6).Draw(rt, "max")
		keys := rapid.SliceOfN(rapid.Int64Range(0, 12), 1, 60).Draw(rt, "keys")
		kept, dropped := smallestKeys(keys, most)
		counts := map[string]int64{}
		for _, k := range keys {
			if slices.Contains(kept, k) {
				counts[strconv.FormatInt(k, 10)]++
			}
		}
		status := featurestore.Present
		if dropped {
			status = featurestore.Approximate
		}
		for _, call := range []agg.Call{
			{Func: "histogram", Input: featurestore.Int64, Max: int64(most)},
			{Func: "count", By: featurestore.Int64, MaxKeys: int64(most)},
			{Func: "distinct", Input: featurestore.Int64, Max: int64(most)},
		} {
			a := newAlgebra(t, call, -1)
			cell := a.read(anyTree(rt, a, keys))
			if cell.Status != status || len(cell.Value.Elems()) != len(kept) {
				rt.Fatalf("%s: %v %s, want the keys %v, %s", name(call), cell.Value, cell.Status, kept, status)
			}
			for i, v := range cell.Value.Elems() {
				if call.Func == "distinct" {
					if !slices.Contains(kept, v.Int64()) {
						rt.Fatalf("distinct has %d, want %v", v.Int64(), kept)
					}
				} else if key := cell.Value.Keys()[i]; v.Int64() != counts[key] {
					rt.Fatalf("%s: %s has %d, want %d", name(call), key, v.Int64(), counts[key])
				}
			}
		}
	})
}

// anyTree adds keys, in a drawn order, to cells that are merged in a drawn tree;
// some go through their bytes.
func anyTree(rt *rapid.T, a algebra, keys []int64) agg.Slot {
	var parts []agg.Slot
	for _, k := range rapid.Permutation(keys).Draw(rt, "order") {
		if len(parts) == 0 || rapid.IntRange(0, 2).Draw(rt, "part") == 0 {
			parts = append(parts, a.cells.Alloc())
		}
		var o agg.Order
		x := featurestore.Int64Value(k)
		a.cells.Add(parts[len(parts)-1], &o, []featurestore.Value{x, featurestore.Null, featurestore.Null, x})
	}
	for len(parts) > 1 {
		i := rapid.IntRange(1, len(parts)-1).Draw(rt, "merge")
		a.cells.Merge(parts[i-1], parts[i:i+1])
		a.cells.Free(parts[i])
		parts = slices.Delete(parts, i, i+1)
	}
	return parts[0]
}

// TestQuantileAboveItsCap holds that the state is one for any order around the
// cap, where it turns from all values into a sketch.
func TestQuantileAboveItsCap(t *testing.T) {
	call := agg.Call{Func: "quantile", Input: featurestore.Int64, Share: agg.Share{Unscaled: 9, Digits: 1}}
	for _, n := range []int{agg.MaxExactValues - 1, agg.MaxExactValues, agg.MaxExactValues + 1, 2*agg.MaxExactValues + 7} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			a := newAlgebra(t, call, -1)
			g := rand.New(rand.NewPCG(1, uint64(n)))
			var want []byte
			for _, cuts := range []int{1, 2, 3, 40} {
				parts := make([]agg.Slot, cuts)
				for i := range parts {
					parts[i] = a.cells.Alloc()
				}
				for _, x := range g.Perm(n) {
					var o agg.Order
					a.cells.Add(parts[g.IntN(cuts)], &o, []featurestore.Value{featurestore.Int64Value(int64(x)), featurestore.Null, featurestore.Null, featurestore.Null})
				}
				s := a.merged(parts...)
				if got := a.bytes(s); want == nil {
					want = got
				} else if !bytes.Equal(got, want) {
					t.Fatalf("%d cells of %d values: %d bytes that differ from %d bytes", cuts, n, len(got), len(want))
				}
				exact := float64(n-1) * 0.9
				cell := a.read(s)
				got := cell.Value.Double()
				if n <= agg.MaxExactValues && (cell.Status != featurestore.Present || got != exact) {
					t.Errorf("%v %s, want %v", got, cell.Status, exact)
				}
				if n > agg.MaxExactValues && (cell.Status != featurestore.Approximate || got < exact*0.989 || got > exact*1.011) {
					t.Errorf("%v %s, want about %v", got, cell.Status, exact)
				}
			}
		})
	}
}

// TestVectorsThatAreTooLongAreNull holds the cap of a vector.
func TestVectorsThatAreTooLongAreNull(t *testing.T) {
	for _, function := range []string{"sum", "avg", "min", "max"} {
		a := newAlgebra(t, agg.Call{Func: function, Input: vector}, -1)
		s := a.cells.Alloc()
		for _, n := range []int{agg.MaxVector, agg.MaxVector + 1} {
			var o agg.Order
			a.cells.Add(s, &o, []featurestore.Value{list(slices.Repeat(doubles(3), n)...), null, null, null})
		}
		if got := len(a.read(s).Value.Elems()); got != agg.MaxVector {
			t.Errorf("%s has %d elements, want %d", function, got, agg.MaxVector)
		}
	}
}

// TestBytesOfSmallIntegers holds what a tile costs: the cells of count, sum, min
// and max, to which a tile adds one or two bytes of its own.
func TestBytesOfSmallIntegers(t *testing.T) {
	for _, in := range []featurestore.Type{featurestore.Int64, featurestore.Double} {
		layout, _ := basic(t, in)
		c := layout.NewCells()
		s := c.Alloc()
		for i := range int64(100) {
			var o agg.Order
			x := featurestore.Int64Value(i)
			if in.Kind == featurestore.KindDouble {
				x = featurestore.DoubleValue(float64(i))
			}
			c.Add(s, &o, []featurestore.Value{x})
		}
		if got := len(c.Append(nil, s, 0)); got > 8 {
			t.Errorf("%s: %d bytes, want at most 8", in, got)
		}
	}
}

// TestAddAndMergeDoNotAllocate holds it for what most features ask for, once the
// memory is there.
func TestAddAndMergeDoNotAllocate(t *testing.T) {
	layout, finishers := basic(t, featurestore.Double)
	c := layout.NewCells()
	s, acc := c.Alloc(), c.Alloc()
	n := 0.0
	inputs := make([]featurestore.Value, 1)
	src := []agg.Slot{s}
	var o agg.Order
	if got := testing.AllocsPerRun(1000, func() {
		n++
		inputs[0] = featurestore.DoubleValue(n / 7)
		c.Add(s, &o, inputs)
		c.Clear(acc)
		c.Merge(acc, src)
		for i := range finishers {
			finishers[i].Read(c, acc, 0)
		}
	}); got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}
