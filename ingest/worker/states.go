package worker

import "github.com/freshet/freshet/transforms/window"

// states are the decoded entities of a cache. A state is many small pieces, and takes
// several times the memory of its bytes: to read bytes anew costs less than what many
// of them cost the collector and the processor's caches. So few are kept, of those
// that are used again and again: where more entities than are kept were used since an
// entity's last use, its state would be given up before its next one, too, and
// is not kept. So it is of large chunks, which touch their entities lane by lane in the
// same order each time: what one leaves behind is given up while the next comes to it.
type states struct {
	order order // of those that are kept
	bytes int
	limit int   // of those that are kept
	uses  int64 // so far
	free  []*window.State
}

// decodedShare is which part of a cache's bound the states take.
const decodedShare = 16

// What a state takes beside what it decodes from, which grows fourfold, about.
const (
	stateCost  = 1200
	stateTimes = 4
)

func (e *entity) stateCost() int { return stateCost + stateTimes*(len(e.open)+len(e.closed)) }

// put keeps the state of an entity that was just read, until it is used. One that is
// new has none until then.
func (s *states) put(e *entity) {
	if e.state != nil {
		s.keep(e, e.state)
	}
}

// keep keeps the state of an entity, which has none that is kept.
func (s *states) keep(e *entity, state *window.State) {
	e.state, e.decoded = state, e.stateCost()
	s.bytes += e.decoded
	s.link(e)
	s.strip(e)
}

// use notes a use of an entity, and reports whether its state is to be kept. One that
// it has stays until it is released.
func (s *states) use(e *entity) (keep bool) {
	keep = e.used > 0 && s.uses-e.used < int64(s.limit/max(e.decoded, e.stateCost()))
	s.uses++
	e.used = s.uses
	s.unlink(e)
	if keep && e.state != nil {
		s.link(e)
	}
	return keep
}

// drop gives up the state of an entity, where it has one.
func (s *states) drop(e *entity) {
	s.unlink(e)
	s.release(e)
}

// strip gives up states down to the limit, but for one.
func (s *states) strip(but *entity) {
	for s.bytes > s.limit && s.order.oldest != nil && s.order.oldest != but {
		s.drop(s.order.oldest)
	}
}

// mostFree is how many unused states there are at most.
const mostFree = 64

// release gives up the state of an entity where it has one that is not kept.
func (s *states) release(e *entity) {
	if e.state == nil || e.kept {
		return
	}
	if len(s.free) < mostFree {
		s.free = append(s.free, e.state)
	}
	s.bytes -= e.decoded
	e.state, e.decoded = nil, 0
}

// spare gives a state for any use: it may hold what it was used for before.
func (s *states) spare() *window.State {
	if n := len(s.free); n > 0 {
		state := s.free[n-1]
		s.free = s.free[:n-1]
		return state
	}
	return new(window.State)
}

// link puts an entity at the front of those that are kept.
func (s *states) link(e *entity) {
	e.kept = true
	s.order.link(e)
}

// unlink takes an entity out of those that are kept.
func (s *states) unlink(e *entity) {
	if e.kept {
		e.kept = false
		s.order.unlink(e)
	}
}
