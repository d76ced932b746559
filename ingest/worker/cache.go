package worker

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// entity is a cached entity: the parts that the store is known to hold of it, or that
// are held (holding), and where that is kept (states), its state.
type entity struct {
	key    string
	lane   uint16
	open   []byte // nil where the store holds none
	closed []byte

	// state is what the parts decode to, or what was folded on it since and is not
	// acknowledged yet; nil where it is not kept.
	state   *window.State
	decoded int   // what the state counts for, in bytes
	used    int64 // the last use, counted over all entities; 0 before the first

	renewed featurestore.Instant // when its time to live began anew; 0 where that is not known

	chunk int64 // the last chunk that touched it
	work  int32 // and its work there

	turn uint32 // of its lane when it was acknowledged, plus one; 0 where it was only read

	held *heldEntity // nil where the store has these parts

	links [2]links // its place in the cache, and among those whose states are kept
	kept  bool
}

// entityCost is what an entity takes beside its bytes, about: itself and its place
// in the map.
const entityCost = 272

func (e *entity) cost() int {
	return entityCost + len(e.key) + cap(e.open) + cap(e.closed)
}

// cache keeps recently written entities, bounded in bytes; the least recently used
// go first. Some of them are kept decoded. The bytes are what the store acknowledged, but
// for those that are held.
type cache struct {
	byKey  []map[string]*entity // of each lane
	whole  []bool               // of each lane, whether all that the store holds of it is cached, as far as is known
	left   map[uint16]bool      // lanes of which it was found that it is not, though they have applied nothing
	order  order
	bytes  int // without states
	limit  int // with them
	states states
}

func newCache(limit int) *cache {
	return &cache{limit: limit, left: map[uint16]bool{}, order: order{of: orderCached}, states: states{limit: limit / decodedShare, order: order{of: orderKept}}}
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
	c.order.link(e)
	c.bytes += e.cost()
	c.states.put(e)
}

// use moves an entity to the front, and reports whether its state is to be kept.
func (c *cache) use(e *entity) bool {
	c.order.unlink(e)
	c.order.link(e)
	return c.states.use(e)
}

// stored takes over what the store has accepted for an entity, or what is held: its open
// part, and its closed one where it is given, empty for one that was removed.
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

// trim evicts down to the limit, but for what is held: that was used last.
func (c *cache) trim() {
	for c.isOver() && c.order.oldest != nil && c.order.oldest.held == nil {
		c.drop(c.order.oldest)
	}
}

// isOver reports whether the cache is beyond its limit.
func (c *cache) isOver() bool { return c.bytes+c.states.bytes > c.limit }

func (c *cache) drop(e *entity) {
	if int(e.lane) < len(c.whole) {
		c.whole[e.lane] = false
	}
	c.order.unlink(e)
	delete(c.byKey[e.lane], e.key)
	c.states.drop(e)
	c.bytes -= e.cost()
}

// isWhole reports whether what is not cached of a lane is not in the store either, by
// what is known: nothing stood in it when it was read, and nothing was dropped since.
// What another has written meanwhile is found when a batch is compared.
func (c *cache) isWhole(lane uint16) bool { return int(lane) < len(c.whole) && c.whole[lane] }

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
	for c.order.oldest != nil {
		c.drop(c.order.oldest)
	}
}
