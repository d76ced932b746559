package worker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
)

// Errors that end a view's part in the stream until a person or a rebuild acts.
var (
	errStale = errors.New("the lanes belong to another definition: this process is out of date")
	errLost  = errors.New("the lanes are lost: their metadata is gone, or the online store has evicted keys")
)

// rewindError asks the caller to read the partition again after Offset: the
// store stands lower than this process thought, or a write's fate is unknown.
type rewindError struct{ Offset int64 }

func (e *rewindError) Error() string { return fmt.Sprintf("rewind to after offset %d", e.Offset) }

// Counts are what a view has seen since the process started. Records that are
// read again after a rewind are counted again.
type Counts struct {
	Folded, Pending, Duplicate, Late, Filtered, NullKey, LongKey, FailedExpr int64
	Before                                                                   int64 // the cutover: history files give them
	Batches, Conflicts, Rewinds, Unknown, Refused                            int64
	Damaged, Rebuilt                                                         int64 // entities whose blobs did not decode
}

// ViewConfig is what a View is made from.
type ViewConfig struct {
	View       *definition.StreamView
	ID         online.Generation
	Lanes      uint16
	Store      online.Store
	TTL        time.Duration // of stored entities; 0 keeps them (replay, unbounded views)
	CacheBytes int           // bound of the cache of entities
	Observer   Observer      // nil: nobody watches

	Now func() featurestore.Instant // the wall's clock; nil where there is no TTL

	stepwise bool // each lane goes to the store alone, once the one before is answered: for schedules
}

// View folds chunks into one generation of one stream view. Apply may be called
// by several goroutines, one a partition; it serializes them.
type View struct {
	view    *definition.StreamView
	id      online.Generation
	store   online.Store
	ttl     time.Duration
	binding map[string]int
	types   []featurestore.Type

	observer Observer
	now      func() featurestore.Instant
	stepwise bool

	mu      sync.Mutex
	lanes   lanes
	state   online.State              // the worst of what the lanes said when they were last read
	filled  bool                      // every lane was then, whatever else it said
	mine    map[online.Partition]bool // that this process feeds
	cache   *cache
	counts  Counts
	fold    foldBuffers
	held    holding
	hands   []hand
	written written           // what is sent of the chunk
	most    int               // events of a chunk, about
	gone    map[string]damage // entities that the store has lost, until they are rebuilt

	followed []followed // of each lane

	rebuilding sync.Mutex // held by whoever rebuilds entities, one at a time

	// fed is, for each partition, the offset through which this View was fed
	// without a hole since its lanes were last read. Lanes that had nothing to
	// apply stand lower; without an entry, every lane's own mark is the start.
	fed map[online.Partition]int64

	audits int64                      // how often the lanes were compared
	heard  map[online.Partition]int64 // how often they had been by each partition's last beat
}

// OpenView makes the lanes of a generation where there are none, and starts from
// the store's watermarks.
func OpenView(ctx context.Context, c ViewConfig) (*View, error) {
	v := &View{view: c.View, id: c.ID, store: c.Store, ttl: c.TTL, observer: c.Observer, now: c.Now, stepwise: c.stepwise, hands: newHands(), binding: map[string]int{}, cache: newCache(c.CacheBytes), fed: map[online.Partition]int64{}, heard: map[online.Partition]int64{}, gone: map[string]damage{}, mine: map[online.Partition]bool{}, most: mostOfChunk}
	if v.now == nil {
		v.now = func() featurestore.Instant { return 0 }
	}
	for i, b := range c.View.Bindings {
		v.binding[b.Source.Name] = i
	}
	for _, k := range c.View.Entity.Keys {
		v.types = append(v.types, k.Type)
	}
	v.lanes.marks = make([]map[online.Partition]mark, c.Lanes)
	v.followed = make([]followed, c.Lanes)
	meta := online.Meta{Definition: c.View.Hash, StateVersion: definition.StateVersion, Lanes: c.Lanes, State: online.StateBuilding}
	if err := c.Store.Create(ctx, c.ID, meta); err != nil {
		return nil, fmt.Errorf("view %q generation %d: %w", c.View.Name, c.ID.Number, err)
	}
	if err := v.reload(ctx); err != nil {
		return nil, fmt.Errorf("view %q generation %d: %w", c.View.Name, c.ID.Number, err)
	}
	return v, nil
}

// Name is the view's name; ID its generation.
func (v *View) Name() string { return v.view.Name }

// ID is the generation that this View folds into.
func (v *View) ID() online.Generation { return v.id }

// Counts are the counters so far.
func (v *View) Counts() Counts {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.counts
}

// Lowest is the offset after which the partition must be read for this view.
func (v *View) Lowest(p online.Partition) int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.lanes.lowest(p)
}

// Highest is the greatest offset of a partition that some lane has applied.
func (v *View) Highest(p online.Partition) int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.lanes.highest(p)
}

// Prints are the fingerprints that the lanes furthest behind and furthest ahead
// carry, newest first.
func (v *View) Prints(p online.Partition) []online.Fingerprint {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.lanes.prints(p)
}

// Reload drops what is cached and takes the store's watermarks for true.
func (v *View) Reload(ctx context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.cache.clear()
	before := v.lanes
	if err := v.reload(ctx); err != nil {
		return err
	}
	for p := range v.mine {
		if v.lanes.behind(p, &before) { // the store came back without some of what it had
			v.counts.Rewinds++
			break
		}
	}
	return nil
}

