package onlinetest

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/freshet/freshet/featurestore/online"
)

const (
	benchWrites = 100 // a lane and batch
	benchBlob   = 400 // bytes
)

// Benchmark measures a store: Apply of each lane x 100 writes of 400 B over
// 640,000 entities, and Get of 5 keys from 64 goroutines.
func Benchmark(b *testing.B, open func(b *testing.B) online.Store) {
	s := open(b)
	f := newFixture(b, s, "bench", online.DefaultLanes)
	l := newBenchLoad(f)
	for range l.cycle { // every entity once, so that each later write compares a list
		l.apply(b, l.group())
	}
	b.Run("Apply", func(b *testing.B) { l.benchApply(b) })
	b.Run("Get", func(b *testing.B) { l.benchGet(b) })
}

type benchLoad struct {
	f       *fixture
	cycle   int // groups until a key comes again
	n       int64
	payload []byte
}

func newBenchLoad(f *fixture) *benchLoad {
	return &benchLoad{f: f, cycle: 100, payload: bytes.Repeat([]byte("0123456789abcdef"), benchBlob/16)}
}

// group is the next group of batches: one for each lane.
func (l *benchLoad) group() []online.Batch {
	round, turn := l.n/int64(l.cycle), l.n%int64(l.cycle)
	var expect []byte
	if round > 0 {
		expect = Prefix(l.blob(round - 1))
	}
	blob := l.blob(round)
	batches := make([]online.Batch, online.DefaultLanes)
	for lane := range batches {
		b := l.f.step(l.n-1, l.n)
		b.Lane = l.f.lane(uint16(lane))
		for i := range benchWrites {
			b.Writes = append(b.Writes, online.Write{Key: benchKey(int(turn), i), Expect: expect, Blob: blob})
		}
		batches[lane] = b
	}
	l.n++
	return batches
}

func (l *benchLoad) blob(round int64) []byte { return Blob(fmt.Sprintf("%024d", round), l.payload) }

func benchKey(turn, i int) []byte { return fmt.Appendf(nil, "key%06d", turn*benchWrites+i) }

func (l *benchLoad) apply(b *testing.B, batches []online.Batch) {
	b.Helper()
	for _, r := range l.f.s.Apply(b.Context(), batches) {
		if r.Outcome != online.OutcomeOK {
			b.Fatalf("%v: %v", r.Outcome, r.Err)
		}
	}
}

func (l *benchLoad) benchApply(b *testing.B) {
	for b.Loop() {
		l.apply(b, l.group())
	}
	b.ReportMetric(float64(b.N)*online.DefaultLanes*benchWrites/b.Elapsed().Seconds(), "keys/s")
}

func (l *benchLoad) benchGet(b *testing.B) {
	var seed atomic.Uint64
	b.SetParallelism(32) // times GOMAXPROCS
	b.RunParallel(func(pb *testing.PB) {
		x := seed.Add(1) * 0x9e3779b97f4a7c15
		ids := make([]online.EntityID, 5)
		for pb.Next() {
			for i := range ids {
				x = x*6364136223846793005 + 1442695040888963407
				ids[i] = online.EntityID{LaneID: l.f.lane(uint16(x >> 58)), Key: benchKey(int((x>>20)%uint64(l.cycle)), int((x>>40)%benchWrites))}
			}
			blobs, err := l.f.s.Get(b.Context(), ids)
			if err != nil || blobs[0].Open == nil || blobs[4].Open == nil {
				b.Errorf("a read found nothing (%v)", err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)*5/b.Elapsed().Seconds(), "keys/s")
}
