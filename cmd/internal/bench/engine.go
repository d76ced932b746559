//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/decode"
	"github.com/freshet/freshet/ingest/logrecord"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/exact"
	"github.com/freshet/freshet/transforms/window"
)

// engine measures the aggregation engine alone, without stores and logs.
func engine(_ context.Context, o *options) ([]row, error) {
	var rows []row
	for _, part := range []func(int) ([]row, error){adding, decoding, sums, reading, sizes} {
		list, err := part(o.pairs)
		if err != nil {
			return nil, err
		}
		rows = append(rows, list...)
	}
	return rows, nil
}

// basicView is a view of windows x (count, sum, avg, min, max) over one input.
func basicView(input featurestore.Type, widths ...featurestore.Duration) *window.Plan {
	c := window.Config{Sources: []window.SourceRule{{AllowedLateness: featurestore.Hour}}}
	for _, w := range widths {
		c.Features = append(c.Features, window.Feature{Name: "count", Call: agg.Call{Func: "count"}, Input: -1, Where: -1, Width: w})
		for _, f := range []string{"sum", "avg", "min", "max"} {
			c.Features = append(c.Features, window.Feature{Name: f, Call: agg.Call{Func: f, Input: input}, Input: 0, Where: -1, Width: w})
		}
	}
	return mustPlan(c)
}

func mustPlan(c window.Config) *window.Plan {
	p, err := window.Compile(c)
	if err != nil {
		panic(err) // the views of this program are constants
	}
	return p
}

// threeWindows are those of the benchmark of the stream.
func threeWindows() []featurestore.Duration {
	return []featurestore.Duration{featurestore.Hour, featurestore.Day, 7 * featurestore.Day}
}

// feeder gives one entity an event every step.
type feeder struct {
	plan  *window.Plan
	state window.State
	row   window.Row
	step  featurestore.Duration
	value func(i int64) featurestore.Value
	n     int64
}

func newFeeder(p *window.Plan, step featurestore.Duration, value func(i int64) featurestore.Value) *feeder {
	return &feeder{plan: p, row: window.Row{Inputs: make([]featurestore.Value, 1)}, step: step, value: value}
}

// settleEvery is how many events a batch holds.
const settleEvery = 100

func (f *feeder) feed(n int) {
	for range n {
		at := f.n * int64(f.step)
		f.row.Offset, f.row.Time, f.row.LogTime = f.n, featurestore.EventTime(at), featurestore.LogTime(at)
		f.row.Inputs[0] = f.value(f.n)
		f.plan.Apply(&f.state, &f.row)
		if f.n++; f.n%settleEvery == 0 {
			f.plan.Settle(&f.state)
		}
	}
}

func cents(i int64) featurestore.Value { return featurestore.DoubleValue(float64(i*7919%1000) / 100) }
func small(i int64) featurestore.Value { return featurestore.Int64Value(i * 7919 % 100) }

// adding compares one event into three windows with a design that keeps a bucket
// for each slide of each window, and with ours over a window 720 times as long.
func adding(pairs int) ([]row, error) {
	if err := sameSums(); err != nil {
		return nil, err
	}
	ours := newFeeder(basicView(featurestore.Double, threeWindows()...), featurestore.Second, cents)
	slides := newSlides(basicView(featurestore.Double, threeWindows()...))
	long := newFeeder(basicView(featurestore.Double, 30*featurestore.Day), featurestore.Second, cents)
	short := newFeeder(basicView(featurestore.Double, featurestore.Hour), featurestore.Second, cents)
	rows := []row{
		within("add an event: 3 windows x (count, sum, avg, min, max)", 150, pairs, 1, ours.feed),
		contest{name: "add an event, against a bucket a slide", opponent: "bucket a slide", ours: ours.feed, theirs: slides.feed, target: 50}.run(pairs),
	}
	flat := contest{name: "add to a window of 30d, against 1h (1 = no growth)", opponent: "ours, 1h", ours: long.feed, theirs: short.feed, target: 0.7}.run(pairs)
	return append(rows, flat), nil
}

