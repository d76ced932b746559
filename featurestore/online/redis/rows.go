package redis

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/online"
)

const (
	chunkRows   = 4000    // rows of one round trip
	chunkBytes  = 4 << 20 // and their bytes
	scriptRows  = 200     // rows of one script: others wait while it runs
	orderWindow = 256     // bytes read to learn an order; longer ones take a second read
	rowAttempts = 20      // rounds against other writers of the same rows
)

// PutRows reads the orders that stand, and writes each row that none is greater
// than where that order still stands. A row that another writer changed between
// is read again. Bytes are compared here and never in Lua, which would order them
// by the locale.
func (s *Store) PutRows(ctx context.Context, g online.Generation, lanes uint16, rows []online.Row, ttl time.Duration) (int, error) {
	if err := g.Check(); err != nil {
		return 0, err
	}
	if lanes == 0 {
		return 0, featurestore.Invalidf("rows of %s: a generation needs at least one lane", g)
	}
	written := 0
	for len(rows) > 0 {
		n := chunkLength(rows)
		pending, err := pendingRows(g, lanes, rows[:n])
		if err != nil {
			return written, err
		}
		put, err := s.putChunk(ctx, pending, ttl)
		written += put
		if err != nil {
			return written, err
		}
		rows = rows[n:]
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

// pendingRow is a row that is not written yet.
type pendingRow struct {
	lane  uint16
	key   string
	order []byte // the row's own
	blob  []byte
	head  []byte // leading bytes of the stored blob, to the end of its order; nil where absent
}

func pendingRows(g online.Generation, lanes uint16, rows []online.Row) ([]*pendingRow, error) {
	pending := make([]*pendingRow, len(rows))
	for i, r := range rows {
		order, err := online.RowOrder(r.Blob)
		if err != nil {
			return nil, err
		}
		l := online.LaneID{Generation: g, Lane: codec.Lane(r.Key, lanes)}
		pending[i] = &pendingRow{lane: l.Lane, key: string(l.AppendEntityKey(nil, r.Key)), order: order, blob: r.Blob}
	}
	return pending, nil
}

// putChunk runs rounds of reading and writing until no row is left.
func (s *Store) putChunk(ctx context.Context, pending []*pendingRow, ttl time.Duration) (written int, err error) {
	for range rowAttempts {
		if len(pending) == 0 {
			return written, nil
		}
		if err := ctx.Err(); err != nil {
			return written, s.unavailable("writing rows", err)
		}
		if err := s.readHeads(ctx, pending); err != nil {
			return written, err
		}
		newer := slices.DeleteFunc(pending, func(r *pendingRow) bool {
			return r.head != nil && bytes.Compare(r.head[2:], r.order) > 0
		})
		left, err := s.writeRows(ctx, newer, ttl)
		if err != nil {
			return written, err
		}
		written += len(newer) - len(left)
		pending = left
	}
	if len(pending) > 0 {
		return written, featurestore.Unavailablef("redis %s: %d rows are being rewritten by others all the time: run one materialization of a view at once", s.name, len(pending))
	}
	return written, nil
}

// readHeads learns the order that stands under each key.
func (s *Store) readHeads(ctx context.Context, rows []*pendingRow) error {
	blobs, err := s.readRanges(ctx, rows, func(int) int64 { return orderWindow })
	if err != nil {
		return err
	}
	var long []*pendingRow
	var sizes []int64
	for i, r := range rows {
		var size int
		if r.head, size = headOf(blobs[i]); size > len(blobs[i]) {
			long, sizes = append(long, r), append(sizes, int64(size))
		}
	}
	if blobs, err = s.readRanges(ctx, long, func(i int) int64 { return sizes[i] }); err != nil {
		return err
	}
	for i, r := range long {
		var size int
		if r.head, size = headOf(blobs[i]); size > len(blobs[i]) && int64(size) <= sizes[i] {
			return featurestore.Unavailablef("redis %s: a row of %d bytes is too short for its order", s.name, len(blobs[i]))
		}
	}
	return nil
}

// headOf is the part of a stored row that holds its order, and its size; nil
// where the bytes do not reach so far.
func headOf(blob string) (head []byte, size int) {
	if blob == "" {
		return nil, 0
	}
	if len(blob) < 2 {
		return nil, 2
	}
	size = 2 + int(blob[0]) + int(blob[1])<<8
	if size > len(blob) {
		return nil, size
	}
	return []byte(blob[:size]), size
}

// readRanges reads the first size(i) bytes of each row in one round trip; an
// absent one is empty.
func (s *Store) readRanges(ctx context.Context, rows []*pendingRow, size func(i int) int64) ([]string, error) {
	cmds := make([]*redis.StringCmd, len(rows))
	sent := make([]routed, len(rows))
	for i, r := range rows {
		cmds[i] = redis.NewStringCmd(ctx, "getrange", r.key, 0, size(i)-1)
		sent[i] = routed{cmd: cmds[i], key: r.key}
	}
	if err := s.read(ctx, "reading rows", sent); err != nil {
		return nil, err
	}
	blobs := make([]string, len(rows))
	for i, c := range cmds {
		blobs[i] = c.Val()
	}
	return blobs, nil
}

// writeRows writes rows whose stored order is still the one that was read, and
// returns the others.
func (s *Store) writeRows(ctx context.Context, rows []*pendingRow, ttl time.Duration) (left []*pendingRow, err error) {
	groups := byLane(rows)
	calls := make([]call, len(groups))
	for i, group := range groups {
		calls[i].args = append(calls[i].args, appendMilliseconds(nil, ttl))
		for _, r := range group {
			calls[i].keys = append(calls[i].keys, r.key)
			calls[i].args = append(calls[i].args, r.head, r.blob)
		}
	}
	cmds := s.run(ctx, s.rowsScript, calls)
	if err := s.firstError("writing rows", cmds); err != nil {
		return nil, err
	}
	for i, c := range cmds {
		conflicts, err := c.Int64Slice()
		if err != nil {
			return nil, s.unavailable("writing rows", err)
		}
		for _, n := range conflicts {
			if n < 1 || n > int64(len(groups[i])) {
				return nil, featurestore.Unavailablef("redis %s: the row script answered %d of %d rows", s.name, n, len(groups[i]))
			}
			left = append(left, groups[i][n-1])
		}
	}
	return left, nil
}

// byLane parts rows into groups of one lane and at most scriptRows.
func byLane(rows []*pendingRow) [][]*pendingRow {
	var groups [][]*pendingRow
	open := map[uint16]int{} // lane -> its group that still takes rows
	for _, r := range rows {
		i, ok := open[r.lane]
		if !ok || len(groups[i]) == scriptRows {
			i = len(groups)
			open[r.lane] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], r)
	}
	return groups
}
