package redis

import (
	"context"
	"maps"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/freshet/freshet/featurestore/online"
)

// Notes reads the fields of a hash.
func (s *Store) Notes(ctx context.Context, project, name string) (map[string][]byte, error) {
	if err := online.CheckNotes(project, name); err != nil {
		return nil, err
	}
	key := string(online.AppendNotesKey(nil, project, name))
	cmd := redis.NewMapStringStringCmd(ctx, "hgetall", key)
	if err := s.read(ctx, "reading notes", []routed{{cmd: cmd, key: key}}); err != nil {
		return nil, err
	}
	out := make(map[string][]byte, len(cmd.Val()))
	for field, value := range cmd.Val() {
		if value != "" {
			out[field] = []byte(value)
		}
	}
	return out, nil
}

// SetNotes sets fields by one command, which may be sent twice. One that is removed
// stays empty: that needs no further right.
func (s *Store) SetNotes(ctx context.Context, project, name string, fields map[string][]byte) error {
	if err := online.CheckNotes(project, name); err != nil || len(fields) == 0 {
		return err
	}
	key := string(online.AppendNotesKey(nil, project, name))
	args := []any{"hset", key}
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		args = append(args, field, fields[field])
	}
	cmd := redis.NewIntCmd(ctx, args...)
	return s.read(ctx, "keeping notes", []routed{{cmd: cmd, key: key}})
}
