package worker

import (
	"fmt"
	"sync"
)

// Budget says how many bad records of a source are too many: both at least
// AtLeast, and more than Share of its last records. More of them are no poison
// but a wrong schema, a wrong topic or a wrong definition, and passing them by
// would lose the source.
type Budget struct {
	AtLeast int     // 0: the default, 100; below 0: there is no budget
	Share   float64 // 0: the default, 0.01
}

// budgetWindow is how many records of a source the budget looks back over.
const budgetWindow = 10_000

func (b Budget) withDefaults() Budget {
	if b.AtLeast == 0 {
		b.AtLeast = 100
	}
	if b.Share == 0 {
		b.Share = 0.01
	}
	return b
}

// HaltedError halts the views of a source: too many of its records do not
// decode. None of the records that broke the budget was passed by.
type HaltedError struct {
	Source   string
	Bad, Of  int
	Example  string // what the newest of them was refused for
	Position string
}

func (e *HaltedError) Error() string {
	return fmt.Sprintf("HALTED: source %q: %d of its last %d records do not decode, the newest at %s: %s; "+
		"apply a definition that reads them (they are read again), or raise ingest.dead_letters in the settings and start anew (they become dead letters)", e.Source, e.Bad, e.Of, e.Position, e.Example)
}

// spending is the budget of one source, which its partitions share.
type spending struct {
	Budget

	mu   sync.Mutex
	ring [budgetWindow]bool
	next int // in the ring
	seen int // records, at most the window
	bad  int // among them
}

func newSpending(b Budget) *spending { return &spending{Budget: b.withDefaults()} }

// note counts the records of a chunk, and reports whether the bad ones are too
// many. Where they are, nothing is counted: the chunk is not passed.
func (s *spending) note(records, bad int) (halt bool, inWindow, of int) {
	if s.AtLeast < 0 {
		return false, 0, 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	inWindow, of = s.bad+bad, min(budgetWindow, s.seen+records)
	if bad > 0 && inWindow >= s.AtLeast && float64(inWindow) > s.Share*float64(of) {
		return true, inWindow, of
	}
	for i := range records { // spread evenly: the order within a chunk does not matter
		s.push((i+1)*bad/records > i*bad/records)
	}
	return false, inWindow, of
}

func (s *spending) push(bad bool) {
	if s.seen == budgetWindow {
		if s.ring[s.next] {
			s.bad--
		}
	} else {
		s.seen++
	}
	if s.ring[s.next] = bad; bad {
		s.bad++
	}
	s.next = (s.next + 1) % budgetWindow
}
