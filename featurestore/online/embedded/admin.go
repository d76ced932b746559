package embedded

import (
	"bytes"
	"context"
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// Check always agrees: the store has no settings of its own, and one that
// cannot be read did not open.
func (s *Store) Check(ctx context.Context) error {
	if err := s.enter(); err != nil {
		return err
	}
	s.leave()
	return nil
}

// Evicted is never so: nothing is evicted here.
func (s *Store) Evicted(ctx context.Context) (bool, error) { return false, s.Check(ctx) }

// NoteEvicted has nothing to note.
func (s *Store) NoteEvicted(ctx context.Context) error { return s.Check(ctx) }

const clockPrefix = "clock/"

// SetClock keeps a project's replay clock. It stands in the same log as the
// batches: what was applied before it is there whenever it is.
func (s *Store) SetClock(ctx context.Context, project string, t featurestore.Instant) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	value := binary.LittleEndian.AppendUint64(nil, uint64(t))
	if err := s.db.Set([]byte(clockPrefix+project), value, s.write); err != nil {
		return featurestore.Unavailablef("keeping the clock of %q: %w", project, err)
	}
	return nil
}

// Clock reads a project's replay clock.
func (s *Store) Clock(ctx context.Context, project string) (t featurestore.Instant, found bool, err error) {
	if err := s.enter(); err != nil {
		return 0, false, err
	}
	defer s.leave()
	value, done, err := get(s.db, []byte(clockPrefix+project))
	if err != nil || value == nil {
		return 0, false, err
	}
	defer func() { err = orUnavailable(err, done()) }()
	if len(value) != 8 {
		return 0, false, featurestore.Unavailablef("the clock of %q has %d bytes", project, len(value))
	}
	return featurestore.Instant(binary.LittleEndian.Uint64(value)), true, nil
}

// purgeStep bounds how many expired entities one lock of the lanes removes.
const purgeStep = 1000

// Purge removes the expired entities of a generation that nobody reads any more,
// and returns how many. Reads and writes go on meanwhile; call it now and then
// where views have a time to live.
func (s *Store) Purge(ctx context.Context, g online.Generation) (int, error) {
	if err := g.Check(); err != nil {
		return 0, err
	}
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.leave()
	now := s.now()
	old, err := s.findExpired(ctx, g, now)
	if err != nil {
		return 0, err
	}
	removed := 0
	for len(old) > 0 {
		n := min(len(old), purgeStep)
		if err := s.remove(old[:n], now); err != nil {
			return removed, err
		}
		removed += n
		old = old[n:]
	}
	return removed, nil
}

func (s *Store) findExpired(ctx context.Context, g online.Generation, now featurestore.Instant) (old []online.EntityID, err error) {
	lower, upper := g.AppendPrefix(nil), g.AppendPrefix(nil)
	upper[len(upper)-1]++
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, featurestore.Unavailablef("reading the online store: %w", err)
	}
	defer func() { err = orUnavailable(err, it.Close()) }()
	for valid := it.First(); valid && ctx.Err() == nil; valid = it.Next() {
		id, ok := entityOf(g, it.Key())
		if !ok {
			continue
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, featurestore.Unavailablef("reading the online store: %w", err)
		}
		if _, expired := blobOf(value, now); expired {
			old = append(old, id)
		}
	}
	return old, orUnavailable(nil, ctx.Err())
}

// entityOf reads the key of an entity back.
func entityOf(g online.Generation, key []byte) (online.EntityID, bool) {
	lane := uint16(0)
	rest := key[len(g.AppendPrefix(nil)):]
	for len(rest) > 0 && rest[0] != '}' {
		lane = lane*10 + uint16(rest[0]-'0')
		rest = rest[1:]
	}
	entity, ok := bytes.CutPrefix(rest, []byte("}:e:"))
	if !ok {
		return online.EntityID{}, false
	}
	return online.EntityID{LaneID: online.LaneID{Generation: g, Lane: lane}, Key: bytes.Clone(entity)}, true
}
