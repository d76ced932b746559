package expr

import (
	"testing"

	"github.com/freshet/freshet/featurestore"
)

func BenchmarkThreshold(b *testing.B) {
	p, err := Compile("dep_delay > 15.0 ? 1.0 : 0.0", []Var{{"n", featurestore.Int64}, {"dep_delay", featurestore.Double}})
	if err != nil {
		b.Fatal(err)
	}
	r := []featurestore.Value{featurestore.Null, featurestore.DoubleValue(17)}
	b.ReportAllocs()
	for b.Loop() {
		p.Eval(r)
	}
}

func BenchmarkSurge(b *testing.B) {
	p, err := Compile("double(departures_30m) / (double(departures_24h) / 48.0 + 1.0)", []Var{{"departures_30m", featurestore.Int64}, {"departures_24h", featurestore.Int64}})
	if err != nil {
		b.Fatal(err)
	}
	r := []featurestore.Value{featurestore.Int64Value(12), featurestore.Int64Value(300)}
	b.ReportAllocs()
	for b.Loop() {
		p.Eval(r)
	}
}
