package worker

import (
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/transforms/window"
)

// entity is a cached entity: its decoded state and the applied prefix of the
// blob that the store is known to hold, nil where it holds none.
type entity struct {
	key    string
	lane   uint16
	state  *window.State
	expect []byte
	closed codec.Closed // the closed part that the store holds beside it
	bytes  int          // of both parts, as a measure of the state

	chunk int64 // the last chunk that touched it
	work  int32 // and its work there

	newer, older *entity
}

// cache keeps recently written entities decoded, bounded by the bytes of their
// blobs; the least recently used go first. What is in it is only ever what the
// store acknowledged.
type cache struct {
	byKey      map[string]*entity
	head, tail *entity // newest, oldest
	bytes      int
	limit      int
	free       []*window.State
}

// stateCost is how much more memory a decoded state takes than its blob.
const stateCost = 4

func newCache(limit int) *cache {
	return &cache{byKey: map[string]*entity{}, limit: limit}
}

func (c *cache) get(key []byte) *entity { return c.byKey[string(key)] }

// put adds an entity that is not in the cache.
func (c *cache) put(e *entity) {
	c.byKey[e.key] = e
	c.link(e)
	c.bytes += e.cost()
}

func (e *entity) cost() int { return e.bytes*stateCost + len(e.key) + 256 }

// touch moves an entity to the front and accounts for its new size.
func (c *cache) touch(e *entity, bytes int) {
	c.unlink(e)
	c.link(e)
	c.bytes -= e.cost()
	e.bytes = bytes
	c.bytes += e.cost()
}

// trim evicts down to the limit.
func (c *cache) trim() {
	for c.bytes > c.limit && c.tail != nil {
		c.drop(c.tail)
	}
}

func (c *cache) drop(e *entity) {
	c.unlink(e)
	delete(c.byKey, e.key)
	c.bytes -= e.cost()
	if len(c.free) < 1024 {
		e.state.Reset()
		c.free = append(c.free, e.state)
	}
	e.state = nil
}

// dropLanes forgets every entity of some lanes.
func (c *cache) dropLanes(lanes map[uint16]bool) {
	for _, e := range c.byKey {
		if lanes[e.lane] {
			c.drop(e)
		}
	}
}

func (c *cache) clear() {
	for c.tail != nil {
		c.drop(c.tail)
	}
}

// state gives an empty state, a used one where there is one.
func (c *cache) state() *window.State {
	if n := len(c.free); n > 0 {
		s := c.free[n-1]
		c.free = c.free[:n-1]
		return s
	}
	return new(window.State)
}

func (c *cache) link(e *entity) {
	e.newer, e.older = nil, c.head
	if c.head != nil {
		c.head.newer = e
	}
	c.head = e
	if c.tail == nil {
		c.tail = e
	}
}

func (c *cache) unlink(e *entity) {
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
