package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/transforms/window"
)

// damage is an entity whose stored blobs do not decode: a bit has flipped, a
// part is missing, or bytes of another entity stand there. Or they are gone, or
// older than what was acknowledged.
type damage struct {
	key    string
	lane   uint16
	reason error

	partition featurestore.PartitionID
	stood     bool  // it must be there
	own       int64 // how far the partition must be in it, plus one
}

// damagedError stops a chunk until the entities that it needs are rebuilt:
// nothing of it may be folded into them before, nor passed over.
type damagedError struct {
	view  *View
	found []damage
}

func (e *damagedError) Error() string {
	return fmt.Sprintf("view %q: %d stored entities are damaged, one in lane %d: %v", e.view.Name(), len(e.found), e.found[0].lane, e.found[0].reason)
}

// with adds a finding to an error that may be nil.
func (e *damagedError) with(v *View, w *work, reason error) *damagedError {
	if e == nil {
		e = &damagedError{view: v}
	}
	if d, noted := v.gone[w.key]; noted {
		e.found = append(e.found, d)
		return e
	}
	e.found = append(e.found, damage{key: w.key, lane: w.lane, reason: reason, partition: v.fold.partition})
	return e
}

// in reports whether the finding is of some lane's entity; nil has none.
func (e *damagedError) in(lane uint16) bool {
	return e != nil && slices.ContainsFunc(e.found, func(d damage) bool { return d.lane == lane })
}

// errRebuild says why an entity cannot be rebuilt: something is nowhere any more.
// Its partition halts, so that its records are neither lost nor folded into
// something wrong.
var errRebuild = errors.New("a damaged entity cannot be rebuilt")

// replayer gives every event of a source of the view again, partition by
// partition in ascending offset, up to and with the given offsets. It fails
// where one may be missing.
type replayer func(ctx context.Context, binding int, through map[online.Partition]int64, keep func(*featurestore.Event) bool, each func(*Chunk)) error

// target is a damaged entity while it is rebuilt.
type target struct {
	damage
	parts   online.Parts // as they stand
	through map[online.Partition]online.Watermark
	state   *window.State
}

// refold folds every record of the targets up to the watermarks of their lanes.
func (v *View) refold(ctx context.Context, targets map[string]*target, replay replayer) error {
	// A View of the same meaning, with nothing stored: it decides which events
	// count, and for whom.
	shadow := &View{view: v.view, types: v.types, cache: newCache(0), hands: make([]hand, 1)}
	shadow.lanes.marks = make([]map[online.Partition]mark, v.laneCount())
	for i := range v.view.Bindings {
		b := &v.view.Bindings[i]
		through := map[online.Partition]int64{}
		for _, t := range targets {
			for p, w := range t.through {
				// A mark without a log time only says where a log begins: nothing of it is applied.
				if p.Source == b.Source.Name && w.Offset >= 0 && w.LogTime != noLogTime {
					through[p] = max(through[p], w.Offset)
				}
			}
		}
		keep := func(ev *featurestore.Event) bool {
			if !shadow.entityKey(b, ev) {
				return false
			}
			_, wanted := targets[string(shadow.fold.key)]
			return wanted
		}
		err := replay(ctx, i, through, keep, func(c *Chunk) { shadow.refoldChunk(c, i, targets) })
		if err != nil {
			return fmt.Errorf("view %q: %w", v.Name(), err)
		}
	}
	return nil
}

func (v *View) refoldChunk(c *Chunk, binding int, targets map[string]*target) {
	v.begin(c.Partition, binding, v.most)
	v.collect(c)
	for lane := range v.fold.parts {
		v.group(uint16(lane))
		p := &v.fold.parts[lane]
		for _, w := range p.works {
			if t, wanted := targets[w.key]; wanted {
				v.refoldWork(p, &w, t, c.Partition)
			}
		}
	}
}

// refoldWork folds the rows of an entity that its lane has applied.
func (v *View) refoldWork(p *lanePart, w *work, t *target, from online.Partition) {
	by := &v.hands[0]
	mark, applied := t.through[from]
	for at := w.first; applied && at >= 0; at = p.next[at] {
		if p.rows[at].offset <= mark.Offset {
			v.view.Plan.Apply(t.state, by.rowAt(&v.fold, p, at))
		}
	}
	v.view.Plan.Settle(t.state)
}
