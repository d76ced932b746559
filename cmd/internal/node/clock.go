package node

import (
	"sync"
	"time"

	"github.com/freshet/freshet/featurestore"
)

// Clock is the time of a process: the wall's, or that of a replay, which stands
// still until it is moved and never passes a record that is not applied. It is
// safe for concurrent use.
type Clock struct {
	mu      sync.RWMutex
	stored  bool // takes what the online store kept of a replay
	replay  bool
	at      featurestore.Instant
	running bool      // goes on from at since then
	since   time.Time // monotonic
}

// WallClock is the wall's clock.
func WallClock() *Clock { return &Clock{} }

// ReplayClock stands at t until Move or Run.
func ReplayClock(t featurestore.Instant) *Clock { return &Clock{replay: true, at: t} }

// StoredClock is the wall's clock, or, once the online store is open, that of the
// replay whose values the store holds: it stands where the replay left it.
func StoredClock() *Clock { return &Clock{stored: true} }

// adopt takes over a replay's clock that a store has kept.
func (c *Clock) adopt(t featurestore.Instant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stored {
		c.replay, c.at = true, t
	} else if c.replay {
		c.at = max(c.at, t)
	}
}

// Now is the time.
func (c *Clock) Now() featurestore.Instant {
	c.mu.RLock()
	defer c.mu.RUnlock()
	switch {
	case !c.replay:
		return featurestore.InstantOf(time.Now())
	case c.running:
		return c.at + featurestore.Instant(time.Since(c.since).Microseconds())
	}
	return c.at
}

// Replay reports whether the clock is a replay's.
func (c *Clock) Replay() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.replay
}

// Goes reports whether time passes by itself: a replay's stands until the replay
// goes on with it.
func (c *Clock) Goes() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return !c.replay || c.running
}

// Move sets a replay's clock forward; it never goes back.
func (c *Clock) Move(t featurestore.Instant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = max(c.at, t)
}

// Run lets a replay's clock go on from where it stands, at the wall's pace.
func (c *Clock) Run() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running, c.since = true, time.Now()
}
