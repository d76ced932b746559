package window

import (
	"fmt"
	"math"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// Scratch is the memory of reads from bytes. It is not safe for concurrent use;
// one that is used with one plan again and again allocates nothing.
type Scratch struct {
	state  State
	reader pack.Reader
	starts startReader
}

// Packed is a state as it is stored: its two parts, and what stands outside of
// them. Closed is empty where there is no closed part.
type Packed struct {
	Open, Closed []byte
	Header
}

// ReadPacked computes every feature at t straight from the two parts of a state,
// as DecodeState and Read would, without making a State of them where that is
// faster: tiles are merged as they are read. It looks less closely: bytes that
// are not canonical may pass, as long as they can be read; a checksum stands
// before that. A state that waits for a time, or keeps raw rows or sessions, is
// decoded. The error is DecodeState's; out is then undefined.
func (p *Plan) ReadPacked(in Packed, t featurestore.Instant, sc *Scratch, out []featurestore.Cell) error {
	s := &sc.state
	if len(p.sessions) == 0 && len(p.lists) == 0 && !p.changes && len(in.Open) > 0 && in.Open[0] == 0 {
		if err := p.startDecoding(in.Header, s); err != nil {
			return err
		}
		return p.readPacked(in.Open, in.Closed, t, sc, out)
	}
	if err := p.DecodeState(in.Open, in.Closed, in.Header, s); err != nil {
		return err
	}
	p.Read(s, t, out)
	return nil
}

// NewestBefore is the greatest event time that the last read saw, pending rows
// included; ok is false for none.
func (sc *Scratch) NewestBefore(t featurestore.Instant) (e featurestore.EventTime, ok bool) {
	if sc.state.plan == nil {
		return 0, false
	}
	return sc.state.plan.NewestBefore(&sc.state, t)
}

// readPacked reads a state without pending rows.
func (p *Plan) readPacked(open, closed []byte, t featurestore.Instant, sc *Scratch, out []featurestore.Cell) error {
	s := &sc.state
	if !p.found(s, t) {
		p.readNotFound(out)
		p.applyDefaults(out)
		return nil
	}
	s.due = nil
	sc.reader = pack.NewReader(open[1:])
	s.decodeLatest(&sc.reader)
	if p.tiled.layout != nil {
		r := &s.reading
		r.prepare(p, int64(t))
		r.open(s.cells)
		if len(closed) > 0 {
			latter := sc.reader
			sc.reader = pack.NewReader(closed)
			s.mergeTiles(&sc.reader, &sc.starts)
			if err := sc.reader.Err(); err != nil {
				return fmt.Errorf("closed part: %w", err)
			}
			sc.reader = latter
		}
		s.mergeTiles(&sc.reader, &sc.starts)
		r.finish(p, s.cells, t, out)
	}
	if p.lifetime.layout != nil {
		s.life.DecodeTiles(&sc.reader, s.lifetimeSlots(), lifetimeOrigins[:])
		s.readLifetime(t, out)
	}
	if err := sc.reader.Err(); err != nil {
		return err
	}
	if len(p.latest) > 0 {
		p.readLatest(s, t, out)
	}
	p.applyDefaults(out)
	return nil
}

var lifetimeOrigins = [1]int64{0}

// alike is how many of the next tiles, up to most, may follow the one at start
// without a gap and have its level and belong to the segment before cut next.
func (s *State) alike(start int64, level, next, most int) int {
	r, size := &s.reading, s.plan.ladder.sizes[level]
	bound := int64(math.MaxInt64)
	if level > 0 {
		bound = s.edges.reach[level]
	}
	if next < len(r.cuts) {
		bound = min(bound, r.cuts[next])
	}
	if last := start + int64(most)*size; last < bound && last > start {
		return most
	}
	return int(max(0, min((bound-start-1)/size, int64(most))))
}

// mergeTiles merges the tiles of one part into the segments of the reading.
func (s *State) mergeTiles(br *pack.Reader, starts *startReader) {
	l, r := &s.plan.ladder, &s.reading
	m := &r.merge
	m.Origins, m.Runs = m.Origins[:0], m.Runs[:0]
	starts.open(br, l.sizes[0], 1)
	level := len(l.sizes) - 1
	plain := len(l.grids)+len(l.calendars) == 0
	next := 0 // the segment behind the one that the last tile was in
	for start, ok := starts.next(); ok; start, ok = starts.next() {
		if plain {
			for level > 0 && start >= s.edges.reach[level] {
				level--
			}
		} else {
			level = l.level(s.edges, start)
		}
		size := l.sizes[level]
		if len(m.Runs) == 0 || next < len(r.cuts) && start >= r.cuts[next] {
			for next < len(r.cuts) && start >= r.cuts[next] {
				next++
			}
			m.Runs = append(m.Runs, r.run(next-1))
		}
		n := 1
		if plain && starts.run > 0 { // those without a gap that share its size and segment
			n += starts.skip(s.alike(start, level, next, starts.run))
		}
		m.Runs[len(m.Runs)-1].Tiles += n
		if s.plan.origins {
			for i := range n {
				m.Origins = append(m.Origins, start+int64(i)*size)
			}
		}
		starts.end = start + int64(n)*size
	}
	if br.Err() == nil {
		s.cells.MergeTiles(br, m)
	}
}
