package window

import (
	"slices"
	"sort"

	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// tiles is a list of tiles, ascending.
type tiles struct {
	starts []int64
	levels []uint8    // their sizes, as levels of the ladder; 0 where all have one size
	slots  []agg.Slot // their cells
	mark   mark
	least  int // of the plan: fewer are not cut
}

func (t *tiles) reset() {
	t.starts, t.levels, t.slots = t.starts[:0], t.levels[:0], t.slots[:0]
	t.mark.reset()
}

// before is how many tiles start before x.
func (t *tiles) before(x int64) int {
	if n := len(t.starts); n == 0 || t.starts[n-1] < x {
		return n
	}
	return sort.Search(len(t.starts), func(i int) bool { return t.starts[i] >= x })
}

// add makes a tile at place i.
func (t *tiles) add(i int, start int64, level int, slot agg.Slot) {
	t.starts = insert(t.starts, i, start)
	t.levels = insert(t.levels, i, uint8(level))
	t.slots = insert(t.slots, i, slot)
	t.mark.touch(start)
}

// remove takes tiles i to j-1 out.
func (t *tiles) remove(i, j int) {
	if i >= j {
		return
	}
	t.mark.touch(t.starts[i])
	t.starts = slices.Delete(t.starts, i, j)
	t.levels = slices.Delete(t.levels, i, j)
	t.slots = slices.Delete(t.slots, i, j)
}

func (t *tiles) split() int {
	return split(len(t.starts), t.least, func(i int) int64 { return t.starts[i] })
}

// appendStarts writes the number of tiles from to to-1 and where they stand:
// the first start as a zigzag varint, of each other the gap behind the tile
// before it, as varints in units of the finest tile. Behind a gap of 0 stands how
// many more such gaps follow: a run without holes takes no room.
func (t *tiles) appendStarts(dst []byte, sizes []int64, from, to int) []byte {
	dst = pack.AppendUint(dst, uint64(to-from))
	for i := from; i < to; i++ {
		if i == from {
			dst = pack.AppendInt(dst, t.starts[i]/sizes[0])
			continue
		}
		gap := t.gap(sizes, i)
		dst = pack.AppendUint(dst, uint64(gap/sizes[0]))
		if gap != 0 {
			continue
		}
		run := 0
		for i+1 < to && t.gap(sizes, i+1) == 0 {
			run++
			i++
		}
		dst = pack.AppendUint(dst, uint64(run))
	}
	return dst
}

// gap is how far tile i starts behind the end of the one before it.
func (t *tiles) gap(sizes []int64, i int) int64 {
	return t.starts[i] - t.starts[i-1] - sizes[t.levels[i-1]]
}

// startReader reads what appendStarts wrote.
type startReader struct {
	r    *pack.Reader
	unit int64
	left int // tiles
	end  int64
	run  int // further tiles without a gap
	any  bool
	hole bool // the next gap is not 0: a run ended before it
}

func (x *startReader) open(r *pack.Reader, unit int64, least int) {
	*x = startReader{r: r, unit: unit, left: r.Count(least)}
}

// next is the start of the next tile; ok is false at the end or where the bytes
// are wrong. The end of the tile must be set before the next call.
func (x *startReader) next() (start int64, ok bool) {
	if x.left == 0 || x.r.Err() != nil {
		return 0, false
	}
	x.left--
	switch {
	case !x.any:
		x.any = true
		n := x.r.Int()
		start = n * x.unit
		if start/x.unit != n {
			x.r.Failf("a tile starts out of the range of time")
		}
		return start, x.r.Err() == nil
	case x.run > 0:
		x.run--
		return x.end, true
	}
	gap := x.r.Uint()
	if x.hole && gap == 0 {
		x.r.Fail(pack.ErrCanonical)
	}
	x.hole = false
	start = x.end + int64(gap)*x.unit
	if gap > uint64(1<<62)/uint64(x.unit) || start < x.end {
		x.r.Failf("a tile starts out of the range of time")
		return 0, false
	}
	if gap == 0 {
		run := x.r.Uint()
		if run > uint64(x.left) {
			x.r.Failf("a run of %d tiles where %d are left", run, x.left)
			return 0, false
		}
		x.run, x.hole = int(run), true
	}
	return start, x.r.Err() == nil
}

// skip passes over n of the tiles that follow without a gap, and gives n.
func (x *startReader) skip(n int) int {
	x.run -= n
	x.left -= n
	return n
}
