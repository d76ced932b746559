package worker

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// hand is what one goroutine needs to fold entities.
type hand struct {
	row     window.Row   // that rowAt gives
	touched byte         // so that what touch reads is read
	key     []byte       // that bytesOf gives
	blobs   []byte       // what entities were encoded to
	state   window.State // of an entity whose state is not kept
	counts  Counts       // until the view takes them
	failed  []unreadable
}

// unreadable is a work of which the cached parts do not decode.
type unreadable struct {
	work *work
	err  error
}

// How works are shared among goroutines.
const (
	mostHands   = 4
	workShare   = 32  // taken at once
	leastShared = 256 // fewer are folded by one
)

// newHands are those of a view: as many as processors, about.
func newHands() []hand { return make([]hand, min(runtime.GOMAXPROCS(0), mostHands)) }

// beginHands empties the buffers for the works of a chunk.
func (v *View) beginHands() {
	for i := range v.hands {
		by := &v.hands[i]
		by.blobs, by.row = by.blobs[:0], window.Row{Inputs: make([]featurestore.Value, len(v.fold.bits))}
	}
}

// emptyHands gives up what was encoded.
func (v *View) emptyHands() {
	for i := range v.hands {
		v.hands[i].blobs = v.hands[i].blobs[:0]
	}
}

// bytesOf is a key in the buffers, valid until the next call.
func (by *hand) bytesOf(key string) []byte {
	by.key = append(by.key[:0], key...)
	return by.key
}

// foldWorks folds works, several at once where they are many: w.done then says of each
// whether it had no effect. The error names those whose parts do not decode.
func (v *View) foldWorks(works []*work) (damaged *damagedError) {
	for _, w := range works {
		v.use(w.entity)
	}
	v.shareOut(works)
	for i := range v.hands {
		by := &v.hands[i]
		v.counts.Folded, v.counts.Pending, v.counts.Duplicate = v.counts.Folded+by.counts.Folded, v.counts.Pending+by.counts.Pending, v.counts.Duplicate+by.counts.Duplicate
		by.counts = Counts{}
		for _, f := range by.failed {
			damaged = damaged.with(v, f.work, f.err)
		}
		by.failed = by.failed[:0]
	}
	for _, w := range works {
		v.cache.states.release(w.entity)
	}
	return damaged
}

// shareOut folds works, in as many goroutines as there are hands. They read what a
// view holds, and write to their works and to the states of their works' entities.
func (v *View) shareOut(works []*work) {
	if len(works) < leastShared {
		for _, w := range works {
			v.foldWork(&v.hands[0], w)
		}
		return
	}
	var next atomic.Int64
	var group sync.WaitGroup
	for i := range v.hands {
		group.Go(func() {
			for {
				to := int(next.Add(workShare))
				from := to - workShare
				if from >= len(works) {
					return
				}
				for _, w := range works[from:min(to, len(works))] {
					v.foldWork(&v.hands[i], w)
				}
			}
		})
	}
	group.Wait()
}

// foldWork folds a work on its entity's state, or on the hand's own.
func (v *View) foldWork(by *hand, w *work) {
	if w.first < 0 {
		w.done = !v.asHeld(w)
		return
	}
	state := w.entity.state
	if state == nil {
		state = &by.state
		if err := v.read(by, w.entity, state); err != nil {
			by.failed = append(by.failed, unreadable{w, err})
			return
		}
	}
	w.done = !v.foldEntity(by, w, state)
}
