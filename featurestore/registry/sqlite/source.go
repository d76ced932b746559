package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/registry"
)

// Sources implements registry.Logs.
func (s *Store) Sources(ctx context.Context) (list []registry.SourceLog, err error) {
	rows, err := s.db.QueryContext(ctx, "SELECT source, generation, accepted_us, reason FROM sources ORDER BY source, generation")
	if err != nil {
		return nil, featurestore.Unavailablef("registry: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var l registry.SourceLog
		if err := rows.Scan(&l.Source, &l.Generation, &l.Accepted, &l.Reason); err != nil {
			return nil, err
		}
		list = append(list, l)
	}
	return list, rows.Err()
}

// AcceptTopic implements registry.Logs.
func (s *Store) AcceptTopic(ctx context.Context, source string, base uint32, reason string, at featurestore.Instant) (registry.SourceLog, error) {
	l := registry.SourceLog{Source: source, Generation: base + 1, Accepted: at, Reason: reason}
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var newest uint32
		if err := tx.QueryRowContext(ctx, "SELECT COALESCE(MAX(generation), ?) FROM sources WHERE source = ?", registry.FirstLog, source).Scan(&newest); err != nil {
			return err
		}
		if newest != base {
			return fmt.Errorf("the log of source %q is at generation %d, what was looked at was %d: %w", source, newest, base, registry.ErrLostRace)
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO sources (source, generation, accepted_us, reason) VALUES (?, ?, ?, ?)", source, l.Generation, int64(at), reason); err != nil {
			return err
		}
		return changed(ctx, tx)
	})
	return l, err
}
