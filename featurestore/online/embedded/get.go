package embedded

import (
	"context"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// Get reads blobs, each as of one moment. What it finds expired is removed.
func (s *Store) Get(ctx context.Context, ids []online.EntityID) ([][]byte, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	if err := ctx.Err(); err != nil {
		return nil, featurestore.Unavailablef("reading the online store: %w", err)
	}
	blobs := make([][]byte, len(ids))
	now := s.now()
	var old []online.EntityID
	var key []byte
	for i, id := range ids {
		key = id.AppendEntityKey(key[:0], id.Key)
		expired, err := s.read(key, now, &blobs[i])
		if err != nil {
			return nil, err
		}
		if expired {
			old = append(old, id)
		}
	}
	if len(old) > 0 {
		if err := s.remove(old, now); err != nil {
			return nil, err
		}
	}
	return blobs, nil
}

// read copies the blob of a key.
func (s *Store) read(key []byte, now featurestore.Instant, blob *[]byte) (expired bool, err error) {
	value, done, err := s.get(key)
	if err != nil || value == nil {
		return false, err
	}
	found, expired, err := blobOf(value, now)
	if found != nil {
		*blob = slices.Clone(found)
	}
	return expired, orUnavailable(err, done())
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
		expired, err := s.read(key, now, &blob)
		if err != nil {
			return err
		}
		if !expired {
			continue
		}
		if err := batch.Delete(key, nil); err != nil {
			return featurestore.Unavailablef("removing expired entities: %w", err)
		}
	}
	if err := batch.Commit(pebble.NoSync); err != nil {
		return featurestore.Unavailablef("removing expired entities: %w", err)
	}
	return nil
}
