// Package sqlite keeps the registry in one SQLite file (pure Go driver). Its
// schema carries a version; each change is one transaction.
package sqlite

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
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
		if err := s.setTargets(ctx, tx, r.Number, targets); err != nil {
			return err
		}
		return changed(ctx, tx)
	})
	if err != nil {
		return nil, err
	}
	return &r, nil
}

func (s *Store) setTargets(ctx context.Context, tx *sql.Tx, revision int64, targets []registry.Target) error {
	wanted := map[string]bool{}
	for _, t := range targets {
		wanted[t.View] = true
		if err := s.setTarget(ctx, tx, revision, t); err != nil {
			return err
		}
	}
	generations, err := queryGenerations(ctx, tx)
	if err != nil {
		return err
	}
	for _, g := range generations {
		if wanted[g.View] {
			continue
		}
		if _, err := tx.ExecContext(ctx, "UPDATE generations SET state = 'RETIRED', reason = 'the view was removed' WHERE view = ? AND number = ?", g.View, g.Number); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) setTarget(ctx context.Context, tx *sql.Tx, revision int64, t registry.Target) error {
	var number uint32
	var newest string
	err := tx.QueryRowContext(ctx, "SELECT number, hash || state FROM generations WHERE view = ? ORDER BY number DESC LIMIT 1", t.View).Scan(&number, &newest)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	hash := hex.EncodeToString(t.Hash[:])
	if newest == hash+string(registry.Live) || newest == hash+string(registry.Building) {
		return nil
	}
	state, reason := registry.Building, "to be filled from history"
	if number == 0 {
		state, reason = registry.Live, "the first generation"
	}
	// A generation that was still building under another hash has no use any more.
	if _, err := tx.ExecContext(ctx, "UPDATE generations SET state = 'RETIRED', reason = 'replaced while building' WHERE view = ? AND state = 'BUILDING'", t.View); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO generations (view, number, hash, state, revision, lanes, reason) VALUES (?, ?, ?, ?, ?, ?, ?)", t.View, number+1, hash, string(state), revision, s.lanes, reason)
	return err
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func queryGenerations(ctx context.Context, q querier) (list []registry.Generation, err error) {
	rows, err := q.QueryContext(ctx, "SELECT view, number, hash, state, revision, lanes, reason FROM generations WHERE state <> 'RETIRED' ORDER BY view, number")
	if err != nil {
		return nil, featurestore.Unavailablef("registry: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var g registry.Generation
		var hash string
		if err := rows.Scan(&g.View, &g.Number, &hash, &g.State, &g.Revision, &g.Lanes, &g.Reason); err != nil {
			return nil, err
		}
		if n, err := hex.Decode(g.Hash[:], []byte(hash)); err != nil || n != len(codec.Hash{}) {
			return nil, fmt.Errorf("generation %d of view %q has a broken hash %q", g.Number, g.View, hash)
		}
		list = append(list, g)
	}
	return list, rows.Err()
}

// Generations implements registry.Store.
func (s *Store) Generations(ctx context.Context) ([]registry.Generation, error) {
	return queryGenerations(ctx, s.db)
}

// SetState implements registry.Store.
func (s *Store) SetState(ctx context.Context, view string, number uint32, state registry.GenerationState, reason string) error {
	return s.transact(ctx, func(tx *sql.Tx) error {
		if state == registry.Live {
			if _, err := tx.ExecContext(ctx, "UPDATE generations SET state = 'RETIRED', reason = ? WHERE view = ? AND state = 'LIVE' AND number <> ?",
				fmt.Sprintf("generation %d took over", number), view, number); err != nil {
				return err
			}
		}
		res, err := tx.ExecContext(ctx, "UPDATE generations SET state = ?, reason = ? WHERE view = ? AND number = ?", string(state), reason, view, number)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return errors.Join(err, featurestore.NotFoundf("view %q has no generation %d", view, number))
		}
		return nil
	})
}
