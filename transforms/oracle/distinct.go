package oracle

import (
	"encoding/binary"
	"math/big"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

const defaultDistinct = 1000

// countDistinct counts distinct 64-bit hashes, exactly up to the cap; above it
// the cap's number of smallest hashes gives the KMV estimate
// (max - 1) x 2^64 / (h_max + 1), rounded half to even.
func countDistinct(f *window.Feature, xs []featurestore.Value) featurestore.Cell {
	limit := f.Call.Max
	if limit == 0 {
		limit = defaultDistinct
	}
	var hashes []uint64
	for _, x := range xs {
		hashes = append(hashes, hash(x))
	}
	slices.Sort(hashes)
	hashes = slices.Compact(hashes)
	if int64(len(hashes)) <= limit {
		return present(featurestore.Int64Value(int64(len(hashes))))
	}
	estimate := new(big.Rat).SetFrac(
		new(big.Int).Lsh(big.NewInt(limit-1), 64),
		new(big.Int).Add(new(big.Int).SetUint64(hashes[limit-1]), big.NewInt(1)))
	n := halfEven(estimate)
	if !n.IsInt64() {
		return featurestore.Cell{Status: featurestore.Overflow}
	}
	return featurestore.Cell{Value: featurestore.Int64Value(n.Int64()), Status: featurestore.Approximate}
}

// distinct is the different values, ascending.
func distinct(f *window.Feature, xs []featurestore.Value) featurestore.Cell {
	kept, cut := smallest(different(xs), int(f.Call.Max))
	slices.SortFunc(kept, featurestore.Value.Compare)
	return approximate(present(featurestore.ListValue(kept)), cut)
}

// smallest keeps at most limit of different values, those with the smallest
// hashes.
func smallest(values []featurestore.Value, limit int) (kept []featurestore.Value, cut bool) {
	kept = slices.Clone(values)
	slices.SortFunc(kept, func(x, y featurestore.Value) int {
		if hash(x) < hash(y) {
			return -1
		}
		return 1
	})
	if len(kept) <= limit {
		return kept, false
	}
	return kept[:limit], true
}

func hash(v featurestore.Value) uint64 { return xxh3.Hash(typedBytes(v)) }

// typedBytes are the bytes of a value that are hashed: one byte 0 or 1 for a
// bool; eight bytes, little endian, for int64, timestamp, decimal (the unscaled
// integer) and double (its IEEE bits); text and bytes are themselves.
func typedBytes(v featurestore.Value) []byte {
	switch v.Kind() {
	case featurestore.KindBool:
		if v.Bool() {
			return []byte{1}
		}
		return []byte{0}
	case featurestore.KindString, featurestore.KindBytes:
		return []byte(v.Str())
	case featurestore.KindTimestamp:
		return binary.LittleEndian.AppendUint64(nil, uint64(v.Timestamp()))
	default: // Int64 gives the 64 bits of an int64, a decimal or a double
		return binary.LittleEndian.AppendUint64(nil, uint64(v.Int64()))
	}
}

// halfEven rounds a non-negative rational to an integer.
func halfEven(x *big.Rat) *big.Int {
	whole, rest := new(big.Int).QuoRem(x.Num(), x.Denom(), new(big.Int))
	switch rest.Lsh(rest, 1).Cmp(x.Denom()) {
	case 1:
		whole.Add(whole, big.NewInt(1))
	case 0:
		if whole.Bit(0) == 1 {
			whole.Add(whole, big.NewInt(1))
		}
	}
	return whole
}
