package worker

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/featurestore/online"
)

// runBytes bounds the rows that are folded at once from history: the more they
// are, the seldomer an entity is written. While they are folded, as many others are
// laid out.
const (
	runBytes = 68 << 20
	runCount = 2
)

// runBytes is how many bytes of rows a view's runs have, about: of schedules as few as
// there can be.
func (v *View) runBytes() int {
	if v.stepwise {
		return 1
	}
	return runBytes
}

// run is chunks of one partition that follow one another and are applied as if they
// were one.
type run struct {
	chunk *Chunk // without events
	last  bool   // of its partition
	rows  foldBuffers
}

// runs lays runs out ahead of who applies them.
type runs struct {
	view    *View
	binding int
	from    []map[online.Partition]int64 // of each lane, when it was begun
	next    func() (*Chunk, error)       // nil after the last; a chunk is not used once it is called again

	ready  chan *run
	spare  chan *run
	cancel context.CancelFunc
	group  *errgroup.Group
}

// layOut starts to lay out what next gives of a source.
func layOut(ctx context.Context, v *View, source string, next func() (*Chunk, error)) *runs {
	ctx, cancel := context.WithCancel(ctx)
	r := &runs{view: v, binding: v.binding[source], from: v.offsets(), next: next, ready: make(chan *run), spare: make(chan *run, runCount), cancel: cancel}
	for range runCount {
		r.spare <- new(run)
	}
	r.group, ctx = errgroup.WithContext(ctx)
	r.group.Go(func() error {
		defer close(r.ready)
		return r.layOut(ctx)
	})
	return r
}

// Next gives the next run, nil after the last. Who has applied it gives it back (Done).
func (r *runs) Next() (*run, error) {
	if next, ok := <-r.ready; ok {
		return next, nil
	}
	return nil, r.group.Wait()
}

// Done takes a run back, whose memory is used again.
func (r *runs) Done(done *run) { r.spare <- done }

// Close ends it.
func (r *runs) Close() {
	r.cancel()
	for range r.ready {
	}
	_ = r.group.Wait() // that Next has not told was of no interest
}

func (r *runs) layOut(ctx context.Context) error {
	c, err := r.next()
	for c != nil && err == nil {
		var next *run
		select {
		case next = <-r.spare:
		case <-ctx.Done():
			return ctx.Err()
		}
		if c, err = r.fill(ctx, next, c); err != nil {
			return err
		}
		select {
		case r.ready <- next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

// fill lays out chunks from the first on, until their rows are enough, and gives the
// one behind.
func (r *runs) fill(ctx context.Context, to *run, first *Chunk) (behind *Chunk, err error) {
	whole := &Chunk{Partition: first.Partition, From: first.From, LogTime: first.LogTime}
	f := &to.rows
	f.begin(r.view, whole.Partition, r.binding, len(r.from), r.view.runBytes()/rowBytesOf(&r.view.view.Bindings[r.binding]))
	f.own = true // a chunk's memory is used again for the one behind
	for lane := range f.from {
		f.from[lane] = -1
		if through, met := r.from[lane][whole.Partition]; met {
			f.from[lane] = through
		}
	}
	to.chunk = whole
	for c := first; ; c = behind {
		f.collect(c)
		whole.Through, whole.LogTime, whole.Prints = c.Through, max(whole.LogTime, c.LogTime), mergePrints(nil, whole.Prints, c.Prints)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if behind, err = r.next(); err != nil || behind == nil || behind.Partition != whole.Partition || f.size >= r.view.runBytes() {
			to.last = behind == nil || behind.Partition != whole.Partition
			return behind, err
		}
	}
}

// applyRun is Apply of what was laid out, or holds it. Up to an offset the runs before
// are held, -1 where they are not; it says of this one the same.
func (v *View) applyRun(ctx context.Context, r *run, before int64) (held int64, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if before >= 0 && !v.held.upTo(r.chunk.Partition, before) {
		return -1, &rewindError{Offset: v.lanes.lowest(r.chunk.Partition)} // somebody has read the lanes anew since
	}
	v.held.on = !r.last && !v.filled && v.held.runs < v.mostHeld() && !v.cache.isOver()
	defer func() { v.held.on = false }()
	if err := v.applyRows(ctx, r); err != nil {
		return -1, err
	}
	if !v.held.on {
		return -1, nil
	}
	return r.chunk.Through, nil
}

func (v *View) applyRows(ctx context.Context, r *run) error {
	v.mine[r.chunk.Partition] = true
	if through := v.through(r.chunk.Partition); r.chunk.From > through+1 {
		return &rewindError{Offset: through}
	}
	for lane := range r.rows.from { // others may have moved lanes since the rows were laid out
		stands := v.lanes.at(uint16(lane), r.chunk.Partition).offset
		if stands < r.rows.from[lane] {
			return &rewindError{Offset: stands}
		}
		r.rows.from[lane] = stands
	}
	v.counts.take(&r.rows.counts)
	r.rows.chunk = v.fold.chunk + 1
	v.fold, r.rows = r.rows, foldBuffers{}
	v.beginHands()
	defer func() { v.fold, r.rows = foldBuffers{chunk: v.fold.chunk}, v.fold }()
	return v.apply(ctx, r.chunk)
}

// endFill gives up what is still held, where the fill has failed, and the memory of
// runs, which is large.
func (v *View) endFill() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.dropHeld()
	v.cache.trim()
	v.fold = foldBuffers{chunk: v.fold.chunk}
	v.hands = newHands()
}
