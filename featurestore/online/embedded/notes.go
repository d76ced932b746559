package embedded

import (
	"bytes"
	"context"

	"github.com/cockroachdb/pebble/v2"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// noteKey is where a field of a project's notes stands: notes key, 0, field.
func noteKey(project, name, field string) []byte {
	return append(append(online.AppendNotesKey(nil, project, name), 0), field...)
}

// Notes reads the values that stand under a name.
func (s *Store) Notes(_ context.Context, project, name string) (out map[string][]byte, err error) {
	if err := online.CheckNotes(project, name); err != nil {
		return nil, err
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	lower := noteKey(project, name, "")
	upper := bytes.Clone(lower)
	upper[len(upper)-1]++
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, featurestore.Unavailablef("reading the online store: %w", err)
	}
	defer func() { err = orUnavailable(err, it.Close()) }()
	out = map[string][]byte{}
	for valid := it.First(); valid; valid = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, featurestore.Unavailablef("reading the online store: %w", err)
		}
		out[string(it.Key()[len(lower):])] = bytes.Clone(value)
	}
	return out, nil
}

// SetNotes is one batch of the log.
func (s *Store) SetNotes(_ context.Context, project, name string, fields map[string][]byte) error {
	if err := online.CheckNotes(project, name); err != nil {
		return err
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	b := s.db.NewBatch()
	defer b.Close()
	for field, value := range fields {
		key := noteKey(project, name, field)
		if len(value) == 0 {
			if err := b.Delete(key, nil); err != nil {
				return featurestore.Unavailablef("writing the online store: %w", err)
			}
		} else if err := set(b, key, value); err != nil {
			return err
		}
	}
	return s.commitDurably(b)
}