// flight is an event of 200 bytes.
const flight = `{"departed_at":"2013-01-01T10:17:00Z","origin":"EWR","dest":"IAH","carrier":"UA","flight":1545,"tailnum":"N14228","dep_delay":2.0,"arr_delay":11.0,"distance":1400,"cancelled":false,"gate":"C104","x":1}`

func decoding(pairs int) ([]row, error) {
	fields := []definition.Field{
		{Name: "origin", Type: featurestore.String}, {Name: "dest", Type: featurestore.String}, {Name: "carrier", Type: featurestore.String},
		{Name: "tailnum", Type: featurestore.String}, {Name: "dep_delay", Type: featurestore.Double}, {Name: "arr_delay", Type: featurestore.Double},
		{Name: "distance", Type: featurestore.Int64}, {Name: "cancelled", Type: featurestore.Bool},
	}
	d, err := decode.New(&definition.StreamSource{Timestamp: definition.TimeSpec{Name: "departed_at"}, EventID: -1, Sequence: -1, Fields: fields}, decode.Options{})
	if err != nil {
		return nil, err
	}
	rec := logrecord.Record{LogTime: 1_357_035_420_000_000, Value: []byte(flight)}
	var batch decode.Batch
	var failed error
	ours := func(n int) {
		for i := range n {
			if i%1000 == 0 {
				batch.Reset()
			}
			if err := d.Append(&batch, &rec, featurestore.PartitionID{}); err != nil {
				failed = err
			}
		}
	}
	theirs := func(n int) {
		for range n {
			var event struct {
				Departed                       string `json:"departed_at"`
				Origin, Dest, Carrier, Tailnum string
				DepDelay                       float64 `json:"dep_delay"`
				ArrDelay                       float64 `json:"arr_delay"`
				Distance                       int64
				Cancelled                      bool
			}
			if err := json.Unmarshal([]byte(flight), &event); err != nil {
				failed = err
			}
		}
	}
	rows := []row{
		within("decode 9 of 12 fields of a 200-byte JSON event", 350, pairs, 1, ours),
		contest{name: "decode, against the standard library", opponent: "encoding/json", ours: ours, theirs: theirs, target: 4}.run(pairs),
	}
	return rows, failed
}

// sums compares the exact sum of doubles with a naive one, which is wrong, and
// with one of big rationals, which is right.
func sums(pairs int) ([]row, error) {
	values := make([]float64, 1024)
	for i := range values {
		values[i] = float64(i*7919%100_000)/100 - 300
	}
	var f exact.Float
	ours := func(n int) {
		f.Reset()
		for i := range n {
			f.Add(values[i%len(values)])
		}
	}
	wide := new(big.Float).SetPrec(2200)
	theirs := func(n int) {
		wide.SetInt64(0)
		x := new(big.Float)
		for i := range n {
			wide.Add(wide, x.SetFloat64(values[i%len(values)]))
		}
	}
	ours(3000)
	theirs(3000)
	got, _ := f.Round()
	if want, _ := wide.Float64(); got != want {
		return nil, fmt.Errorf("the exact sum is %v, big.Float says %v", got, want)
	}
	return []row{
		within("exact sum of doubles, an addition", 12, pairs, 1, ours),
		contest{name: "exact sum, against big.Float", opponent: "big.Float, 2200 bits", ours: ours, theirs: theirs, target: 5}.run(pairs),
	}, nil
}

