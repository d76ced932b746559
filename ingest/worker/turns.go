package worker

import (
	"slices"
	"sync"
)

// turns lets the partitions of a source apply their chunks one at a time, in the
// order in which they asked. Who waits keeps its place while its chunk grows: one
// that gets records all the time would wait for ever at the end of the line.
type turns struct {
	mu      sync.Mutex
	taken   bool
	waiting []chan struct{}
}

// ask gets in line. The channel gives the turn, once; give or leave ends it.
func (t *turns) ask() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	place := make(chan struct{}, 1)
	if t.taken {
		t.waiting = append(t.waiting, place)
	} else {
		t.taken = true
		place <- struct{}{}
	}
	return place
}

// give gives a turn that was received to the next in line.
func (t *turns) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next()
}

func (t *turns) next() {
	if t.taken = len(t.waiting) > 0; t.taken {
		t.waiting[0] <- struct{}{}
		t.waiting = t.waiting[1:]
	}
}

// leave gives up a place from which no turn was received; nil is none.
func (t *turns) leave(place <-chan struct{}) {
	if place == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	at := slices.IndexFunc(t.waiting, func(c chan struct{}) bool { return c == place })
	if at < 0 { // it came meanwhile
		t.next()
		return
	}
	t.waiting = slices.Delete(t.waiting, at, at+1)
}
