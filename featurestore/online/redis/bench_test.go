package redis_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/redis"
)

// What the stream benchmark's entities come to, about.
const (
	benchOpen   = 400 // bytes
	benchClosed = 900
	benchPrefix = 20
	benchLanes  = 16
	benchOfLane = 1500
)

// BenchmarkApply is a server's processor time for a write, by what there is to write
// and how many writes a batch has: entities that are new, or stand and keep their
// time to live; with a closed part, or without.
func BenchmarkApply(b *testing.B) {
	for _, stand := range []bool{false, true} {
		for _, closed := range []bool{false, true} {
			for _, n := range []int{1, 20, benchOfLane} {
				b.Run(fmt.Sprintf("stand=%v/closed=%v/%d", stand, closed, n), func(b *testing.B) {
					benchmarkApply(b, n, stand, closed)
				})
			}
		}
	}
}

func benchmarkApply(b *testing.B, n int, stand, closed bool) {
	srv := server(b, "--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-min-size", "1gb")
	c := admin(b, srv)
	used, writes := time.Duration(0), 0
	for i := range b.N {
		w := &benchWriter{id: online.Generation{Project: "bench", View: "view", Number: uint32(i + 1)}, store: open(b, redis.Config{Addrs: []string{srv.Addr()}})}
		meta := online.Meta{Definition: [16]byte{1}, StateVersion: 1, Lanes: benchLanes, State: online.StateLive}
		if err := w.store.Create(b.Context(), w.id, meta); err != nil {
			b.Fatal(err)
		}
		if stand {
			w.apply(b, benchOfLane, true, false)
		}
		before := serverTime(b, c)
		w.apply(b, n, closed, stand)
		used += serverTime(b, c) - before
		writes += benchLanes * benchOfLane
		if err := srv.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(used.Nanoseconds())/float64(writes), "server-ns/write")
}

// benchWriter writes all entities of a generation.
type benchWriter struct {
	id      online.Generation
	store   *redis.Store
	batches int64 // of each lane
}

// apply writes each entity once, n of a lane in a batch, those of all lanes in turn.
func (w *benchWriter) apply(b *testing.B, n int, closed, stand bool) {
	blob := bytes.Repeat([]byte("open"), benchOpen/4)
	for first := 0; first < benchOfLane; first += n {
		batches := make([]online.Batch, benchLanes)
		for lane := range batches {
			batch := online.Batch{
				Lane: online.LaneID{Generation: w.id, Lane: uint16(lane)}, Definition: [16]byte{1}, Partition: online.Partition{Source: "payments"},
				From: w.batches - 1, To: online.Watermark{Offset: w.batches}, TTL: 7 * 24 * time.Hour, ID: uint64(w.batches) + 1, After: uint64(w.batches),
			}
			for at := range n {
				write := online.Write{Key: []byte("u" + strconv.Itoa(first+at)), Blob: blob}
				if stand {
					write.Expect, write.Keep, write.Known = blob[:benchPrefix], true, true
				}
				if closed {
					write.Closed = bytes.Repeat([]byte("closed"), benchClosed/6)
				}
				batch.Writes = append(batch.Writes, write)
			}
			batches[lane] = batch
		}
		for _, r := range w.store.Apply(b.Context(), batches) {
			if r.Outcome != online.OutcomeOK {
				b.Fatal(r.Outcome, r.Err)
			}
		}
		w.batches++
	}
}

// serverTime is the processor time of a server's thread for commands and its
// append-only file.
func serverTime(b *testing.B, c *client.Client) time.Duration {
	b.Helper()
	info, err := c.Info(context.Background(), "cpu").Result()
	if err != nil {
		b.Fatal(err)
	}
	total := 0.0
	for _, line := range strings.Fields(info) {
		if name, value, ok := strings.Cut(line, ":"); ok && (name == "used_cpu_user_main_thread" || name == "used_cpu_sys_main_thread") {
			seconds, err := strconv.ParseFloat(value, 64)
			if err != nil {
				b.Fatal(err)
			}
			total += seconds
		}
	}
	return time.Duration(total * float64(time.Second))
}

// BenchmarkGet is a server's processor time to read an entity with both parts, with what
// its lane says of itself and without, for callers that ask at once, each for one.
func BenchmarkGet(b *testing.B) {
	srv := server(b)
	c := admin(b, srv)
	w := &benchWriter{id: online.Generation{Project: "bench", View: "view", Number: 1}, store: open(b, redis.Config{Addrs: []string{srv.Addr()}, Timeout: 10 * time.Second})}
	meta := online.Meta{Definition: [16]byte{1}, StateVersion: 1, Lanes: benchLanes, State: online.StateLive}
	if err := w.store.Create(b.Context(), w.id, meta); err != nil {
		b.Fatal(err)
	}
	w.apply(b, benchOfLane, true, false)
	for _, state := range []bool{false, true} {
		b.Run(fmt.Sprintf("state=%v", state), func(b *testing.B) {
			before := serverTime(b, c)
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for n := rand.Uint32(); pb.Next(); n++ {
					id := online.EntityID{LaneID: online.LaneID{Generation: w.id, Lane: uint16(n % benchLanes)}, Key: []byte("u" + strconv.Itoa(int(n)%benchOfLane)), Split: true, State: state}
					parts, err := w.store.Get(b.Context(), []online.EntityID{id})
					if err != nil || len(parts[0].Open) != benchOpen || state != (parts[0].Lane == online.StateLive) {
						b.Errorf("%v: %d bytes, lane %q", err, len(parts[0].Open), parts[0].Lane)
					}
				}
			})
			b.ReportMetric(float64((serverTime(b, c)-before).Nanoseconds())/float64(b.N), "server-ns/read")
		})
	}
}
