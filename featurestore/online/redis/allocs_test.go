package redis_test

import (
	"testing"

	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/redis"
)

// What a batch needs to be sent is used again: of a slow stream, which has many small
// ones, it would be most of what is left to the garbage collector.
func TestSmallBatchesTakeLittleMemory(t *testing.T) {
	const lanes = 64
	most := 1.6 // it takes 1.3
	if raceDetector {
		most = 3 // that keeps less
	}
	store := open(t, redis.Config{Addrs: []string{server(t).Addr()}})
	id := online.Generation{Project: "shop", View: "spending", Number: 1}
	if err := store.Create(t.Context(), id, online.Meta{Definition: [16]byte{1}, StateVersion: 1, Lanes: lanes, State: online.StateLive}); err != nil {
		t.Fatal(err)
	}
	batches := make([]online.Batch, lanes)
	for lane := range batches {
		batches[lane] = online.Batch{
			Lane: online.LaneID{Generation: id, Lane: uint16(lane)}, Definition: [16]byte{1}, Partition: online.Partition{Source: "payments"},
			Writes: []online.Write{{Key: []byte("a"), Blob: []byte("blob")}},
		}
	}
	from := int64(-1)
	apply := func() {
		for i := range batches {
			b := &batches[i]
			b.From, b.To, b.ID, b.After = from, online.Watermark{Offset: from + 1}, uint64(from+2), uint64(from+1)
			if from >= 0 {
				b.Writes[0].Expect, b.Writes[0].Known, b.Writes[0].Keep = []byte("b"), true, true
			}
		}
		for i, r := range store.Apply(t.Context(), batches) {
			if r.Outcome != online.OutcomeOK || from >= 0 && !r.Followed {
				t.Fatalf("lane %d after %d: %+v", i, from, r)
			}
		}
		from++
	}
	apply()
	if took := testing.AllocsPerRun(50, apply) / lanes; took > most {
		t.Errorf("a batch takes %.1f allocations", took)
	}
}
