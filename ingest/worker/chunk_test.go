package worker

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore/online"
)

// A watermark's fingerprints stay few, in order, keep the newest and the oldest,
// and thin out towards the past.
func TestPrintsReachFarBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var prints []online.Fingerprint
		var rooms [2][]online.Fingerprint // of which the one that is not read is written to
		offset := int64(0)
		first := int64(-1)
		for range rapid.IntRange(1, 200).Draw(rt, "chunks") {
			offset += rapid.Int64Range(1, 50).Draw(rt, "records")
			if first < 0 {
				first = offset
			}
			again := []online.Fingerprint{{Offset: offset - 1}, {Offset: offset}} // overlaps what came before
			if len(prints) == 0 {
				again = again[1:]
			}
			before := slices.Clone(prints)
			next := mergePrints(rooms[0], prints, again)
			rooms[0], rooms[1] = rooms[1], next
			if !slices.Equal(before, prints) {
				rt.Fatal("the prints of the mark before were changed")
			}
			prints = next
			ascending := slices.IsSortedFunc(prints, func(a, b online.Fingerprint) int { return int(a.Offset - b.Offset) })
			if len(prints) > maxPrints || !ascending || prints[len(prints)-1].Offset != offset || prints[0].Offset != first {
				rt.Fatalf("after offset %d: %+v", offset, prints)
			}
		}
		if len(prints) == maxPrints && prints[maxPrints/2].Offset-first < (offset-first)/20 {
			rt.Fatalf("the middle of %+v does not reach back", prints)
		}
	})
}

// The cache never holds more than its bound once it is trimmed, forgets the least
// recently used first, and loses count of nothing.
func TestCache(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := newCache(20_000)
		var used []string // least recently used first
		forget := func(key string) { used = slices.DeleteFunc(used, func(k string) bool { return k == key }) }
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			key := fmt.Sprint(rapid.IntRange(0, 12).Draw(rt, "key"))
			bytes := rapid.IntRange(0, 200).Draw(rt, "bytes")
			e := c.get(uint16(len(key)-1), key)
			switch op := rapid.IntRange(0, 5).Draw(rt, "op"); {
			case op == 0:
				c.dropLanes(map[uint16]bool{1: true})
				used = slices.DeleteFunc(used, func(k string) bool { return len(k) == 2 })
			case op == 1 && e != nil:
				c.drop(e)
				forget(key)
			case e == nil:
				c.put(&entity{key: key, lane: uint16(len(key) - 1), state: c.states.spare(), open: make([]byte, bytes)})
				used = append(used, key)
			default:
				if c.use(e) && e.state == nil {
					c.states.keep(e, c.states.spare())
				}
				c.states.release(e)
				c.stored(e, make([]byte, bytes), nil)
				forget(key)
				used = append(used, key)
			}
			c.trim()
			used = used[len(used)-c.len():]
			sum, decoded, at := 0, 0, len(used)
			for e := c.order.newest; e != nil; e = e.links[orderCached].older {
				at--
				sum += e.cost()
				decoded += e.decoded
				if (e.state == nil) != (e.decoded == 0) || (e.state != nil) != e.kept {
					rt.Fatalf("%q: has a state %t, of %d bytes, is kept %t", e.key, e.state != nil, e.decoded, e.kept)
				}
				if used[at] != e.key {
					rt.Fatalf("%q stands where %q was used", e.key, used[at])
				}
			}
			if at != 0 || sum != c.bytes || sum+decoded > c.limit {
				rt.Fatalf("%d bytes are counted, %d are there, %d are allowed; %d are missing", c.bytes, sum, c.limit, at)
			}
			kept, n := 0, 0
			for e := c.states.order.newest; e != nil; e = e.links[orderKept].older {
				kept, n = kept+e.decoded, n+1
			}
			if decoded != c.states.bytes || kept > c.states.limit && n > 1 {
				rt.Fatalf("%d bytes of states are counted, %d are there, %d of %d are kept", c.states.bytes, decoded, kept, n)
			}
		}
		c.clear()
		if c.bytes != 0 || c.states.bytes != 0 || c.order.newest != nil || c.states.order.newest != nil || c.len() != 0 {
			rt.Fatal("a cleared cache holds something")
		}
	})
}
