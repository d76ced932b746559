package window

import (
	"errors"
	"fmt"
	"math"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// Header is what a state's bytes say outside of its body.
type Header struct {
	Applied featurestore.Applied
	Newest  featurestore.EventTime // of the newest folded event
	Folded  bool                   // whether there is one
}

// DecodeState reads both parts of a state into s, replacing what it held; closed
// is empty where there is none. The error says what was wrong; s is then empty.
// It never panics, and allocates in proportion to the bytes.
func (p *Plan) DecodeState(open, closed []byte, h Header, s *State) error {
	if err := p.startDecoding(h, s); err != nil {
		return err
	}
	if len(closed) > 0 {
		s.reader = pack.NewReader(closed)
		s.decodeClosed(&s.reader)
		if err := s.finish(); err != nil {
			return fmt.Errorf("closed part: %w", err)
		}
	}
	var counts [8]int
	were := counts[:0]
	s.lengths(func(n int) { were = append(were, n) })
	s.reader = pack.NewReader(open)
	s.decodeOpen(&s.reader)
	if err := s.finish(); err != nil {
		return err
	}
	if !s.splitsAt(were) || len(closed) > 0 && s.unclosed() {
		s.Reset()
		return fmt.Errorf("the parts: %w", pack.ErrCanonical)
	}
	s.net.stale = p.raw
	s.Stored()
	return nil
}

// DecodeWhole reads bytes of AppendState.
func (p *Plan) DecodeWhole(body []byte, h Header, s *State) error {
	r := pack.NewReader(body)
	closed := r.Text()
	if r.Err() != nil {
		s.bind(p)
		s.Reset()
		return r.Err()
	}
	return p.DecodeState(r.Rest(), closed, h, s)
}

// startDecoding takes over the header.
func (p *Plan) startDecoding(h Header, s *State) error {
	s.bind(p)
	s.Reset()
	for i := range h.Applied {
		if int(h.Applied[i].Source) >= len(p.sources) {
			return fmt.Errorf("applied list: source %d of a view of %d", h.Applied[i].Source, len(p.sources))
		}
	}
	s.Applied = append(s.Applied, h.Applied...)
	if h.Folded {
		s.newest = int64(h.Newest)
	}
	if largest, any := s.Applied.MaxLogTime(); any && len(p.ladder.sizes) > 0 {
		p.ladder.at(largest, &s.units, s.edges)
	}
	return nil
}

func (s *State) decodeClosed(r *pack.Reader) {
	p := s.plan
	if p.raw {
		s.net.decode(r, s)
		return
	}
	if p.tiled.layout != nil {
		s.decodeTiles(r)
	}
	for i := range s.sessions {
		s.sessions[i].decode(r, &p.sessions[i])
	}
	for i := range s.lists {
		s.lists[i].decode(r, s)
	}
}

func (s *State) decodeOpen(r *pack.Reader) {
	p := s.plan
	s.decodeHeld(r)
	if p.raw {
		s.net.decode(r, s)
		s.decodeIDs(r)
		return
	}
	s.decodeLatest(r)
	if p.tiled.layout != nil {
		s.decodeTiles(r)
	}
	if p.lifetime.layout != nil {
		s.life.DecodeTiles(r, s.lifetimeSlots(), lifetimeOrigins[:])
	}
	for i := range s.sessions {
		dropped := r.Byte()
		if dropped > 1 {
			r.Fail(pack.ErrCanonical)
		}
		s.sessions[i].dropped = dropped == 1
		s.sessions[i].decode(r, &p.sessions[i])
		if dropped == 1 && len(s.sessions[i].first) != mostSessionTiles {
			r.Failf("a session list that dropped tiles keeps %d of %d", len(s.sessions[i].first), mostSessionTiles)
		}
	}
	for i := range s.lists {
		s.lists[i].decode(r, s)
	}
	s.decodeIDs(r)
}

// lengths visits the lengths of the lists of which parts may be closed, in the
// order of each.
func (s *State) lengths(visit func(n int)) {
	if s.plan.raw {
		visit(len(s.net.rows))
		return
	}
	visit(len(s.tiles.starts))
	for i := range s.sessions {
		visit(len(s.sessions[i].tiles.starts))
	}
	for i := range s.lists {
		visit(len(s.lists[i].rows))
	}
}

// splitsAt reports whether the lists are cut where they were.
func (s *State) splitsAt(counts []int) bool {
	same := true
	s.each(func(_ *mark, closed int, _ int64) {
		same = same && closed == counts[0]
		counts = counts[1:]
	})
	return same
}

// unclosed reports whether nothing is closed.
func (s *State) unclosed() bool {
	none := true
	s.each(func(_ *mark, closed int, _ int64) { none = none && closed == 0 })
	return none
}

// finish ends the reading of one part.
func (s *State) finish() error {
	err := s.reader.Err()
	if n := len(s.reader.Rest()); err == nil && n > 0 {
		err = fmt.Errorf("%d bytes follow the state", n)
	}
	s.reader = pack.Reader{}
	if err != nil {
		s.Reset()
	}
	return err
}

func (s *State) decodeTiles(r *pack.Reader) {
	l, t := &s.plan.ladder, &s.tiles
	have := len(t.starts)
	before := int64(math.MinInt64)
	if have > 0 {
		before = t.starts[have-1] + l.sizes[t.levels[have-1]]
	}
	var starts startReader
	starts.open(r, l.sizes[0], 1)
	for start, ok := starts.next(); ok; start, ok = starts.next() {
		level, at := l.tile(s.edges, start)
		end := start + l.sizes[level]
		if start < before || start != at || end < start || end <= s.edges.drop {
			r.Failf("a tile starts at %s, where none of its size can", featurestore.Instant(start))
			return
		}
		t.starts = append(t.starts, start)
		t.levels = append(t.levels, uint8(level))
		starts.end = end
	}
	t.slots = s.cells.AllocAll(t.slots, len(t.starts)-have)
	if r.Err() == nil {
		s.cells.DecodeTiles(r, t.slots[have:], t.starts[have:])
	}
	for _, slot := range t.slots[have:] {
		if r.Err() == nil && s.cells.Blank(slot) {
			r.Failf("a tile holds nothing")
		}
	}
}

func (s *State) decodeLatest(r *pack.Reader) {
	if len(s.plan.latest) == 0 {
		return
	}
	switch r.Byte() {
	case 0:
		return
	case 1:
	default:
		r.Fail(pack.ErrCanonical)
		return
	}
	s.latest.at.Decode(r, 0)
	for i := range s.latest.values {
		s.latest.values[i].Decode(r)
	}
	s.latest.has = r.Err() == nil
}

var errPending = errors.New("a pending row is of a kind that its view does not have")

func (s *State) decodeHeld(r *pack.Reader) {
	n := r.Count(4)
	for i := 0; i < n && r.Err() == nil; i++ {
		head := r.Uint()
		kind := head & 3
		row := pendingRow{duplicate: kind == pendingDuplicate, retraction: kind == pendingRetraction}
		row.order = agg.Order{Position: featurestore.Position{PartitionID: s.appliedAt(r, head>>2), Offset: r.Int()}}
		row.order.Time = featurestore.EventTime(r.Int())
		row.visible = int64(row.order.Time)
		if kind >= pendingAddition {
			row.visible += int64(r.Uint())
			if row.visible < int64(row.order.Time) || row.kind() != kind {
				r.Fail(pack.ErrCanonical)
			}
			if !s.plan.changes {
				r.Fail(errPending)
			}
		}
		row.order.Sequence = r.Value()
		if !row.duplicate {
			row.inputs = make([]featurestore.Value, 0, s.plan.inputs)
			for len(row.inputs) < s.plan.inputs && r.Err() == nil {
				row.inputs = append(row.inputs, r.Value())
			}
		}
		if i > 0 && s.held[i-1].compare(&row) >= 0 {
			r.Fail(pack.ErrCanonical)
		}
		s.held = append(s.held, row)
	}
}

func (s *State) decodeIDs(r *pack.Reader) {
	n := r.Count(11)
	for i := 0; i < n && r.Err() == nil; i++ {
		b := idBucket{partition: s.appliedAt(r, r.Uint()), tile: r.Int() * s.plan.dedupe}
		size := r.Count(8)
		if size == 0 {
			r.Fail(pack.ErrCanonical)
		}
		b.hashes = make([]uint64, size)
		for j := range b.hashes {
			b.hashes[j] = r.Uint64()
			if j > 0 && b.hashes[j] <= b.hashes[j-1] {
				r.Fail(pack.ErrCanonical)
			}
		}
		if i > 0 {
			last := &s.ids[i-1]
			if c := last.partition.Compare(b.partition); c > 0 || c == 0 && last.tile >= b.tile {
				r.Fail(pack.ErrCanonical)
			}
		}
		s.ids = append(s.ids, b)
	}
}

// appliedAt is the partition of an index into the applied list.
func (s *State) appliedAt(r *pack.Reader, i uint64) featurestore.PartitionID {
	if i >= uint64(len(s.Applied)) {
		r.Failf("partition %d of an applied list of %d", i, len(s.Applied))
		return featurestore.PartitionID{}
	}
	return s.Applied[i].PartitionID
}
