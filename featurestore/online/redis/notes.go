package redis

import (
	"context"

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
	if err := s.read(ctx, "reading notes", []routed{{cmd, key}}); err != nil {
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

// Note sets a field, which may be done twice. One that is removed stays empty: that
// needs no further right.
func (s *Store) Note(ctx context.Context, project, name, field string, value []byte) error {
	if err := online.CheckNotes(project, name); err != nil {
		return err
	}
	key := string(online.AppendNotesKey(nil, project, name))
	cmd := redis.NewIntCmd(ctx, "hset", key, field, value)
	return s.read(ctx, "keeping a note", []routed{{cmd, key}})
}
