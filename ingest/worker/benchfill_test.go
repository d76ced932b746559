package worker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
	"github.com/freshet/freshet/featurestore/offline/history"
	"github.com/freshet/freshet/featurestore/online"
	archive "github.com/freshet/freshet/ingest/history"
)

// counting is an obliging store that counts what is written.
type counting struct {
	obliging
	writes atomic.Int64
}

func (s *counting) Apply(ctx context.Context, batches []online.Batch) []online.Result {
	for i := range batches {
		s.writes.Add(int64(len(batches[i].Writes)))
	}
	return s.obliging.Apply(ctx, batches)
}

// archivePayments archives events as the stream benchmark has them (cmd/internal/bench):
// each user's in one of two partitions, one in a hundred late.
func archivePayments(b *testing.B, source *definition.StreamSource, dir string, n int) {
	b.Helper()
	w, err := archive.Open(archive.Options{Dir: dir, Source: source, Disk: atomicfile.Disk{Durability: atomicfile.Crash}})
	ok(b, err)
	const partitions = 2
	var next [partitions]int64
	for p := range int32(partitions) {
		ok(b, w.Begin(offline.Partition{Generation: 1, Partition: p}, 0))
	}
	r := rand.New(rand.NewPCG(20_26, uint64(n)))
	channels := []string{"web", "shop", "phone", "partner"}
	for done := 0; done < n; {
		var chunk [partitions]*columnar.Events
		for p := range chunk {
			chunk[p] = columnar.New(source)
		}
		for range min(100_000, n-done) {
			user, at := r.IntN(benchUsers), featurestore.EventTime(base)+featurestore.EventTime(float64(done)/float64(n)*7.5*24*3600*micros)
			late := featurestore.EventTime(0)
			if r.IntN(100) == 0 {
				late = featurestore.EventTime(r.IntN(600_000)) * 1000
			}
			p := user % partitions
			ok(b, chunk[p].Append(&featurestore.Event{
				Position: featurestore.Position{PartitionID: featurestore.PartitionID{Generation: 1, Partition: int32(p)}, Offset: next[p]},
				Time:     at - late, LogTime: featurestore.LogTime(at), Fields: []featurestore.Value{
					featurestore.StringValue(fmt.Sprintf("u%07d", user)), featurestore.Int64Value(int64(r.IntN(20_000))), featurestore.StringValue(channels[user%4]),
				},
			}))
			next[p]++
			done++
		}
		for p := range chunk {
			ok(b, w.Append(chunk[p]))
		}
	}
	ok(b, w.Close())
}

// processorTime is what this process has used, in nanoseconds.
func processorTime(b *testing.B) int64 {
	var u syscall.Rusage
	ok(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkFill fills a generation from archived files, but for what the store does.
func BenchmarkFill(b *testing.B) {
	for _, n := range []int{375_000, 3_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			view := paymentsView(b)
			dir := b.TempDir()
			archivePayments(b, view.Bindings[0].Source, dir, n)
			used, writes := int64(0), int64(0)
			for b.Loop() {
				b.StopTimer()
				store := &counting{}
				v, err := OpenView(b.Context(), ViewConfig{View: view, ID: generation, Lanes: online.DefaultLanes, Store: store, CacheBytes: defaultCacheBytes})
				ok(b, err)
				before := processorTime(b)
				b.StartTimer()
				_, err = fillFrom(b.Context(), history.New(history.Options{Dir: dir}), v, offline.Spec{Source: view.Bindings[0].Source})
				ok(b, err)
				b.StopTimer()
				used, writes = used+processorTime(b)-before, writes+store.writes.Load()
				if got := v.Counts().Folded; got != int64(n) {
					b.Fatalf("%d of %d events were folded", got, n)
				}
				b.StartTimer()
			}
			events := float64(b.N * n)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/events, "ns/event")
			b.ReportMetric(float64(used)/events, "cpu-ns/event")
			b.ReportMetric(float64(writes)/events, "writes/event")
		})
	}
}
