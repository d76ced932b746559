// Package sqlite keeps the registry in one SQLite file (pure Go driver). Its
// schema carries a version; each change is one transaction.
package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/registry"
)

// Store is a registry in a SQLite file.
type Store struct {
	db    *sql.DB
	lanes uint16
}

var _ registry.Store = (*Store)(nil)

// Open opens or makes the registry at path. New generations get that many lanes.
func Open(ctx context.Context, path string, lanes uint16) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("registry folder: %w", err)
	}
	dsn := url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate"}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("registry %q: %w", path, err)
	}
	db.SetMaxOpenConns(4)
	s := &Store{db: db, lanes: lanes}
	if err := s.migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("registry %q: %w", path, err), db.Close())
	}
	return s, nil
}

func (s *Store) transact(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return featurestore.Unavailablef("registry: %w", err)
	}
	if err := do(tx); err != nil {
		return errors.Join(err, ignoreDone(tx.Rollback()))
	}
	if err := tx.Commit(); err != nil {
		return featurestore.Unavailablef("registry: %w", err)
	}
	return nil
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// CurrentNumber implements registry.Store.
func (s *Store) CurrentNumber(ctx context.Context) (int64, error) {
	var n int64
	if err := s.db.QueryRowContext(ctx, "SELECT COALESCE(MAX(number), 0) FROM revisions").Scan(&n); err != nil {
		return 0, featurestore.Unavailablef("registry: %w", err)
	}
	return n, nil
}

// Current implements registry.Store.
func (s *Store) Current(ctx context.Context) (*registry.Revision, error) {
	n, err := s.CurrentNumber(ctx)
	if err != nil || n == 0 {
		return nil, err
	}
	return s.Revision(ctx, n)
}

// Revision implements registry.Store.
func (s *Store) Revision(ctx context.Context, number int64) (*registry.Revision, error) {
	r := registry.Revision{Number: number}
	var files string
	err := s.db.QueryRowContext(ctx, "SELECT commit_id, author, message, applied_us, files FROM revisions WHERE number = ?", number).
		Scan(&r.Commit, &r.Author, &r.Message, &r.Applied, &files)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, featurestore.NotFoundf("there is no revision %d", number)
	}
	if err != nil {
		return nil, featurestore.Unavailablef("registry: %w", err)
	}
	if r.Files, err = decodeFiles(files); err != nil {
		return nil, fmt.Errorf("revision %d: %w", number, err)
	}
	return &r, nil
}

type storedFile struct {
	Path string `json:"path"`
	Data []byte `json:"data"`
}

func encodeFiles(files []definition.File) (string, error) {
	stored := make([]storedFile, len(files))
	for i, f := range files {
		stored[i] = storedFile{Path: f.Path, Data: f.Data}
	}
	b, err := json.Marshal(stored)
	return string(b), err
}

func decodeFiles(text string) ([]definition.File, error) {
	var stored []storedFile
	if err := json.Unmarshal([]byte(text), &stored); err != nil {
		return nil, fmt.Errorf("its files do not decode: %w", err)
	}
	files := make([]definition.File, len(stored))
	for i, f := range stored {
		files[i] = definition.File{Path: f.Path, Data: f.Data}
	}
	return files, nil
}

// Apply implements registry.Store.
func (s *Store) Apply(ctx context.Context, base int64, r registry.Revision, targets []registry.Target) (*registry.Revision, error) {
	files, err := encodeFiles(r.Files)
	if err != nil {
		return nil, err
	}
	r.Number = base + 1
	err = s.transact(ctx, func(tx *sql.Tx) error {
		var current int64
		if err := tx.QueryRowContext(ctx, "SELECT COALESCE(MAX(number), 0) FROM revisions").Scan(&current); err != nil {
			return err
		}
		if current != base {
			return fmt.Errorf("revision %d stands, the plan was made on %d: %w", current, base, registry.ErrLostRace)
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO revisions VALUES (?, ?, ?, ?, ?, ?)",
			r.Number, r.Commit, r.Author, r.Message, int64(r.Applied), files); err != nil {
			return err
		}
		if err := s.setTargets(ctx, tx, &r, targets); err != nil {
			return err
		}
		return changed(ctx, tx)
	})
	if err != nil {
		return nil, err
	}
	return &r, nil
}
