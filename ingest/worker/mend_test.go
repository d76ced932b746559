package worker

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
)

// beforeApply lets something happen in a store whenever a batch is sent to it.
type beforeApply struct {
	online.Store
	happens func([]online.Batch) bool // false: entities have changed meanwhile
}

func (s *beforeApply) Apply(ctx context.Context, batches []online.Batch) []online.Result {
	if !s.happens(batches) {
		out := make([]online.Result, len(batches))
		for i := range out {
			out[i].Outcome = online.OutcomeVersion
		}
		return out
	}
	return s.Store.Apply(ctx, batches)
}

// replayParts replays partitions from memory.
func replayParts(view *definition.StreamView, parts ...*part) replayer {
	return func(_ context.Context, binding int, through map[online.Partition]int64, _ func(*featurestore.Event) bool, each func(*Chunk)) error {
		for _, p := range parts {
			if to, wanted := through[p.id]; wanted && view.Bindings[binding].Source.Name == p.id.Source {
				each(p.chunk(0, to+1))
			}
		}
		return nil
	}
}

// Others move their watermarks all the time, and the store goes back, unnoticed,
// while entities are rebuilt: what is written is compared with the watermark of a
// partition that nobody moves meanwhile, as the store has it now.
func TestEntitiesAreRebuiltWhileLanesMove(t *testing.T) {
	for _, how := range []string{"rebuild", "mend"} {
		t.Run(how, func(t *testing.T) {
			view, s := activity(t), newMemoryStore()
			clicks := newPart(t, view, partition0("clicks", 0), manyUsers(1)...)
			orders := newPart(t, view, partition0("orders", 0), append(manyUsers(2), make([]event, 64)...)...) // the last have no user
			two := openView(t, view, s, lanesOfTests)
			moved := int64(len(manyUsers(2)))
			move := func([]online.Batch) bool {
				moved++
				ok(t, two.Apply(t.Context(), orders.chunk(moved-1, moved)))
				ok(t, two.Advance(t.Context(), orders.chunk(moved-1, moved)))
				return true
			}
			store := &beforeApply{s, func([]online.Batch) bool { return true }}
			one := openView(t, view, store, lanesOfTests)
			ok(t, two.Apply(t.Context(), orders.chunk(0, moved)))
			ok(t, one.Apply(t.Context(), clicks.chunk(0, clicks.end()/2)))
			old := s.snapshot()
			ok(t, one.Apply(t.Context(), clicks.chunk(clicks.end()/2, clicks.end())))
			ok(t, one.Advance(t.Context(), clicks.all()))
			ok(t, two.Advance(t.Context(), orders.chunk(0, moved)))
			back := online.LaneID{Generation: generation, Lane: 1}
			s.failover(old, back) // before anybody has noticed
			ok(t, two.Reload(t.Context()))
			ok(t, two.Apply(t.Context(), orders.chunk(0, moved)))

			var found []damage
			for id, l := range s.lanes {
				for key := range l.blobs {
					l.blobs[key][len(l.blobs[key])-1] ^= 1
					found = append(found, damage{key: key, lane: id.Lane})
				}
			}
			if len(found) < 20 {
				t.Fatalf("%d entities", len(found))
			}
			store.happens = move
			replay := replayParts(view, clicks, orders)
			if how == "rebuild" {
				ok(t, one.rebuild(t.Context(), found, replay))
			} else if n, err := one.mend(t.Context(), found, replay); err != nil || n != len(found) {
				t.Fatalf("%d of %d entities are mended: %v", n, len(found), err)
			}
			store.happens = func([]online.Batch) bool { return true }
			ok(t, one.Reload(t.Context()))
			ok(t, one.Apply(t.Context(), clicks.all()))
			expect(t, view, clicks, orders).check(t, s, generation, lanesOfTests)
		})
	}
}

func manyUsers(v int64) (events []event) {
	for i := range int64(40) {
		events = append(events, user(fmt.Sprint("user", i%25), v, i))
	}
	return events
}

// Others who write the damaged entities, however long, halt nothing: the partition
// comes again, and goes on once they let it.
func TestRebuildsAreTriedUntilOthersLetThem(t *testing.T) {
	p, view := newActivity(t)
	p.some(41, 60)
	p.start()
	p.right(view, 1)
	p.stop()
	if n := p.spoil(view); n < 4 {
		t.Fatalf("%d entities were spoilt", n)
	}
	var refusals atomic.Int32
	p.store = &beforeApply{p.store, func(batches []online.Batch) bool {
		b := &batches[0]
		rebuilds := len(b.Writes) > 0 && b.From == b.To.Offset
		return !rebuilds || refusals.Add(1) > 3*rebuildAttempts
	}}
	p.start()
	p.some(42, 40)
	p.eventually("it is said why nothing moves", func() bool {
		for _, s := range p.worker.Progress().Statuses() {
			if strings.Contains(s.Trouble, "others change them all the time") {
				return true
			}
		}
		return refusals.Load() > 3*rebuildAttempts
	})
	p.right(view, 1)
	if halted := p.worker.Progress().Halted(); len(halted) > 0 {
		t.Errorf("halted: %v", halted)
	}
	if left := p.damaged(view); len(left) > 0 {
		t.Errorf("%q are still damaged", left)
	}
}
