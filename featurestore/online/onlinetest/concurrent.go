package onlinetest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/freshet/freshet/featurestore/online"
)

// testConcurrentAppliers lets many writers count in one lane, each by what it
// has read. Only one can win a step; the count must be the number of wins.
func testConcurrentAppliers(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 1)
	const writers, wins = 8, 25
	var won atomic.Int64
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for n := 0; n < wins; {
				ok, err := f.count1()
				if err != nil {
					t.Error(err)
					return
				}
				if ok {
					n++
					won.Add(1)
				}
			}
		})
	}
	wg.Wait()
	f.wantOffset(writers*wins - 1)
	if got := counter(f.get(f.id("counter"))[0]); got != writers*wins || won.Load() != writers*wins {
		t.Errorf("the counter is %d after %d wins, want %d", got, won.Load(), writers*wins)
	}
}

// count1 reads the lane and the counter, and tries to add one.
func (f *fixture) count1() (bool, error) {
	lanes, err := f.s.Lanes(f.ctx, f.g, 1)
	if err != nil {
		return false, err
	}
	from := int64(-1)
	if w, ok := lanes[0].Watermarks[part(0)]; ok {
		from = w.Offset
	}
	blobs, err := f.s.Get(f.ctx, []online.EntityID{f.id("counter")})
	if err != nil {
		return false, err
	}
	n := counter(blobs[0].Open) + 1
	next := Blob(fmt.Sprint(n), binary.LittleEndian.AppendUint64(nil, n))
	r := f.s.Apply(f.ctx, []online.Batch{f.step(from, from+1, online.Write{Key: []byte("counter"), Expect: Prefix(blobs[0].Open), Blob: next})})[0]
	switch r.Outcome {
	case online.OutcomeOK:
		return true, nil
	case online.OutcomeWatermark, online.OutcomeVersion:
		return false, nil
	}
	return false, fmt.Errorf("outcome %v: %w", r.Outcome, r.Err)
}

func counter(blob []byte) uint64 {
	if blob == nil {
		return 0
	}
	return binary.LittleEndian.Uint64(blob[len(Prefix(blob)):])
}

// testConcurrentReaders reads while one writer replaces: each answer is a whole
// blob of one moment, belongs to its id, and never goes back.
func testConcurrentReaders(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 4)
	const steps, keys = 60, 5
	var ids []online.EntityID
	for i := range keys {
		ids = append(ids, online.EntityID{LaneID: f.lane(uint16(i % 4)), Key: []byte(fmt.Sprint(i))})
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { f.readUntil(ids, done) })
	}
	blobs := make([][]byte, keys)
	for n := range int64(steps) {
		var batches []online.Batch
		for i, id := range ids {
			next := Blob(fmt.Sprintf("%08d", n), bytes.Repeat([]byte{byte(i)}, 100+int(n)))
			b := f.step(n-1, n, online.Write{Key: id.Key, Expect: Prefix(blobs[i]), Blob: next})
			b.Lane, b.Partition = id.LaneID, part(int32(i))
			batches, blobs[i] = append(batches, b), next
		}
		for _, r := range s.Apply(f.ctx, batches) {
			f.want(r, online.OutcomeOK)
		}
	}
	close(done)
	wg.Wait()
}

func (f *fixture) readUntil(ids []online.EntityID, done <-chan struct{}) {
	last := make([]string, len(ids))
	for {
		select {
		case <-done:
			return
		default:
		}
		blobs, err := f.s.Get(f.ctx, ids)
		if err != nil {
			f.t.Errorf("reading: %v", err)
			return
		}
		for i, p := range blobs {
			b := p.Open
			if b == nil {
				continue
			}
			list := string(Prefix(b)[2:])
			payload := b[len(list)+2:]
			if bytes.Count(payload, []byte{byte(i)}) != len(payload) || len(payload) < 100 {
				f.t.Errorf("id %d got a mixed or foreign blob", i)
				return
			}
			if list < last[i] {
				f.t.Errorf("id %d went back from %s to %s", i, last[i], list)
				return
			}
			last[i] = list
		}
	}
}

// testConcurrentRows lets several materializations race: the greatest order stands.
func testConcurrentRows(t *testing.T, s online.Store) {
	f := newFixture(t, s, "plane", 4)
	const writers, keys = 6, 200
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for round := range 3 {
				var rows []online.Row
				for k := range keys {
					order := fmt.Sprint((w+k+round)%writers + 1)
					rows = append(rows, row(fmt.Sprint(k), order, order))
				}
				if _, err := s.PutRows(f.ctx, f.g, 4, rows, 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for k := range keys {
		top := fmt.Sprint(writers)
		f.wantRow(fmt.Sprint(k), RowBlob(top, []byte(top)))
	}
}
