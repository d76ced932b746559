package embedded

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/cockroachdb/pebble/v2"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// Create writes the metadata of every lane that has none, or of no lane where
// other metadata stands.
func (s *Store) Create(ctx context.Context, g online.Generation, m online.Meta) error {
	if err := m.Check(); err != nil {
		return fmt.Errorf("creating %s: %w", g, err)
	}
	return s.change(ctx, g, m.Lanes, func(batch *pebble.Batch) error {
		for _, l := range g.LaneIDs(m.Lanes) {
			have, err := s.meta(l)
			if err != nil {
				return err
			}
			if have.State == online.StateMissing {
				if err := set(batch, l.AppendMetaKey(nil), appendMeta(nil, m)); err != nil {
					return err
				}
			} else if !have.SameGeneration(m) {
				return featurestore.Invalidf("generation %s exists with definition %x, state version %d and %d lanes: a changed definition needs a new generation", g, have.Definition, have.StateVersion, have.Lanes)
			}
		}
		return nil
	})
}

// SetState changes the state of every lane, or of those that have one of some states.
func (s *Store) SetState(ctx context.Context, g online.Generation, state online.State, from ...online.State) error {
	if state < online.StateBuilding || state > online.StateCatchingUp {
		return featurestore.Invalidf("a lane cannot be set to state %q", state)
	}
	lanes, err := s.laneCount(g)
	if err != nil {
		return err
	}
	var missing, others int
	err = s.change(ctx, g, lanes, func(batch *pebble.Batch) error {
		for _, l := range g.LaneIDs(lanes) {
			m, err := s.meta(l)
			if err != nil {
				return err
			}
			if m.State == online.StateMissing {
				missing++
				continue
			}
			if m.State != state && len(from) > 0 && !slices.Contains(from, m.State) {
				others++
				continue
			}
			m.State = state
			if err := set(batch, l.AppendMetaKey(nil), appendMeta(nil, m)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return stateError(g, state, lanes, missing, others)
}

func stateError(g online.Generation, state online.State, lanes uint16, missing, others int) error {
	switch {
	case missing > 0:
		return featurestore.NotFoundf("%d of %d lanes of %s have no metadata: the generation is lost", missing, lanes, g)
	case others > 0:
		return fmt.Errorf("%w: %d of %d lanes of %s cannot become %s", online.ErrStateChanged, others, lanes, g, state)
	}
	return nil
}

// Filled makes BUILDING lanes CATCHING_UP that stand where they were filled to.
func (s *Store) Filled(ctx context.Context, g online.Generation, through []map[online.Partition]int64) error {
	lanes := uint16(len(through))
	var missing, others int
	err := s.change(ctx, g, lanes, func(batch *pebble.Batch) error {
		for i, l := range g.LaneIDs(lanes) {
			m, err := s.meta(l)
			if err != nil {
				return err
			}
			if m.State == online.StateMissing {
				missing++
			}
			if m.State != online.StateBuilding {
				continue
			}
			stands, err := s.stands(l, through[i])
			if err != nil {
				return err
			}
			if !stands {
				others++
				continue
			}
			m.State = online.StateCatchingUp
			if err := set(batch, l.AppendMetaKey(nil), appendMeta(nil, m)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return stateError(g, online.StateCatchingUp, lanes, missing, others)
}

// stands reports whether a lane's watermarks stand at some offsets.
func (s *Store) stands(l online.LaneID, through map[online.Partition]int64) (bool, error) {
	for p, offset := range through {
		value, done, err := get(s.db, appendWatermarkKey(nil, l, p))
		if err != nil {
			return false, err
		}
		if value == nil {
			return false, nil
		}
		same := bytes.HasPrefix(value, online.AppendWatermarkHead(nil, offset))
		if err := orUnavailable(nil, done()); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

// laneCount is the number of lanes of a generation, by the first lane that
// still has metadata.
func (s *Store) laneCount(g online.Generation) (uint16, error) {
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.leave()
	for _, l := range g.LaneIDs(online.MostLanes) {
		m, err := s.meta(l)
		if err != nil {
			return 0, err
		}
		if m.State != online.StateMissing {
			return m.Lanes, nil
		}
	}
	return 0, featurestore.NotFoundf("generation %s has no metadata in the online store", g)
}

// change holds all lanes of a generation and commits what f writes, to the disk.
func (s *Store) change(ctx context.Context, g online.Generation, lanes uint16, f func(*pebble.Batch) error) error {
	if err := g.Check(); err != nil {
		return err
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if err := ctx.Err(); err != nil {
		return featurestore.Unavailablef("writing the online store: %w", err)
	}
	h := s.lanes.hold(slices.Values(g.LaneIDs(lanes)))
	defer h.release()
	batch := s.db.NewBatch()
	defer batch.Close()
	if err := f(batch); err != nil {
		return err
	}
	return s.commitDurably(batch)
}

// meta reads a lane's metadata; the zero Meta where there is none.
func (s *Store) meta(l online.LaneID) (online.Meta, error) {
	value, done, err := get(s.db, l.AppendMetaKey(nil))
	if err != nil || value == nil {
		return online.Meta{}, err
	}
	m, err := decodeMeta(value)
	if cerr := done(); err == nil {
		err = cerr
	}
	if err != nil {
		return online.Meta{}, featurestore.Unavailablef("lane %s.%d: %w", l.Generation, l.Lane, err)
	}
	return m, nil
}

// Lanes reads metadata and watermarks of every lane, each lane as of one moment.
func (s *Store) Lanes(ctx context.Context, g online.Generation, lanes uint16) ([]online.Lane, error) {
	if err := g.Check(); err != nil {
		return nil, err
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	if err := ctx.Err(); err != nil {
		return nil, featurestore.Unavailablef("reading the online store: %w", err)
	}
	result := make([]online.Lane, lanes)
	for i, l := range g.LaneIDs(lanes) {
		if err := s.readLane(l, &result[i]); err != nil {
			return nil, err
		}
	}
	return result, nil
}

// readLane walks from {tag}:m over all of {tag}:w:.
func (s *Store) readLane(l online.LaneID, lane *online.Lane) (err error) {
	metaKey, prefix := l.AppendMetaKey(nil), append(l.AppendWatermarksKey(nil), ':')
	upper := append(l.AppendWatermarksKey(nil), ':'+1)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: metaKey, UpperBound: upper})
	if err != nil {
		return featurestore.Unavailablef("reading the online store: %w", err)
	}
	defer func() { err = orUnavailable(err, it.Close()) }()
	lane.Watermarks = map[online.Partition]online.Watermark{}
	for valid := it.First(); valid; valid = it.Next() {
		if err := addLaneEntry(lane, it, metaKey, prefix); err != nil {
			return featurestore.Unavailablef("lane %s.%d: %w", l.Generation, l.Lane, err)
		}
	}
	return nil
}

func addLaneEntry(lane *online.Lane, it *pebble.Iterator, metaKey, prefix []byte) error {
	value, err := it.ValueAndErr()
	if err != nil {
		return err
	}
	if bytes.Equal(it.Key(), metaKey) {
		if lane.Meta, err = decodeMeta(value); lane.Meta.State == online.StateUnknown {
			lane.Word = strconv.Itoa(int(value[len(value)-1]))
		}
		return err
	}
	field, ok := bytes.CutPrefix(it.Key(), prefix)
	if !ok {
		return fmt.Errorf("unknown key %q", it.Key())
	}
	p, err := online.ParsePartition(string(field))
	if err != nil {
		return err
	}
	lane.Watermarks[p], err = online.DecodeWatermark(value)
	return err
}