// reading measures ten windows up to 30 days from the bytes of a dense entity.
func reading(pairs int) ([]row, error) {
	c := window.Config{Sources: []window.SourceRule{{AllowedLateness: featurestore.Hour}}}
	hour, day := featurestore.Hour, featurestore.Day
	for _, w := range []featurestore.Duration{hour / 2, 3 * hour / 4, hour, day, 2 * day, 3 * day, 4 * day, 5 * day, 25 * day, 30 * day} {
		c.Features = append(c.Features, window.Feature{Name: "count", Call: agg.Call{Func: "count"}, Input: -1, Where: -1, Width: w})
		for _, f := range []string{"sum", "min", "max"} {
			c.Features = append(c.Features, window.Feature{Name: f, Call: agg.Call{Func: f, Input: featurestore.Int64}, Input: 0, Where: -1, Width: w})
		}
	}
	p := mustPlan(c)
	f := newFeeder(p, featurestore.Minute, small)
	f.feed(60 * 24 * 40)
	p.Settle(&f.state)
	open, closed := p.AppendOpen(nil, &f.state), p.AppendClosed(nil, &f.state)
	newest, folded := f.state.Newest()
	h := window.Header{Applied: f.state.Applied, Newest: newest, Folded: folded}
	t := featurestore.Instant(newest) + 1
	got, want := make([]featurestore.Cell, len(c.Features)), make([]featurestore.Cell, len(c.Features))
	p.Read(&f.state, t, want)
	var scratch window.Scratch
	var failed error
	ours := func(n int) {
		for range n {
			if err := p.ReadPacked(window.Packed{Open: open, Closed: closed, Header: h}, t, &scratch, got); err != nil {
				failed = err
			}
		}
	}
	var decoded window.State
	theirs := func(n int) {
		for range n {
			if err := p.DecodeState(open, closed, h, &decoded); err != nil {
				failed = err
			}
			p.Read(&decoded, t, want)
		}
	}
	ours(1)
	for i := range got {
		if got[i].Status != want[i].Status || !got[i].Value.Equal(want[i].Value) {
			return nil, fmt.Errorf("feature %d: read from bytes %v, from the state %v", i, got[i], want[i])
		}
	}
	name := fmt.Sprintf("read 10 windows up to 30d from bytes, %d tiles", f.state.Tiles())
	rows := []row{
		within(name, 5000, pairs, 1, ours),
		contest{name: "read from bytes, against decoding first", opponent: "decode, then read", ours: ours, theirs: theirs, target: 2}.run(pairs),
	}
	return rows, failed
}

// sizes measures what an entity takes in the store, and what an event writes.
func sizes(int) ([]row, error) {
	tile := window.Config{Sources: []window.SourceRule{{}}}
	tile.Features = append(tile.Features, window.Feature{Name: "count", Call: agg.Call{Func: "count"}, Input: -1, Where: -1, Width: featurestore.Day})
	for _, fn := range []string{"sum", "min", "max"} {
		tile.Features = append(tile.Features, window.Feature{Name: fn, Call: agg.Call{Func: fn, Input: featurestore.Int64}, Input: 0, Where: -1, Width: featurestore.Day})
	}
	p := mustPlan(tile)
	f := newFeeder(p, 10*featurestore.Minute, small)
	f.feed(1000)
	p.Settle(&f.state)
	perTile := float64(len(p.AppendOpen(nil, &f.state))+len(p.AppendClosed(nil, &f.state))) / float64(f.state.Tiles())
	rows := []row{limited("bytes of a tile: count, sum, min, max of small integers", "bytes", perTile, perTile, 12)}
	for _, c := range []struct {
		name string
		step featurestore.Duration
	}{{"an event a minute", featurestore.Minute}, {"an event an hour", featurestore.Hour}, {"30 events in 7 days", 7 * featurestore.Day / 30}} {
		whole, written := storeBytes(basicView(featurestore.Int64, threeWindows()...), c.step)
		rows = append(rows,
			limited("whole state, windows 1h, 24h, 7d, "+c.name, "bytes", whole, whole, 2500),
			limited("bytes that an event writes, "+c.name, "bytes", written, written, 300))
	}
	return rows, nil
}

// storeBytes feeds an entity for 14 days, one apply an event, and gives the
// largest state and the mean of what an apply writes, headers included.
func storeBytes(p *window.Plan, step featurestore.Duration) (whole, written float64) {
	f := newFeeder(p, step, small)
	h := codec.Header{Key: []byte("\x04\x05u1234")}
	n := int(14 * featurestore.Day / step)
	var open, closed []byte
	total, largest := 0, 0
	for range n {
		f.feed(1)
		p.Settle(&f.state)
		changed := f.state.ClosedChanged()
		open, closed = codec.AppendEntity(open[:0], closed[:0], h, p, &f.state)
		f.state.Stored()
		total += len(open)
		if changed {
			total += len(closed)
		}
		largest = max(largest, len(open)+len(closed))
	}
	return float64(largest), float64(total) / float64(n)
}
