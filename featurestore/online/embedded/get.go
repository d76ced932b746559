package embedded

import (
	"context"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// Get reads entities, both parts of one as of one moment. What it finds expired
// is removed.
func (s *Store) Get(ctx context.Context, ids []online.EntityID) ([]online.Parts, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	if err := ctx.Err(); err != nil {
		return nil, featurestore.Unavailablef("reading the online store: %w", err)
	}
	parts := make([]online.Parts, len(ids))
	old, err := s.getAll(ids, parts)
	if err != nil {
		return nil, err
	}
	if err := s.getStates(ids, parts); err != nil {
		return nil, err
	}
	if len(old) > 0 {
		if err := s.remove(old, s.now()); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// getAll reads ids, and gives those that have expired.
func (s *Store) getAll(ids []online.EntityID, parts []online.Parts) (old []online.EntityID, err error) {
	var from pebble.Reader = s.db
	if slices.ContainsFunc(ids, func(id online.EntityID) bool { return id.Split }) {
		snapshot := s.db.NewSnapshot()
		defer func() { err = orUnavailable(err, snapshot.Close()) }()
		from = snapshot
	}
	now := s.now()
	var key []byte
	for i := range ids {
		id := &ids[i]
		key = id.AppendEntityKey(key[:0], id.Key)
		expired, err := readEntity(from, key, now, &parts[i].Open)
		if err != nil {
			return nil, err
		}
		if expired {
			old = append(old, *id)
		} else if id.Split {
			key = id.AppendClosedKey(key[:0], id.Key)
			if parts[i].Closed, err = readClosed(from, key); err != nil {
				return nil, err
			}
		}
	}
	return old, nil
}

// getStates reads what the lanes of ids say of themselves, where that is asked for.
func (s *Store) getStates(ids []online.EntityID, parts []online.Parts) error {
	last := -1
	for i := range ids {
		if !ids[i].State {
			continue
		}
		if last >= 0 && ids[last].LaneID == ids[i].LaneID {
			parts[i].Lane = parts[last].Lane
			continue
		}
		m, err := s.meta(ids[i].LaneID)
		if err != nil {
			return err
		}
		parts[i].Lane, last = m.State, i
	}
	return nil
}

// readEntity copies the blob of a key.
func readEntity(from pebble.Reader, key []byte, now featurestore.Instant, blob *[]byte) (expired bool, err error) {
	value, done, err := get(from, key)
	if err != nil || value == nil {
		return false, err
	}
	found, expired := blobOf(value, now)
	if found != nil {
		*blob = slices.Clone(found)
	}
	return expired, orUnavailable(nil, done())
}

// readClosed copies a closed part; nil where there is none.
func readClosed(from pebble.Reader, key []byte) ([]byte, error) {
	value, done, err := get(from, key)
	if err != nil || value == nil {
		return nil, err
	}
	blob := append(make([]byte, 0, len(value)), value...)
	return blob, orUnavailable(nil, done())
}

// remove deletes entities that are still expired once their lanes are held.
func (s *Store) remove(ids []online.EntityID, now featurestore.Instant) error {
	h := s.lanes.hold(func(yield func(online.LaneID) bool) {
		for _, id := range ids {
			if !yield(id.LaneID) {
				return
			}
		}
	})
	defer h.release()
	batch := s.db.NewBatch()
	defer batch.Close()
	for _, id := range ids {
		key := id.AppendEntityKey(nil, id.Key)
		var blob []byte
		expired, err := readEntity(s.db, key, now, &blob)
		if err != nil {
			return err
		}
		if !expired {
			continue
		}
		err = errors.Join(batch.Delete(key, nil), batch.Delete(id.AppendClosedKey(nil, id.Key), nil))
		if err != nil {
			return featurestore.Unavailablef("removing expired entities: %w", err)
		}
	}
	if err := batch.Commit(pebble.NoSync); err != nil {
		return featurestore.Unavailablef("removing expired entities: %w", err)
	}
	return nil
}
