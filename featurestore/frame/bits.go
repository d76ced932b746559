package frame

import (
	"math"

	"github.com/freshet/freshet/featurestore"
)

func floatOf(bits uint64) float64 { return math.Float64frombits(bits) }

// bitsOf gives the 64 bits that stand for a fixed-width value; 0 for null.
func bitsOf(v featurestore.Value) uint64 {
	switch v.Kind() {
	case featurestore.KindBool:
		if v.Bool() {
			return 1
		}
		return 0
	case featurestore.KindDouble:
		return math.Float64bits(v.Double())
	case featurestore.KindTimestamp:
		return uint64(v.Timestamp())
	default:
		return uint64(v.Int64())
	}
}
