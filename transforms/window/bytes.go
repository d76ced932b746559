package window

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// AppendOpen appends the open part of a settled state: the newest tiles, the
// latest row, pending rows and ids, as docs/formats/entity-v2.md specifies. The
// applied list and the newest event time stand in the header, which package
// codec writes.
func (p *Plan) AppendOpen(dst []byte, s *State) []byte {
	s.bind(p)
	if len(p.ladder.sizes) > 0 {
		dst = s.appendTiles(dst, split(s.starts, p.ladder.sizes[0]), len(s.starts))
	}
	dst = s.appendLatest(dst)
	dst = s.appendHeld(dst)
	return s.appendIDs(dst)
}

// AppendClosed appends the closed part of a settled state, nothing where there
// is none: its older tiles (split).
func (p *Plan) AppendClosed(dst []byte, s *State) []byte {
	s.bind(p)
	if len(p.ladder.sizes) == 0 {
		return dst
	}
	if n := split(s.starts, p.ladder.sizes[0]); n > 0 {
		dst = s.appendTiles(dst, 0, n)
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

// appendTiles writes each tile's distance from the end of the one before it, in
// finest tiles, and its cells. Its size follows from its place (ladder).
func (s *State) appendTiles(dst []byte, from, to int) []byte {
	sizes := s.plan.ladder.sizes
	dst = pack.AppendUint(dst, uint64(to-from))
	end := int64(0)
	for i := range to - from {
		i += from
		start := s.starts[i]
		if i == from {
			dst = pack.AppendInt(dst, start/sizes[0])
		} else {
			dst = pack.AppendUint(dst, uint64((start-end)/sizes[0]))
		}
		dst = s.cells.Append(dst, s.slots[i], start)
		end = start + sizes[s.levels[i]]
	}
	return dst
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

func (s *State) appendHeld(dst []byte) []byte {
	dst = pack.AppendUint(dst, uint64(len(s.held)))
	for i := range s.held {
		row := &s.held[i]
		head := uint64(s.partition(row.order.PartitionID)) << 1
		if row.duplicate {
			head |= 1
		}
		dst = pack.AppendUint(dst, head)
		dst = pack.AppendInt(dst, row.order.Offset)
		dst = pack.AppendInt(dst, int64(row.order.Time))
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
	s.bind(p)
	s.Reset()
	s.Applied = append(s.Applied, h.Applied...)
	if h.Folded {
		s.newest = int64(h.Newest)
	}
	for i := range s.Applied {
		if int(s.Applied[i].Source) >= len(p.sources) {
			s.Reset()
			return fmt.Errorf("applied list: source %d of a view of %d", h.Applied[i].Source, len(p.sources))
		}
	}
	if largest, any := s.Applied.MaxLogTime(); any && len(p.ladder.sizes) > 0 {
		s.edges = p.ladder.at(largest)
	}
	if len(closed) > 0 {
		s.reader = pack.NewReader(closed)
		s.decodeTiles(&s.reader)
		if err := s.finish(); err != nil {
			return fmt.Errorf("closed part: %w", err)
		}
	}
	n := len(s.starts)
	s.reader = pack.NewReader(open)
	if len(p.ladder.sizes) > 0 {
		s.decodeTiles(&s.reader)
		if n != split(s.starts, p.ladder.sizes[0]) {
			s.reader.Fail(pack.ErrCanonical)
		}
	}
	s.decodeLatest(&s.reader)
	s.decodeHeld(&s.reader)
	s.decodeIDs(&s.reader)
	if err := s.finish(); err != nil {
		return err
	}
	s.Stored()
	return nil
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
	sizes := s.plan.ladder.sizes
	n := r.Count(1 + s.plan.layout.Groups())
	if len(sizes) == 0 {
		r.Failf("%d tiles in a view without windows", n)
		return
	}
	end, before := int64(0), math.MinInt64
	if k := len(s.starts); k > 0 {
		before = int(s.starts[k-1] + sizes[s.levels[k-1]])
	}
	for i := 0; i < n && r.Err() == nil; i++ {
		start := end
		if i == 0 {
			start = r.Int() * sizes[0]
		} else {
			start += int64(r.Uint()) * sizes[0]
		}
		level := s.plan.ladder.level(&s.edges, start)
		if start < end && i > 0 || int(start) < before || start != floor(start, sizes[level]) || start+sizes[level] < start {
			r.Failf("tile %d starts at %s, where none of its size can", i, featurestore.Instant(start))
			return
		}
		slot := s.cells.Alloc()
		s.cells.Decode(r, slot, start)
		s.starts = append(s.starts, start)
		s.levels = append(s.levels, uint8(level))
		s.slots = append(s.slots, slot)
		end = start + sizes[level]
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

func (s *State) decodeHeld(r *pack.Reader) {
	n := r.Count(4)
	for i := 0; i < n && r.Err() == nil; i++ {
		head := r.Uint()
		row := pendingRow{duplicate: head&1 == 1}
		row.order = agg.Order{Position: featurestore.Position{PartitionID: s.appliedAt(r, head>>1), Offset: r.Int()}}
		row.order.Time = featurestore.EventTime(r.Int())
		row.order.Sequence = r.Value()
		if !row.duplicate {
			row.inputs = make([]featurestore.Value, 0, s.plan.inputs)
			for len(row.inputs) < s.plan.inputs && r.Err() == nil {
				row.inputs = append(row.inputs, r.Value())
			}
		}
		if i > 0 && s.held[i-1].order.Compare(&row.order) >= 0 {
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
