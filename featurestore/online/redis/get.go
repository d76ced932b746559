package redis

import (
	"context"

	"github.com/freshet/freshet/featurestore/online"
)

// Get reads blobs, those of one lane as of one moment.
func (s *Store) Get(ctx context.Context, ids []online.EntityID) ([][]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, s.unavailable("reading", err)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	blobs, err := s.reader.get(ctx, entityKeys(ids))
	if err != nil {
		return nil, s.unavailable("reading", err)
	}
	return blobs, nil
}

// entityKeys builds the keys of ids in one piece of memory.
func entityKeys(ids []online.EntityID) []entityKey {
	size := 0
	for i := range ids {
		size += len(ids[i].Project) + len(ids[i].View) + len(ids[i].Key) + 26 // braces, dots, numbers, ":e:"
	}
	buf := make([]byte, 0, size)
	ends := make([]int, len(ids))
	keys := make([]entityKey, len(ids))
	for i := range ids {
		start := len(buf)
		buf = ids[i].AppendEntityKey(buf, ids[i].Key)
		ends[i] = len(buf)
		keys[i].tag = ends[i] - start - len(ids[i].Key) - len(":e:")
	}
	all, start := string(buf), 0
	for i, end := range ends {
		keys[i].key = all[start:end]
		start = end
	}
	return keys
}
