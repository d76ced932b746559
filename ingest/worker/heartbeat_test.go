package worker

import (
	"context"
	"testing"

	"github.com/freshet/freshet/featurestore/online"
)

// counted is a store that counts what heartbeats ask of it.
type counted struct {
	*memoryStore
	compared, batches int
}

func (c *counted) Lanes(ctx context.Context, g online.Generation, lanes uint16) ([]online.Lane, error) {
	c.compared++
	return c.memoryStore.Lanes(ctx, g, lanes)
}

func (c *counted) Apply(ctx context.Context, batches []online.Batch) []online.Result {
	c.batches += len(batches)
	return c.memoryStore.Apply(ctx, batches)
}

// Of a view's partitions one compares all lanes for the others, whichever of them goes on.
func TestOneBeatComparesForAll(t *testing.T) {
	view, s := activity(t), &counted{memoryStore: newMemoryStore()}
	clicks := newPart(t, view, partition0("clicks", 0), user("a", 1, 0), user("b", 2, 1), user("a", 3, 2))
	orders := newPart(t, view, partition0("orders", 0), user("a", 10, 0), user("c", 30, 2))
	v := openView(t, view, s, lanesOfTests)
	old := s.snapshot()
	ok(t, v.Apply(t.Context(), orders.all()))
	ok(t, v.Apply(t.Context(), clicks.all()))
	before := s.compared
	for range 5 {
		ok(t, v.Beat(t.Context(), orders.all()))
		ok(t, v.Beat(t.Context(), clicks.all()))
	}
	if n := s.compared - before; n != 5 {
		t.Errorf("the lanes were compared %d times in 5 heartbeats of 2 partitions", n)
	}
	for id := range old {
		s.failover(old, id)
	}
	idle := &Chunk{Partition: clicks.id, Through: -1} // orders compared so far, and beats no more
	if v.Beat(t.Context(), idle) == nil {
		wantRewind(t, v.Beat(t.Context(), idle), -1)
	}
}

// A heartbeat moves the lanes that no record has moved since the last one.
func TestBeatMovesWhatWasNotMoved(t *testing.T) {
	view, s := activity(t), &counted{memoryStore: newMemoryStore()}
	p := newPart(t, view, partition0("clicks", 0), user("a", 1, 0), user("a", 2, 1))
	v := openView(t, view, s, lanesOfTests)
	beat := func(c *Chunk, moves int) {
		t.Helper()
		before := s.batches
		ok(t, v.Beat(t.Context(), c))
		if n := s.batches - before; n != moves {
			t.Errorf("%d lanes were moved, want %d", n, moves)
		}
	}
	for to := int64(1); to <= p.end(); to++ {
		ok(t, v.Apply(t.Context(), p.chunk(to-1, to))) // one lane
		beat(p.chunk(0, to), lanesOfTests-1)
	}
	beat(p.all(), lanesOfTests)
	beat(p.all(), lanesOfTests)
}

// What is applied behind a chunk of no records, as of a marker, carries the fingerprint of
// the record before: a lane that a heartbeat moves along would have none.
func TestBeatCarriesTheLastFingerprint(t *testing.T) {
	p := &partition{source: activity(t).Bindings[0].Source, progress: newProgress()}
	print := online.Fingerprint{Offset: 4, LogTime: 7, Hash: 9}
	for i, prints := range [][]online.Fingerprint{{print}, nil, nil} {
		p.applied(&decodedChunk{parts: []decodedPart{{Chunk: Chunk{Partition: p.id(), From: int64(4 + i), Through: int64(4 + i), Prints: prints}}}})
		if p.last.Through != int64(4+i) || len(p.last.Prints) != 1 || p.last.Prints[0] != print {
			t.Errorf("behind chunk %d it is %+v", i, p.last)
		}
	}
}
