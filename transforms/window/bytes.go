package window

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// AppendOpen appends the open part of a settled state, as docs/formats/entity-v2.md
// specifies: pending rows, latest row, the newest tiles and rows, ids. The
// applied list and the newest event time stand in the header, which package
// codec writes.
func (p *Plan) AppendOpen(dst []byte, s *State) []byte {
	s.bind(p)
	dst = s.appendHeld(dst)
	if p.raw {
		dst = s.net.append(dst, s, s.net.split(), len(s.net.rows))
		return s.appendIDs(dst)
	}
	dst = s.appendLatest(dst)
	if p.tiled.layout != nil {
		dst = s.appendTiles(dst, s.tiles.split(p.unit()), len(s.tiles.starts))
	}
	if p.lifetime.layout != nil {
		dst = s.life.AppendTiles(dst, s.lifetimeSlots(), lifetimeOrigins[:])
	}
	for i := range s.sessions {
		x := &s.sessions[i]
		dst = append(dst, byte(bit(x.dropped)))
		dst = x.append(dst, &p.sessions[i], x.tiles.split(p.sessions[i].tile), len(x.tiles.starts))
	}
	for i := range s.lists {
		dst = s.lists[i].append(dst, s, s.lists[i].split(), len(s.lists[i].rows))
	}
	return s.appendIDs(dst)
}

// AppendClosed appends the closed part of a settled state, nothing where there
// is none: of each list its older tiles or rows (split).
func (p *Plan) AppendClosed(dst []byte, s *State) []byte {
	s.bind(p)
	if s.unclosed() {
		return dst
	}
	if p.raw {
		return s.net.append(dst, s, 0, s.net.split())
	}
	if p.tiled.layout != nil {
		dst = s.appendTiles(dst, 0, s.tiles.split(p.unit()))
	}
	for i := range s.sessions {
		x := &s.sessions[i]
		dst = x.append(dst, &p.sessions[i], 0, x.tiles.split(p.sessions[i].tile))
	}
	for i := range s.lists {
		dst = s.lists[i].append(dst, s, 0, s.lists[i].split())
	}
	return dst
}

// AppendState appends both parts in one: the closed one behind its length, then
// the open one.
func (p *Plan) AppendState(dst []byte, s *State) []byte {
	return p.AppendOpen(pack.AppendText(dst, p.AppendClosed(nil, s)), s)
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

// lifetimeSlots is the slot of the lifetime cells as a list.
func (s *State) lifetimeSlots() []agg.Slot { return oneSlot[:] }

var oneSlot = [1]agg.Slot{lifetimeSlot}

// appendTiles writes tiles from to to-1: where they stand, then their cells. The
// size of a tile follows from its place (ladder).
func (s *State) appendTiles(dst []byte, from, to int) []byte {
	t := &s.tiles
	dst = t.appendStarts(dst, s.plan.ladder.sizes, from, to)
	return s.cells.AppendTiles(dst, t.slots[from:to], t.starts[from:to])
}

func (s *State) appendLatest(dst []byte) []byte {
	if len(s.plan.latest) == 0 {
		return dst
	}
	if !s.latest.has {
		return append(dst, 0)
	}
	dst = s.latest.at.Append(append(dst, 1), 0)
	for i := range s.latest.values {
		dst = s.latest.values[i].Append(dst)
	}
	return dst
}

// The kinds of pending rows, in the low bits of what each begins with.
const (
	pendingEvent = iota
	pendingDuplicate
	pendingAddition // of a change: it is followed by when it becomes visible
	pendingRetraction
)

func (r *pendingRow) kind() uint64 {
	switch {
	case r.duplicate:
		return pendingDuplicate
	case r.retraction:
		return pendingRetraction
	case r.visible != int64(r.order.Time):
		return pendingAddition
	}
	return pendingEvent
}

func (s *State) appendHeld(dst []byte) []byte {
	dst = pack.AppendUint(dst, uint64(len(s.held)))
	for i := range s.held {
		row := &s.held[i]
		kind := row.kind()
		dst = pack.AppendUint(dst, uint64(s.partition(row.order.PartitionID))<<2|kind)
		dst = pack.AppendInt(dst, row.order.Offset)
		dst = pack.AppendInt(dst, int64(row.order.Time))
		if kind >= pendingAddition {
			dst = pack.AppendUint(dst, uint64(row.visible-int64(row.order.Time)))
		}
		dst = pack.AppendValue(dst, row.order.Sequence)
		for _, v := range row.inputs {
			dst = pack.AppendValue(dst, v)
		}
	}
	return dst
}

func (s *State) appendIDs(dst []byte) []byte {
	dst = pack.AppendUint(dst, uint64(len(s.ids)))
	for i := range s.ids {
		b := &s.ids[i]
		dst = pack.AppendUint(dst, uint64(s.partition(b.partition)))
		dst = pack.AppendInt(dst, b.tile/s.plan.dedupe)
		dst = pack.AppendUint(dst, uint64(len(b.hashes)))
		for _, h := range b.hashes {
			dst = binary.LittleEndian.AppendUint64(dst, h)
		}
	}
	return dst
}

// partition is the index of a partition in the applied list: whatever a state
// holds came with an applied record.
func (s *State) partition(id featurestore.PartitionID) int {
	for i := range s.Applied {
		if s.Applied[i].PartitionID == id {
			return i
		}
	}
	panic(fmt.Sprintf("window: partition %v is not in the applied list", id))
}

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
		level := l.level(s.edges, start)
		end := start + l.sizes[level]
		if start < before || start != floor(start, l.sizes[level]) || end < start || end <= s.edges.drop {
			r.Failf("a tile starts at %s, where none of its size can", featurestore.Instant(start))
			return
		}
		t.starts = append(t.starts, start)
		t.levels = append(t.levels, uint8(level))
		t.slots = append(t.slots, s.cells.Alloc())
		starts.end = end
	}
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
