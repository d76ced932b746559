package history

import (
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
)

// payments is a source with two texts, one of many values and one of few.
func payments() *definition.StreamSource {
	return &definition.StreamSource{Meta: definition.Meta{Name: "payments"}, EventID: -1, Sequence: -1, AllowedLateness: featurestore.Hour, Fields: []definition.Field{
		{Name: "user", Type: featurestore.String}, {Name: "amount", Type: featurestore.Int64}, {Name: "channel", Type: featurestore.String},
	}}
}

const paymentRows = 100_000

// paymentChunk is what one chunk of a stream brings.
func paymentChunk(b *testing.B, source *definition.StreamSource, k int) *columnar.Events {
	events, r := columnar.New(source), rand.New(rand.NewPCG(1, uint64(k)))
	for i := range paymentRows {
		n, user := k*paymentRows+i, r.IntN(100_000)
		at := featurestore.Instant(n) * 216_000
		ok(b, events.Append(&featurestore.Event{
			Position: featurestore.Position{PartitionID: featurestore.PartitionID{Generation: 1}, Offset: int64(n)}, Time: featurestore.EventTime(at) - featurestore.EventTime(r.IntN(100)/99*r.IntN(600_000_000)), LogTime: featurestore.LogTime(at),
			Fields: []featurestore.Value{
				featurestore.StringValue(fmt.Sprintf("u%07d", user)), featurestore.Int64Value(int64(r.IntN(20_000))), featurestore.StringValue([]string{"web", "shop", "phone", "partner"}[user%4]),
			},
		}))
	}
	return events
}

// BenchmarkAppend archives chunks of a stream.
func BenchmarkAppend(b *testing.B) {
	source := payments()
	dir, p := b.TempDir(), offline.Partition{Generation: 1}
	w := open(b, Options{Dir: dir, Source: source, Disk: fast})
	ok(b, w.Begin(p, 0))
	b.ReportAllocs()
	b.ResetTimer()
	for k := range b.N {
		b.StopTimer()
		events := paymentChunk(b, source, k)
		b.StartTimer()
		ok(b, w.Append(events))
	}
	ok(b, w.Close())
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*paymentRows), "ns/row")
	m, err := archive.LoadPartition(dir, source.Name, p)
	ok(b, err)
	size := int64(0)
	for _, f := range m.Files {
		size += f.Bytes
	}
	b.ReportMetric(float64(size)/float64(b.N*paymentRows), "bytes/row")
}

// BenchmarkSeal makes a file of so many of these rows, without the disk.
func BenchmarkSeal(b *testing.B) {
	source := payments()
	events := paymentChunk(b, source, 0)
	for _, n := range []int{100, paymentRows} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := open(b, Options{Dir: b.TempDir(), Source: source, Disk: fast})
			defer func() { ok(b, w.Close()) }()
			rows, p := newBuffers(source, n), offline.Partition{Generation: 1}
			ok(b, rows.add(p, events, 0, n))
			of := rows.partition(p)
			b.ReportAllocs()
			for b.Loop() {
				for _, day := range days(of) {
					ok(b, w.writeColumns(io.Discard, of, &day, 0))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/row")
		})
	}
}

// BenchmarkCompact merges eight files of so many of these rows.
func BenchmarkCompact(b *testing.B) {
	source := payments()
	for _, n := range []int{1000, paymentRows} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				dir, p := b.TempDir(), offline.Partition{Generation: 1}
				w := open(b, Options{Dir: dir, Source: source, Disk: fast, SealRows: n})
				ok(b, w.Begin(p, 0))
				for k := range openFiles {
					events, all := columnar.New(source), paymentChunk(b, source, k*n/paymentRows)
					from := k * n % paymentRows
					ok(b, events.AppendRows(all, from, from+n))
					ok(b, w.Append(events))
				}
				ok(b, w.Close())
				b.StartTimer()
				c := Compaction{Dir: dir, Source: source.Name, Disk: fast, Now: 1}
				done, err := c.Run(b.Context())
				ok(b, err)
				if done.Made == 0 || done.Rows < int64(n) {
					b.Fatalf("%+v", done)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*openFiles*n), "ns/row")
		})
	}
}
