package redis

import (
	"context"

	"github.com/freshet/freshet/featurestore/online"
)

// Get reads entities, those of one lane as of one moment.
func (s *Store) Get(ctx context.Context, ids []online.EntityID) ([]online.Parts, error) {
	if err := ctx.Err(); err != nil {
		return nil, s.unavailable("reading", err)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	keys := entityKeys(ids)
	got, err := s.reader.get(ctx, keys)
	if err != nil {
		return nil, s.unavailable("reading", err)
	}
	parts, at := make([]online.Parts, len(ids)), 0
	for i := range ids {
		parts[i].Open, parts[i].Lane = got.blobs[at], got.states[at]
		at++
		if ids[i].Split {
			parts[i].Closed = got.blobs[at]
			at++
		}
	}
	return parts, nil
}

// entityKeys builds the keys of ids in one piece of memory: an entity's closed
// part stands behind its open one.
func entityKeys(ids []online.EntityID) []entityKey {
	size, n := 0, 0
	for i := range ids {
		one := len(ids[i].Project) + len(ids[i].View) + len(ids[i].Key) + 26 // braces, dots, numbers, ":e:"
		size, n = size+one, n+1
		if ids[i].Split {
			size, n = size+one, n+1
		}
	}
	buf := make([]byte, 0, size)
	ends := make([]int, 0, n)
	keys := make([]entityKey, 0, n)
	for i := range ids {
		start := len(buf)
		buf = ids[i].AppendEntityKey(buf, ids[i].Key)
		tag := len(buf) - start - len(ids[i].Key) - len(":e:")
		ends, keys = append(ends, len(buf)), append(keys, entityKey{tag: tag, state: ids[i].State})
		if ids[i].Split {
			buf = ids[i].AppendClosedKey(buf, ids[i].Key)
			ends, keys = append(ends, len(buf)), append(keys, entityKey{tag: tag})
		}
	}
	all, start := string(buf), 0
	for i, end := range ends {
		keys[i].key = all[start:end]
		start = end
	}
	return keys
}
