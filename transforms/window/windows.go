package window

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
)

// window is one span and the features that are read from it.
type window struct {
	span
	elements []element
	needs    *agg.Needs
}

// element is a feature of the tiled part, or one element of a series.
type element struct {
	use    int // of the tiled part
	series int // its place among the plan's series, -1 for none
	item   int // of the series
}

// layWindows lists the spans of the tiled part, each once, and makes the ladder.
func (p *Plan) layWindows() {
	var spans []span
	for k := range p.tiled.uses {
		f := &p.features[p.tiled.uses[k].feature]
		series := -1
		if f.Kind == Series {
			series = len(p.series)
			p.series = append(p.series, k)
		}
		for item, w := range kinds[f.Kind].spans(f) {
			i := slices.Index(spans, w)
			if i < 0 {
				i = len(spans)
				spans = append(spans, w)
				p.windows = append(p.windows, window{span: w, needs: p.tiled.layout.NewNeeds()})
			}
			p.windows[i].elements = append(p.windows[i].elements, element{use: k, series: series, item: item})
			p.windows[i].needs.Finisher(&p.tiled.uses[k].finisher)
		}
	}
	p.ladder = newLadder(spans)
	p.uniform = len(p.windows) > 0
	for i := range p.windows {
		p.uniform = p.uniform && p.windows[i].needs.Equal(p.windows[0].needs)
	}
	p.origins = p.tiled.layout != nil && p.tiled.layout.Origins()
}

// reading is the reading of all windows at one instant. The edges of the windows
// cut the time line into segments; each tile belongs to one segment, by its
// start, and is merged once; a window is some segments in a row. Windows with one
// end are read from the shortest to the longest, so that each segment is merged
// once for all of them.
type reading struct {
	from, to []int64 // of each window
	cuts     []int64 // all edges, ascending: segment i is [cuts[i], cuts[i+1])
	segments []segment
	lo, hi   []int // the segments of each window
	order    []int // windows, in the order of reading
	slots    []agg.Slot
	series   []seriesReading

	merge agg.TileMerge // of packed tiles
}

// segment is what lies between two edges.
type segment struct {
	needs *agg.Needs // of the windows that it is part of
	used  bool
}

// seriesReading is a series on its way.
type seriesReading struct {
	values                      []featurestore.Value
	overflow, valued, estimated bool
}

// prepare works out the segments at t.
func (r *reading) prepare(p *Plan, t int64) {
	n := len(p.windows)
	if len(r.order) != n {
		r.from, r.to, r.lo, r.hi = make([]int64, n), make([]int64, n), make([]int, n), make([]int, n)
		r.order = make([]int, n)
		for i := range r.order {
			r.order[i] = i
		}
	}
	r.cuts = r.cuts[:0]
	for i := range p.windows {
		r.from[i], r.to[i] = p.windows[i].at(t)
		if r.from[i] < r.to[i] {
			r.cuts = append(r.cuts, r.from[i], r.to[i])
		}
	}
	slices.Sort(r.cuts)
	r.cuts = slices.Compact(r.cuts)
	for len(r.segments) < len(r.cuts) {
		r.segments = append(r.segments, segment{needs: p.tiled.layout.NewNeeds()})
	}
	for i := range r.segments {
		if r.segments[i].used {
			r.segments[i].used = false
			r.segments[i].needs.Clear()
		}
	}
	for i := range p.windows {
		r.lo[i], r.hi[i] = 0, 0
		if r.from[i] >= r.to[i] {
			continue
		}
		r.lo[i], _ = slices.BinarySearch(r.cuts, r.from[i])
		r.hi[i], _ = slices.BinarySearch(r.cuts, r.to[i])
		for k := r.lo[i]; k < r.hi[i]; k++ {
			if p.uniform && r.segments[k].used {
				continue
			}
			r.segments[k].used = true
			r.segments[k].needs.Join(p.windows[i].needs)
		}
	}
	r.sort()
}

// sort orders the windows by falling end, then falling start; they mostly are
// in that order from the read before.
func (r *reading) sort() {
	before := func(a, b int) bool {
		return r.hi[a] > r.hi[b] || r.hi[a] == r.hi[b] && r.lo[a] > r.lo[b]
	}
	for i := 1; i < len(r.order); i++ {
		for k := i; k > 0 && before(r.order[k], r.order[k-1]); k-- {
			r.order[k], r.order[k-1] = r.order[k-1], r.order[k]
		}
	}
}

