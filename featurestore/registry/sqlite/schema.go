package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/freshet/freshet/featurestore"
)

// steps lead from one version of the schema to the next: step i makes version
// i+1 of version i. A step that was released is never changed.
var steps = [...]string{
	`CREATE TABLE revisions (
  number INTEGER PRIMARY KEY, commit_id TEXT NOT NULL, author TEXT NOT NULL, message TEXT NOT NULL,
  applied_us INTEGER NOT NULL, files TEXT NOT NULL
) STRICT;
CREATE TABLE generations (
  view TEXT NOT NULL, number INTEGER NOT NULL, hash TEXT NOT NULL, state TEXT NOT NULL,
  revision INTEGER NOT NULL, lanes INTEGER NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (view, number)
) STRICT;
CREATE UNIQUE INDEX one_live ON generations (view) WHERE state = 'LIVE';`,

	// since_us is when a generation came into its state. sources holds one row a
	// log that a source has had; a source without rows is at its first. changes
	// counts what processes that poll must see.
	`ALTER TABLE generations ADD COLUMN since_us INTEGER NOT NULL DEFAULT 0;
CREATE TABLE sources (
  source TEXT NOT NULL, generation INTEGER NOT NULL, accepted_us INTEGER NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (source, generation)
) STRICT;
CREATE TABLE changes (number INTEGER NOT NULL) STRICT;
INSERT INTO changes SELECT COALESCE(MAX(number), 0) FROM revisions;`,
}

// Version is the version of a file's schema, and the one that this program has. It
// changes nothing; it is ErrNotFound where there is no file.
func Version(ctx context.Context, path string) (have, known int, err error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return 0, len(steps), featurestore.NotFoundf("there is no registry at %q", path)
	}
	dsn := url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: "mode=ro&_pragma=busy_timeout(1000)"}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return 0, len(steps), fmt.Errorf("registry %q: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil {
		return 0, len(steps), featurestore.Unavailablef("registry %q: %w", path, err)
	}
	return have, len(steps), nil
}

// migrate brings the file to this program's version, in one transaction.
func (s *Store) migrate(ctx context.Context) error {
	return s.transact(ctx, func(tx *sql.Tx) error {
		var version int
		if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
			return err
		}
		if version > len(steps) {
			return featurestore.Invalidf("its schema has version %d, this program knows %d: use a newer freshet", version, len(steps))
		}
		for _, step := range steps[version:] {
			if _, err := tx.ExecContext(ctx, step); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(steps)))
		return err
	})
}

// changed tells every process that polls that there is something new.
func changed(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, "UPDATE changes SET number = number + 1")
	return err
}

// Changes implements registry.Store.
func (s *Store) Changes(ctx context.Context) (int64, error) {
	var n int64
	if err := s.db.QueryRowContext(ctx, "SELECT number FROM changes").Scan(&n); err != nil {
		return 0, featurestore.Unavailablef("registry: %w", err)
	}
	return n, nil
}
