package embedded

import (
	"bytes"
	"context"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/online"
)

// Rows go in chunks, so that a large write neither holds the lanes for long nor
// fills a memtable.
const (
	chunkRows  = 2000
	chunkBytes = 2 << 20
)

// PutRows stores the rows that no stored one is greater than, and waits for the
// disk once at the end.
func (s *Store) PutRows(ctx context.Context, g online.Generation, lanes uint16, rows []online.Row, ttl time.Duration) (int, error) {
	if err := g.Check(); err != nil {
		return 0, err
	}
	if lanes == 0 {
		return 0, featurestore.Invalidf("rows of %s: a generation needs at least one lane", g)
	}
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.leave()
	written := 0
	for len(rows) > 0 {
		if err := ctx.Err(); err != nil {
			return written, featurestore.Unavailablef("writing rows: %w", err)
		}
		n := chunkLength(rows)
		put, err := s.putChunk(g, lanes, rows[:n], ttl)
		written += put
		if err != nil {
			return written, err
		}
		rows = rows[n:]
	}
	if err := s.fs.flush(); err != nil {
		return written, featurestore.Unavailablef("writing rows: %w", err)
	}
	return written, nil
}

func chunkLength(rows []online.Row) int {
	size := 0
	for i := range rows {
		size += len(rows[i].Blob)
		if i == chunkRows || i > 0 && size > chunkBytes {
			return i
		}
	}
	return len(rows)
}

// rowWriter collects the rows of one chunk that may be written.
type rowWriter struct {
	s      *Store
	now    featurestore.Instant
	expiry featurestore.Instant
	batch  *pebble.Batch
	orders map[string][]byte // of the keys that this chunk has written
}

func (s *Store) putChunk(g online.Generation, lanes uint16, rows []online.Row, ttl time.Duration) (int, error) {
	ids := make([]online.LaneID, len(rows))
	for i := range rows {
		ids[i] = online.LaneID{Generation: g, Lane: codec.Lane(rows[i].Key, lanes)}
	}
	h := s.lanes.hold(func(yield func(online.LaneID) bool) {
		for _, id := range ids {
			if !yield(id) {
				return
			}
		}
	})
	defer h.release()
	now := s.now()
	w := rowWriter{s: s, now: now, expiry: expiryAfter(now, ttl), batch: s.db.NewBatch(), orders: map[string][]byte{}}
	defer w.batch.Close()
	written := 0
	for i := range rows {
		ok, err := w.put(ids[i], rows[i])
		if err != nil {
			return 0, err
		}
		if ok {
			written++
		}
	}
	if err := w.batch.Commit(s.write); err != nil {
		return 0, featurestore.Unavailablef("writing rows: %w", err)
	}
	return written, nil
}

func (w *rowWriter) put(l online.LaneID, row online.Row) (bool, error) {
	order, err := online.RowOrder(row.Blob)
	if err != nil {
		return false, err
	}
	key := l.AppendEntityKey(nil, row.Key)
	have, found, err := w.order(key)
	if err != nil || found && bytes.Compare(have, order) > 0 {
		return false, err
	}
	w.orders[string(key)] = order
	return true, set(w.batch, key, appendValue(nil, w.expiry, row.Blob))
}

// order is the order that stands under a key, in this chunk or in the store.
func (w *rowWriter) order(key []byte) (order []byte, found bool, err error) {
	if order, found = w.orders[string(key)]; found {
		return order, true, nil
	}
	var blob []byte
	if _, err = readEntity(w.s.db, key, w.now, &blob); err != nil || blob == nil {
		return nil, false, err
	}
	order, err = online.RowOrder(blob)
	return order, true, err
}

// Drop removes a generation by ranges, metadata and entities at once.
func (s *Store) Drop(ctx context.Context, g online.Generation, lanes uint16) error {
	return s.change(ctx, g, lanes, func(batch *pebble.Batch) error {
		lower := g.AppendPrefix(nil)
		upper := g.AppendPrefix(nil)
		upper[len(upper)-1]++
		return batch.DeleteRange(lower, upper, nil)
	})
}
