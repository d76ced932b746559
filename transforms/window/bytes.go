package window

import (
	"encoding/binary"
	"fmt"

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
		dst = s.appendTiles(dst, s.tiles.split(), len(s.tiles.starts))
	}
	if p.lifetime.layout != nil {
		dst = s.life.AppendTiles(dst, s.lifetimeSlots(), lifetimeOrigins[:])
	}
	for i := range s.sessions {
		x := &s.sessions[i]
		dst = append(dst, byte(bit(x.dropped)))
		dst = x.append(dst, &p.sessions[i], x.tiles.split(), len(x.tiles.starts))
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
		dst = s.appendTiles(dst, 0, s.tiles.split())
	}
	for i := range s.sessions {
		x := &s.sessions[i]
		dst = x.append(dst, &p.sessions[i], 0, x.tiles.split())
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
