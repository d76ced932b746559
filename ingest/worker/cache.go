package worker

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/transforms/window"
)

// entity is a cached entity: the parts that the store is known to hold of it, and
// while it is among the most recently used, its state.
type entity struct {
	key    string
	lane   uint16
	open   []byte // nil where the store holds none
	closed []byte

	// state is what the parts decode to, or what was folded on it since and is not
	// acknowledged yet; nil where it is not kept.
	state   *window.State
	decoded int // what the state counts for, in bytes

	renewed featurestore.Instant // when its time to live began anew; 0 where that is not known

	chunk int64 // the last chunk that touched it
	work  int32 // and its work there

	turn uint32 // of its lane when it was acknowledged, plus one; 0 where it was only read

	newer, older *entity
}

// expect is the applied prefix of what the store holds, nil where it holds nothing.
func (e *entity) expect() []byte {
	prefix, err := codec.AppliedPrefix(e.open)
	if err != nil {
		return nil // there are no bytes: others are not cached
	}
	return prefix
}

// What an entity takes beside its bytes, about: itself and its place in the map,
// and a state beside what it decodes from, which grows fourfold.
const (
	entityCost = 232
	stateCost  = 1200
	stateTimes = 4
)

func (e *entity) cost() int {
	return entityCost + len(e.key) + cap(e.open) + cap(e.closed) + e.decoded
}

// cache keeps recently written entities, bounded in bytes; the least recently used
// go first. The most recently used of them, up to a share of the bound, are kept
// decoded: a state is many small pieces, and takes several times the memory of its
// bytes. The bytes are only ever what the store acknowledged.
type cache struct {
	byKey      []map[string]*entity // of each lane
	head, tail *entity              // newest, oldest
	last       *entity              // the oldest with a state: all before it have one, none behind it
	bytes      int
	limit      int
	decoded    int // of bytes: of the states
	free       []*window.State
}

// decodedShare is which part of the bound the states take: few, since reading bytes
// anew costs less than what many small pieces cost the collector and the caches.
const decodedShare = 16

// mostFree is how many unused states are kept.
const mostFree = 64

func newCache(limit int) *cache {
	return &cache{limit: limit}
}

// get gives an entity, nil where it is not cached.
func (c *cache) get(lane uint16, key string) *entity {
	if int(lane) >= len(c.byKey) {
		return nil
	}
	return c.byKey[lane][key]
}

// len is how many entities are cached.
func (c *cache) len() int {
	n := 0
	for _, lane := range c.byKey {
		n += len(lane)
	}
	return n
}

// put adds an entity that is not in the cache, with its state.
func (c *cache) put(e *entity) {
	for int(e.lane) >= len(c.byKey) {
		c.byKey = append(c.byKey, map[string]*entity{})
	}
	c.byKey[e.lane][e.key] = e
	c.link(e)
	e.decoded = e.stateCost()
	c.decoded += e.decoded
	c.bytes += e.cost()
	c.strip(e)
}

func (e *entity) stateCost() int { return stateCost + stateTimes*(len(e.open)+len(e.closed)) }

// use moves an entity to the front, with its state.
func (c *cache) use(e *entity, state *window.State) {
	c.unlink(e)
	c.link(e)
	if e.state == nil {
		e.state, e.decoded = state, e.stateCost()
		c.bytes += e.decoded
		c.decoded += e.decoded
	}
	c.strip(e)
}

// stored takes over what the store has accepted for an entity: its open part, and
// its closed one where it is given, empty for one that was removed.
func (c *cache) stored(e *entity, open, closed []byte) {
	c.bytes -= e.cost()
	e.open = append(e.open[:0], open...)
	if closed != nil {
		e.closed = append(e.closed[:0], closed...)
	}
	c.bytes += e.cost()
	if e.state != nil {
		e.state.Stored()
	}
}

// strip gives up states down to the share that they may take, but for one.
func (c *cache) strip(but *entity) {
	for c.decoded > c.limit/decodedShare && c.last != but {
		e := c.last
		c.last = e.newer
		c.release(e)
	}
}

// release gives up an entity's state, where it has one.
func (c *cache) release(e *entity) {
	if e.state == nil {
		return
	}
	if len(c.free) < mostFree {
		e.state.Reset()
		c.free = append(c.free, e.state)
	}
	c.bytes -= e.decoded
	c.decoded -= e.decoded
	e.state, e.decoded = nil, 0
}

// trim evicts down to the limit.
func (c *cache) trim() {
	for c.bytes > c.limit && c.tail != nil {
		c.drop(c.tail)
	}
}

func (c *cache) drop(e *entity) {
	c.unlink(e)
	delete(c.byKey[e.lane], e.key)
	c.release(e)
	c.bytes -= e.cost()
}

// forget drops an entity, where it is cached.
func (c *cache) forget(lane uint16, key []byte) {
	if e := c.get(lane, string(key)); e != nil {
		c.drop(e)
	}
}

// dropLanes forgets every entity of some lanes.
func (c *cache) dropLanes(lanes map[uint16]bool) {
	for lane := range c.byKey {
		if lanes[uint16(lane)] {
			for _, e := range c.byKey[lane] {
				c.drop(e)
			}
		}
	}
}

func (c *cache) clear() {
	for c.tail != nil {
		c.drop(c.tail)
	}
}

// spare gives an empty state, a used one where there is one.
func (c *cache) spare() *window.State {
	if n := len(c.free); n > 0 {
		s := c.free[n-1]
		c.free = c.free[:n-1]
		return s
	}
	return new(window.State)
}

// link puts an entity at the front, where every entity has a state.
func (c *cache) link(e *entity) {
	e.newer, e.older = nil, c.head
	if c.head != nil {
		c.head.newer = e
	}
	c.head = e
	if c.tail == nil {
		c.tail = e
	}
	if c.last == nil {
		c.last = e
	}
}

func (c *cache) unlink(e *entity) {
	if c.last == e {
		c.last = e.newer
	}
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		c.head = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		c.tail = e.newer
	}
	e.newer, e.older = nil, nil
}
