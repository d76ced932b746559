package service

import (
	"math"
	"sync"

	"github.com/zeebo/xxh3"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/latest"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/transforms/window"
)

// found is one entity that was read: a state, a row, nothing, or an error.
type found struct {
	packed bool          // there is a state
	state  window.Packed // verified, and not decoded: its tiles are merged as they are read
	row    *batchRow
	broken bool

	// What the last read of the state gave, for rows that share entity and read
	// time; cells is nil before it.
	cells []featurestore.Cell
	at    featurestore.Instant
	says  RowState
}

// batchRow is what a run of a batch view made of an entity; the row is nil where
// the entity had left its table.
type batchRow struct {
	*latest.Row
	run       string
	completed featurestore.Instant
}

// open verifies what is stored of an entity.
func (l *lookup) open(r *role, slot int32, parts online.Parts) {
	key, f := l.ids[slot].Key, &l.found[slot]
	var err error
	if r.stream != nil {
		f.packed = true
		f.state, l.applied, err = codec.OpenEntity(parts.Open, parts.Closed, codec.Header{Definition: r.stream.Hash, Key: key}, l.applied)
	} else {
		stored := codec.BatchRow{Definition: r.batch.Hash, Key: key}
		if err = codec.DecodeBatchRow(parts.Open, r.batchTypes, &stored); err == nil {
			f.row = &batchRow{Row: latest.Stored(r.batch, &stored), run: stored.Run, completed: stored.Completed}
		}
	}
	if err != nil {
		l.breaks(slot, err)
	}
}

// breaks notes that what is stored of an entity cannot be read: that is the
// status ERROR of that entity alone, and is reported.
func (l *lookup) breaks(slot int32, reason error) {
	l.found[slot] = found{broken: true}
	l.damaged = append(l.damaged, Damage{LaneID: l.ids[slot].LaneID, KeyHash: xxh3.Hash(l.ids[slot].Key), Reason: reason})
}

// nothing is the RowState of an entity of which nothing can be read.
var nothing = RowState{Time: math.MinInt64}

// readStream fills the cells of an entity of a stream view at t.
func (l *lookup) readStream(r *role, slot int32, t featurestore.Instant, sc *window.Scratch, out []featurestore.Cell) RowState {
	f := &l.found[slot]
	switch {
	case f.broken:
		fill(out, featurestore.StatusError)
		return nothing
	case !f.packed:
		r.stream.Plan.Read(nil, t, out)
		return nothing
	case f.cells != nil && f.at == t:
		copy(out, f.cells)
		return f.says
	}
	tooOld := l.req.AsOf != nil && f.state.ReadTime() > t
	// What is too old for t is read all the same, at the least instant at which it
	// can be: that says whether it can be read, and what waits in it.
	if err := codec.ReadEntity(f.state, r.stream.Plan, max(t, f.state.ReadTime()), sc, out); err != nil {
		l.breaks(slot, err)
		fill(out, featurestore.StatusError)
		return nothing
	}
	if tooOld {
		fill(out, featurestore.TooOld)
	}
	e, any := sc.NewestBefore(t)
	f.cells, f.at, f.says = out, t, RowState{Applied: f.state.Applied, Time: e, HasTime: any}
	return f.says
}

// readBatch fills the cells of an entity of a batch view at t.
func (l *lookup) readBatch(r *role, slot int32, t featurestore.Instant, out []featurestore.Cell) RowState {
	f := &l.found[slot]
	switch {
	case f.broken:
		fill(out, featurestore.StatusError)
		return nothing
	case f.row == nil:
		latest.Cells(r.batch, nil, t, out)
		return nothing
	case l.req.AsOf != nil && f.row.completed > t:
		fill(out, featurestore.TooOld)
	default:
		latest.Cells(r.batch, f.row.Row, t, out)
	}
	if f.row.Row == nil {
		return nothing
	}
	return RowState{Run: f.row.run, Time: f.row.Time, HasTime: int64(f.row.Time) < int64(t)}
}

// scratchOf gives each stream view a pool of scratch memory for reads: it fits
// one plan, and lives as long as that.
func scratchOf(p *definition.Project) map[*definition.StreamView]*sync.Pool {
	out := make(map[*definition.StreamView]*sync.Pool, len(p.StreamViews))
	for _, v := range p.StreamViews {
		out[v] = &sync.Pool{New: func() any { return new(window.Scratch) }}
	}
	return out
}