// refresh reads the watermarks again: others may have moved them since. What is
// cached is compared when it is written.
func (v *View) refresh(ctx context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.reload(ctx)
}

// Met reports whether the view has applied a record of a partition.
func (v *View) Met(p online.Partition) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.lanes.met(p)
}

func (v *View) laneCount() uint16 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return uint16(len(v.lanes.marks))
}

// offsets are how far each lane has applied each partition.
func (v *View) offsets() []map[online.Partition]int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := make([]map[online.Partition]int64, len(v.lanes.marks))
	for lane, marks := range v.lanes.marks {
		out[lane] = make(map[online.Partition]int64, len(marks))
		for p, m := range marks {
			out[lane][p] = m.offset
		}
	}
	return out
}

// isLive reports whether every lane said LIVE when they were last read.
func (v *View) isLive() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.state == online.StateLive
}

// isFilled reports whether every lane was filled when they were last read: one that
// is not may stand among others that say GAP or HALTED.
func (v *View) isFilled() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.filled
}

// inGap reports whether some lane said GAP when they were last read.
func (v *View) inGap() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.state == online.StateGap
}

// Detach says that this process no longer feeds a partition: what others apply of
// it is no fault.
func (v *View) Detach(p online.Partition) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.mine, p)
	delete(v.fed, p)
	delete(v.heard, p)
}

// setState changes the state of every lane from those that it was decided on, from
// any where none is given. Where a lane has another by now, or none, somebody has
// lost it or made it anew, or has halted: an errLost, and what that one said stays.
func (v *View) setState(ctx context.Context, s online.State, from ...online.State) error {
	if err := lostWhere(v.store.SetState(ctx, v.id, s, from...)); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.state, v.filled = s, s > online.StateBuilding
	return nil
}

// Begin says of each lane up to which offset it has nothing to apply of a
// partition that no lane has met: what is no longer there was never this view's.
// It does nothing where a record is applied.
func (v *View) Begin(ctx context.Context, p online.Partition, before []int64) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.lanes.met(p) {
		return nil
	}
	var batches []online.Batch
	for lane, through := range before {
		m := v.lanes.at(uint16(lane), p)
		if m.offset >= through {
			continue
		}
		c := Chunk{Partition: p, Through: through, LogTime: math.MinInt64}
		batches = append(batches, online.Batch{
			Lane: online.LaneID{Generation: v.id, Lane: uint16(lane)}, Definition: v.view.Hash,
			Partition: p, From: m.offset, To: c.target(m, nil),
		})
	}
	v.mine[p] = true
	return v.mark(ctx, &Chunk{Partition: p}, batches)
}

// Apply folds a chunk and stores the result. When it returns nil, every lane
// that the chunk touched has applied it; the others follow with Advance. A
// *rewindError asks for the partition to be read again from an offset: also
// where the chunk does not follow on what the store has, because another
// partition's rewind has found that the store lost some of this one's.
func (v *View) Apply(ctx context.Context, c *Chunk) error {
	b, wanted := v.binding[c.Partition.Source]
	if !wanted {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.mine[c.Partition] = true
	if through := v.through(c.Partition); c.From > through+1 {
		return &rewindError{Offset: through}
	}
	if v.held.some {
		v.dropHeld() // another process has filled the lanes meanwhile
	}
	v.begin(c.Partition, b, v.most)
	v.collect(c)
	return v.apply(ctx, c)
}

// through is the offset up to which nothing of a partition is missing. A chunk that
// was applied in part, as where an entity of it is damaged, may leave every lane
// beyond what was fed.
func (v *View) through(p online.Partition) int64 {
	lowest := v.lanes.lowest(p)
	if t, ok := v.fed[p]; ok {
		return max(t, lowest)
	}
	return lowest
}

// mostConflicts is how often a chunk is folded anew at once because others have written
// its entities. Then it waits its turn: what is read may not be what is compared, as in
// a store that is being repaired, and whoever else needs the view must not wait for it.
const mostConflicts = 50

// apply folds what was collected of a chunk and stores it.
func (v *View) apply(ctx context.Context, c *Chunk) error {
	defer v.cache.trim()
	for conflicts := 0; ; conflicts++ {
		if conflicts == mostConflicts {
			return featurestore.Unavailablef("entities of view %q were each time another when they were written than when they were read", v.Name())
		}
		calls := newStoreCalls(v)
		v.written.reset()
		failed := v.foldAll(ctx, c, calls)
		sent := calls.wait()
		again, err := v.settle(ctx, c, &sent)
		switch {
		case err != nil:
			return err
		case failed != nil:
			return failed // what was not folded stays as it is cached
		case !again && v.held.on:
			v.held.took(c)
			return nil
		case !again:
			v.held = holding{lanes: v.held.lanes} // which are empty now
			v.fed[c.Partition] = max(c.Through, v.through(c.Partition))
			return nil
		}
		// An entity was changed by another writer: fold it again on what is there now.
		v.counts.Conflicts++
	}
}

// mark sends batches that move lanes along and write nothing.
func (v *View) mark(ctx context.Context, c *Chunk, batches []online.Batch) error {
	if len(batches) == 0 {
		return nil
	}
	_, err := v.settle(ctx, c, &storeCall{batches: batches, works: make([][]*work, len(batches)), results: v.send(ctx, batches)})
	return err
}
