package window

import (
	"fmt"
	"math"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// A session window is the newest event with e < t, and all before it as long as
// neighbours are less than the gap apart; a where says what an event is. Its
// tiles are at most as large as the gap, so that the events of one tile belong
// to one session, and know their first and last event time. The newest 1,024 of
// them are kept: a session that reaches the oldest of these, where older ones
// were dropped, is computed over what is kept and says APPROXIMATE.

// mostSessionTiles is how many tiles a session list keeps.
const mostSessionTiles = 1024

func resolveSession(f *Feature) error {
	if f.Width < featurestore.Second || f.Width > maxReach {
		return fmt.Errorf("gap %s of a session is out of range: write 1s to %s", f.Width, maxReach)
	}
	if f.Tile == 0 {
		for _, g := range steps {
			if g <= f.Width {
				f.Tile = g
			}
		}
	}
	if f.Tile > f.Width {
		return fmt.Errorf("tile %s is longer than the gap %s: events of one tile could belong to two sessions", f.Tile, f.Width)
	}
	return nil
}

// sessionPlan is the session windows that share tiles: of one where and one tile
// size.
type sessionPlan struct {
	part
	where int
	tile  int64
}

// session is the tiles of a sessionPlan.
type session struct {
	tiles   tiles
	first   []int64 // event time, of each tile
	last    []int64
	dropped bool // there were older tiles
	cells   *agg.Cells
}

func (x *session) reset() {
	x.tiles.reset()
	x.first, x.last, x.dropped = x.first[:0], x.last[:0], false
	x.cells.Reset()
}

// fold counts an event that passes the plan's where.
func (x *session) fold(p *sessionPlan, o *agg.Order, inputs []featurestore.Value) {
	if p.where >= 0 && !inputs[p.where].Bool() {
		return
	}
	e := int64(o.Time)
	start := floor(e, p.tile)
	i := x.tiles.before(start)
	if i == len(x.tiles.starts) || x.tiles.starts[i] != start {
		if len(x.tiles.starts) == mostSessionTiles {
			x.dropped = true
			if i == 0 {
				return
			}
			x.cells.Free(x.tiles.slots[0])
			x.remove(0, 1)
			i--
		}
		x.tiles.add(i, start, 0, x.cells.Alloc())
		x.first, x.last = insert(x.first, i, e), insert(x.last, i, e)
	}
	x.first[i], x.last[i] = min(x.first[i], e), max(x.last[i], e)
	x.tiles.mark.touch(start)
	x.cells.Add(x.tiles.slots[i], o, inputs)
}

func (x *session) remove(i, j int) {
	x.tiles.remove(i, j)
	x.first, x.last = slices.Delete(x.first, i, j), slices.Delete(x.last, i, j)
}

// read computes the features of a session list at t.
func (x *session) read(p *sessionPlan, s *State, t featurestore.Instant, out []featurestore.Cell) {
	acc := x.cells.Alloc()
	for i := range p.uses {
		u := &p.uses[i]
		x.cells.Clear(acc)
		cut := x.run(p, s, int64(s.plan.features[u.feature].Width), acc)
		c := u.finisher.Read(x.cells, acc, t)
		if cut && c.Status == featurestore.Present {
			c.Status = featurestore.Approximate
		}
		out[u.feature] = c
	}
	x.cells.Free(acc)
}

// run merges the session at t into acc and reports whether tiles that may belong
// to it were dropped. Tiles and pending rows are visited by falling last event
// time, so that the session grows by one as long as that is near enough.
func (x *session) run(p *sessionPlan, s *State, gap int64, acc agg.Slot) (cut bool) {
	i, j := len(x.tiles.starts)-1, len(s.due)-1
	begin, any := int64(0), false
	for {
		for j >= 0 && !s.due[j].counts(p.where) {
			j--
		}
		if i < 0 && j < 0 {
			break
		}
		isTile := j < 0 || i >= 0 && x.last[i] >= int64(s.due[j].order.Time)
		first, last := int64(0), int64(0)
		if isTile {
			first, last = x.first[i], x.last[i]
		} else {
			first = int64(s.due[j].order.Time)
			last = first
		}
		if any && begin-last >= gap {
			break
		}
		if !any || first < begin {
			begin, any = first, true
		}
		if isTile {
			x.cells.Merge(acc, x.tiles.slots[i:i+1])
			i--
		} else {
			x.cells.Add(acc, &s.due[j].order, s.due[j].inputs)
			j--
		}
	}
	return x.dropped && any && floor(begin, p.tile) <= x.oldest()
}

// oldest is the start of the oldest tile that is kept.
func (x *session) oldest() int64 {
	if len(x.tiles.starts) == 0 {
		return math.MaxInt64
	}
	return x.tiles.starts[0]
}

// keepOf keeps no tiles before those of o, which has dropped them.
func (x *session) keepOf(o *session) {
	if o.dropped {
		x.dropped = true
		n := x.tiles.before(o.tiles.starts[0])
		for _, slot := range x.tiles.slots[:n] {
			x.cells.Free(slot)
		}
		x.remove(0, n)
	}
}

// append writes tiles from to to-1: their starts, their first and last event
// times, their cells.
func (x *session) append(dst []byte, p *sessionPlan, from, to int) []byte {
	dst = x.tiles.appendStarts(dst, []int64{p.tile}, from, to)
	for i := from; i < to; i++ {
		dst = pack.AppendUint(dst, uint64(x.first[i]-x.tiles.starts[i]))
		dst = pack.AppendUint(dst, uint64(x.last[i]-x.first[i]))
	}
	return x.cells.AppendTiles(dst, x.tiles.slots[from:to], x.tiles.starts[from:to])
}

// decode reads tiles of append behind those that are there.
func (x *session) decode(r *pack.Reader, p *sessionPlan) {
	have := len(x.tiles.starts)
	var starts startReader
	starts.open(r, p.tile, 3)
	if have+starts.left > mostSessionTiles {
		r.Failf("%d tiles of a session, where %d are kept", have+starts.left, mostSessionTiles)
	}
	for start, ok := starts.next(); ok; start, ok = starts.next() {
		if n := len(x.tiles.starts); n > 0 && start <= x.tiles.starts[n-1] || start+p.tile < start {
			r.Fail(pack.ErrCanonical)
			break
		}
		x.tiles.starts = append(x.tiles.starts, start)
		x.tiles.levels = append(x.tiles.levels, 0)
		x.tiles.slots = append(x.tiles.slots, x.cells.Alloc())
		starts.end = start + p.tile
	}
	for _, start := range x.tiles.starts[have:] {
		first, more := r.Uint(), r.Uint()
		if first >= uint64(p.tile) || more >= uint64(p.tile)-first {
			r.Failf("an event time lies outside of its tile")
		}
		x.first = append(x.first, start+int64(first))
		x.last = append(x.last, start+int64(first+more))
	}
	x.cells.DecodeTiles(r, x.tiles.slots[have:], x.tiles.starts[have:])
}
