package oracle_test

import (
	"math"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

// Random logs are small; these reach the caps. Each is fed as a random one is.
func TestCapsEqualOracle(t *testing.T) {
	for _, c := range []struct {
		name    string
		rows    int
		pace    featurestore.Duration
		changes bool
		of      func(g gen) []window.Feature
	}{
		{"sessions", 1100, second, false, func(gen) []window.Feature {
			return []window.Feature{
				over(window.Session, 2*second, "count", nil), over(window.Session, 2*second, "first", nil), over(window.Session, 3*second, "sum", where),
				over(window.Session, 10*second, "last", nil),
			}
		}},
		{"distinct values", 2000, second, false, func(gen) []window.Feature {
			return []window.Feature{
				over(window.Trailing, day, "count_distinct", nil), over(window.Trailing, hour, "approx_count_distinct", nil), over(window.Lifetime, 0, "distinct", limit(500)),
				over(window.Tumbling, 20*minute, "histogram", limit(300)), over(window.Trailing, hour, "count", byKey), over(window.Trailing, hour, "approx_quantile", doubles53),
			}
		}},
		{"quantiles", 10_100, second, false, func(gen) []window.Feature {
			return []window.Feature{over(window.Trailing, day, "median", nil), over(window.Lifetime, 0, "quantile", doubles53), over(window.Trailing, hour, "median", doubles53)}
		}},
		{"rows of exact windows", 1400, second, false, func(gen) []window.Feature {
			return []window.Feature{over(window.Trailing, 1000*second, "sum", exactly), over(window.Trailing, 1010*second, "last_n", exactly), over(window.Trailing, hour, "count", exactly)}
		}},
		{"raw rows", 10_050, second, true, func(gen) []window.Feature {
			return []window.Feature{
				over(window.Trailing, hour, "max", nil), over(window.Lifetime, 0, "last", nil), over(window.Trailing, day, "min", where), over(window.Session, 20*second, "count", nil),
				over(window.Trailing, 10*second, "count", ago(10_020*second)), over(window.Trailing, 10*second, "min", ago(10_020*second)), over(window.Trailing, hour, "last", exactly), over(window.Trailing, 10*second, "sum", exactly),
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(1) {
				g := newGen(*firstSeed + seed)
				s := &scenario{inputs: wide, seed: seed, sparse: true}
				s.config = window.Config{Features: c.of(g), Sources: []window.SourceRule{{AllowedLateness: hour, Changes: c.changes}}}
				s.parts = [][]record{wideLog(g, 0, c.rows/2, 2*c.pace, c.changes), wideLog(g, 1, c.rows-c.rows/2, 2*c.pace, c.changes)}
				r := &run{scenario: s}
				if problem := r.check(); problem != "" {
					t.Errorf("seed %d: %s", *firstSeed+seed, problem)
				}
				if r.cells == 0 {
					t.Error("nothing was read")
				}
			}
		})
	}
}

// wide are the columns of these rows: a number, a double, a condition.
var wide = []featurestore.Type{featurestore.Int64, featurestore.Double, featurestore.Bool}

// over is a feature of the number.
func over(kind window.Kind, width featurestore.Duration, function string, more func(*window.Feature)) window.Feature {
	f := window.Feature{Name: function, Kind: kind, Width: width, Call: agg.Call{Func: function, Input: featurestore.Int64}, Second: -1, By: -1, Where: -1}
	switch function {
	case "last_n":
		f.Call.N = 10_000
	case "quantile", "approx_quantile":
		f.Call.Share = agg.Share{Unscaled: 9, Digits: 1}
	}
	if more != nil {
		more(&f)
	}
	f.Type = resultType(f.Call)
	if f.By >= 0 {
		f.Type = featurestore.Map(f.Type)
	}
	return f
}

func where(f *window.Feature) { f.Where = 2 }
func ago(d featurestore.Duration) func(*window.Feature) {
	return func(f *window.Feature) { f.Offset = d }
}
func exactly(f *window.Feature)   { f.Exact = true }
func doubles53(f *window.Feature) { f.Input, f.Call.Input = 1, featurestore.Double }

func byKey(f *window.Feature) { f.By, f.Call.By = 0, featurestore.Int64 }

func limit(n int64) func(*window.Feature) {
	return func(f *window.Feature) { f.Call.Max = n }
}

// wideLog is one partition: a row every pace, mostly, and with changes some that
// retract an earlier one.
func wideLog(g gen, partition int32, n int, pace featurestore.Duration, changes bool) []record {
	var records []record
	e := int64(1_710_000_000*second) + int64(partition)*int64(second)
	for offset := range int64(n) {
		e += int64(pace)
		row := window.Row{Position: featurestore.Position{PartitionID: featurestore.PartitionID{Partition: partition}, Offset: offset}}
		row.Time, row.LogTime = featurestore.EventTime(e+g.Int64N(1000)), featurestore.LogTime(e+g.Int64N(1000))
		row.Inputs = []featurestore.Value{
			featurestore.Int64Value(g.Int64N(5000)), featurestore.DoubleValue(math.Ldexp(g.Float64(), g.IntN(100)-50)), featurestore.BoolValue(g.chance(90)),
		}
		if changes {
			row.Change, row.Mutated = featurestore.Added, row.Time
			if offset > 0 && g.chance(10) {
				old := records[g.IntN(len(records))][0]
				row.Change, row.Time, row.Inputs = featurestore.Retracted, old.Time, old.Inputs
			}
		}
		records = append(records, record{row})
	}
	return records
}
