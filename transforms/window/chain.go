package window

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
)

// chain is a list of windows that end at the same place and start ever further
// back, so that a read merges each tile once for all of them.
type chain struct {
	offset int64
	tile   int64 // aligns the end where there is an offset
	ranges []span
}

// span is one window of a chain.
type span struct {
	back     int64 // offset + width
	tile     int64
	features []int // that end here
	groups   []int // needed by these features and by those of longer windows
	partials []int
}

// link puts a feature into a chain; features come by ascending reach.
func (p *Plan) link(feature int) {
	f := &p.features[feature]
	s := span{back: int64(f.Offset + f.Width), tile: int64(f.Tile), features: []int{feature}}
	for i := range p.chains {
		c := &p.chains[i]
		if c.offset != int64(f.Offset) || c.offset > 0 && c.tile != s.tile {
			continue
		}
		last := &c.ranges[len(c.ranges)-1]
		if last.back == s.back && last.tile == s.tile {
			last.features = append(last.features, feature)
			return
		}
		if startsBefore(&s, last) {
			c.ranges = append(c.ranges, s)
			return
		}
	}
	p.chains = append(p.chains, chain{offset: int64(f.Offset), tile: s.tile, ranges: []span{s}})
}

// startsBefore reports whether the aligned start of s is never after that of o,
// whatever the read time.
func startsBefore(s, o *span) bool {
	return s.back >= o.back+o.tile || s.back >= o.back && s.tile%o.tile == 0
}

// close works out what each span of a finished chain needs.
func (c *chain) close(p *Plan) {
	var groups, partials []int
	for i := len(c.ranges) - 1; i >= 0; i-- {
		for _, feature := range c.ranges[i].features {
			f := &p.finishers[feature]
			groups = append(groups, f.Group())
			partials = append(partials, f.Partials()...)
		}
		slices.Sort(groups)
		slices.Sort(partials)
		groups, partials = slices.Compact(groups), slices.Compact(partials)
		c.ranges[i].groups, c.ranges[i].partials = slices.Clone(groups), slices.Clone(partials)
	}
}

// read computes the features of a chain at t.
func (c *chain) read(p *Plan, s *State, t featurestore.Instant, out []featurestore.Cell) {
	end := int64(t)
	if c.offset > 0 {
		end = floor(end-c.offset, c.tile)
	}
	s.cells.Clear(accumulator)
	hi := s.before(end)
	held := s.heldBefore(end)
	for i := range c.ranges {
		r := &c.ranges[i]
		start := floor(int64(t)-r.back, r.tile)
		lo := min(s.before(start), hi)
		if tiles := s.slots[lo:hi]; len(tiles) > 0 {
			for _, g := range r.groups {
				s.cells.MergeGroup(accumulator, g, tiles)
			}
			for _, x := range r.partials {
				s.cells.MergePartial(accumulator, x, tiles)
			}
			hi = lo
		}
		for ; held > 0 && int64(s.held[held-1].order.Time) >= start; held-- {
			if row := &s.held[held-1]; !row.duplicate {
				s.cells.Add(accumulator, &row.order, row.inputs)
			}
		}
		for _, f := range r.features {
			out[f] = p.finishers[f].Read(s.cells, accumulator, t)
		}
	}
}
