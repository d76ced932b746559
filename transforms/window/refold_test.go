package window_test

import (
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

// BenchmarkReadRebuilt reads an entity of a change feed whose rows are folded
// anew, from bytes: 2,000 rows, none of which was taken away.
func BenchmarkReadRebuilt(b *testing.B) {
	c := window.Config{Sources: []window.SourceRule{{AllowedLateness: featurestore.Hour, Changes: true}}}
	c.Features = append(c.Features, window.Feature{Call: agg.Call{Func: "max", Input: featurestore.Double}, Input: 0, Second: -1, By: -1, Where: -1, Width: featurestore.Day})
	p, err := window.Compile(c)
	if err != nil {
		b.Fatal(err)
	}
	s := new(window.State)
	row := window.Row{Change: featurestore.Added, Inputs: make([]featurestore.Value, 1)}
	for i := range int64(2000) {
		at := i * 30 * second
		row.Offset, row.Time, row.LogTime, row.Mutated = i, featurestore.EventTime(at), featurestore.LogTime(at), featurestore.EventTime(at)
		row.Inputs[0] = featurestore.DoubleValue(float64(i%1000) / 100)
		p.Apply(s, &row)
	}
	p.Settle(s)
	in := window.Packed{Open: p.AppendOpen(nil, s), Closed: p.AppendClosed(nil, s), Header: headerOf(s)}
	at, out := p.ReadTime(s), make([]featurestore.Cell, 1)
	var sc window.Scratch
	b.ReportAllocs()
	defer cpu(b)()
	for b.Loop() {
		if err := p.ReadPacked(in, at, &sc, out); err != nil {
			b.Fatal(err)
		}
	}
}
