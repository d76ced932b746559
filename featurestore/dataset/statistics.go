package dataset

import (
	"math/big"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/pit"
)

// Statistics is what a column of a training set holds. Min, Max and Mean are
// texts, as values are written; they are of numbers and, but for the mean, of
// timestamps.
type Statistics struct {
	Name     string         `json:"name"`
	Type     string         `json:"type"`
	Nulls    int64          `json:"nulls"`
	Statuses map[string]int `json:"statuses"`
	Min      string         `json:"min,omitempty"`
	Max      string         `json:"max,omitempty"`
	Mean     string         `json:"mean,omitempty"`
}

func statisticsOf(c *pit.Column) Statistics {
	s := Statistics{Name: c.Name, Type: c.Type.String(), Statuses: map[string]int{}}
	for _, status := range c.Status {
		s.Statuses[status.String()]++
	}
	least, greatest, values := featurestore.Null, featurestore.Null, int64(0)
	for i := range c.Len() {
		v := c.Value(i)
		if v.IsNull() {
			s.Nulls++
			continue
		}
		if !ordered(v.Kind()) {
			continue
		}
		values++
		if least.IsNull() || v.Compare(least) < 0 {
			least = v
		}
		if greatest.IsNull() || v.Compare(greatest) > 0 {
			greatest = v
		}
	}
	if values == 0 {
		return s
	}
	s.Min, s.Max = least.Text(c.Type), greatest.Text(c.Type)
	if least.Kind() != featurestore.KindTimestamp {
		s.Mean = mean(c, values)
	}
	return s
}

func ordered(k featurestore.Kind) bool {
	switch k {
	case featurestore.KindInt64, featurestore.KindDouble, featurestore.KindDecimal, featurestore.KindTimestamp:
		return true
	default:
		return false
	}
}

// meanBits is the precision of the running sum of a mean: far more than a double
// shows, so that the result does not hang on the rounding of a long sum.
const meanBits = 256

func mean(c *pit.Column, values int64) string {
	sum := new(big.Float).SetPrec(meanBits)
	for i := range c.Len() {
		switch v := c.Value(i); v.Kind() {
		case featurestore.KindInt64, featurestore.KindDecimal:
			sum.Add(sum, new(big.Float).SetInt64(v.Int64()))
		case featurestore.KindDouble:
			sum.Add(sum, new(big.Float).SetFloat64(v.Double()))
		default:
		}
	}
	for range c.Type.Scale {
		sum.Quo(sum, big.NewFloat(10))
	}
	f, _ := sum.Quo(sum, new(big.Float).SetInt64(values)).Float64()
	return featurestore.DoubleValue(f).Text(featurestore.Double)
}