// open hands out a slot for each segment, and one more for what is read.
func (r *reading) open(cells *agg.Cells) {
	r.slots = r.slots[:0]
	for range max(1, len(r.cuts)) {
		r.slots = append(r.slots, cells.Alloc())
	}
}

func (r *reading) close(cells *agg.Cells) {
	for _, slot := range r.slots {
		cells.Free(slot)
	}
}

// find is the segment that holds an instant; ok is false where no window does.
func (r *reading) find(x int64) (segment int, ok bool) {
	i, found := slices.BinarySearch(r.cuts, x)
	if !found {
		i--
	}
	return i, i >= 0 && i < len(r.cuts)-1 && r.segments[i].used
}

// readTiles reads the windows of the tiled part at t.
func (s *State) readTiles(t featurestore.Instant, out []featurestore.Cell) {
	r, cells := &s.reading, s.cells
	r.prepare(s.plan, int64(t))
	r.open(cells)
	for i := range len(r.cuts) - 1 {
		if !r.segments[i].used {
			continue
		}
		lo, hi := s.tiles.before(r.cuts[i]), s.tiles.before(r.cuts[i+1])
		if lo < hi {
			cells.MergeNeeds(r.slots[i], s.tiles.slots[lo:hi], r.segments[i].needs)
		}
	}
	for i := range s.due {
		row := &s.due[i]
		if k, ok := r.find(int64(row.order.Time)); ok && !row.duplicate && !row.retraction {
			cells.Add(r.slots[k], &row.order, row.inputs)
		}
	}
	for i := range s.due {
		row := &s.due[i]
		if k, ok := r.find(int64(row.order.Time)); ok && row.retraction {
			cells.Remove(r.slots[k], &row.order, row.inputs)
		}
	}
	r.finish(s.plan, cells, t, out)
	r.close(cells)
}

// finish reads the features from the segments.
func (r *reading) finish(p *Plan, cells *agg.Cells, t featurestore.Instant, out []featurestore.Cell) {
	r.series = r.series[:0]
	for _, k := range p.series {
		n := p.features[p.tiled.uses[k].feature].Count
		r.series = append(r.series, seriesReading{values: make([]featurestore.Value, n)})
	}
	acc := r.slots[len(r.slots)-1]
	lo, hi := 0, 0
	for _, i := range r.order {
		if r.hi[i] != hi {
			cells.Clear(acc)
			lo, hi = r.hi[i], r.hi[i]
		}
		for ; lo > r.lo[i]; lo-- {
			cells.MergeNeeds(acc, r.slots[lo-1:lo], r.segments[lo-1].needs)
		}
		for _, e := range p.windows[i].elements {
			u := &p.tiled.uses[e.use]
			if e.series < 0 {
				u.finisher.ReadTo(&out[u.feature], cells, acc, t)
			} else {
				r.series[e.series].take(e.item, u.finisher.Read(cells, acc, t))
			}
		}
	}
	for i, k := range p.series {
		out[p.tiled.uses[k].feature] = r.series[i].cell()
	}
}

func (x *seriesReading) take(item int, c featurestore.Cell) {
	x.values[item] = c.Value
	x.overflow = x.overflow || c.Status == featurestore.Overflow
	x.valued = x.valued || c.Status >= featurestore.Approximate
	x.estimated = x.estimated || c.Status == featurestore.Approximate
}

// cell is the series: OVERFLOW if an element is, else EMPTY if every one is, else
// APPROXIMATE if one is.
func (x *seriesReading) cell() featurestore.Cell {
	c := featurestore.Cell{Value: featurestore.ListValue(x.values), Status: featurestore.Present}
	switch {
	case x.overflow:
		c.Status = featurestore.Overflow
	case !x.valued:
		c.Status = featurestore.Empty
	case x.estimated:
		c.Status = featurestore.Approximate
	}
	return c
}

// run is a run of tiles of a segment, so far without any; of no segment where
// there is none that is used.
func (r *reading) run(segment int) agg.TileRun {
	if segment < 0 || segment >= len(r.cuts)-1 || !r.segments[segment].used {
		return agg.TileRun{}
	}
	return agg.TileRun{Into: r.slots[segment], Needs: r.segments[segment].needs}
}
