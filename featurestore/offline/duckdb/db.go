//go:build duckdb_arrow

// Package duckdb scans, sorts and writes files of rows by SQL: Parquet, CSV and
// JSON lines, of any size, in bounded memory. It is the only package that needs
// cgo, and a leaf that only cmd imports.
//
// It computes no feature: aggregates, ties and time rules are Go's (see
// dependencies.md for the answers of DuckDB that may not be used). The SQL is
// generated here; names go through one quoting function and values are bound,
// or quoted by one function where SQL takes no parameter. The configuration is
// locked once a database is open: no extension is loaded, and no file outside
// the allowed paths is touched.
package duckdb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	engine "github.com/duckdb/duckdb-go/v2"

	"github.com/freshet/freshet/featurestore"
)

// Config says what a database may use.
type Config struct {
	// TempDir takes what does not fit in memory; it is made where it is missing,
	// and each database spills into a folder of its own below it.
	TempDir string
	// MemoryBytes is the most that DuckDB holds; 0 is 1 GiB.
	MemoryBytes int64
	// Threads is the number of its worker threads; 0 is one for each core.
	Threads int
	// Allow lists the files and folders that may be read and written.
	Allow []string
}

const defaultMemory = 1 << 30

// DB is a database in memory that spills to disk. It is safe for concurrent
// use: statements take turns.
type DB struct {
	pool  *sql.DB
	conn  *sql.Conn
	spill string

	mu     sync.Mutex // one statement at a time
	tables atomic.Int64
}

// Open starts a database.
func Open(ctx context.Context, c Config) (*DB, error) {
	if c.MemoryBytes == 0 {
		c.MemoryBytes = defaultMemory
	}
	if err := os.MkdirAll(c.TempDir, 0o755); err != nil {
		return nil, fmt.Errorf("temp folder of duckdb: %w", err)
	}
	spill, err := os.MkdirTemp(c.TempDir, "duckdb-")
	if err != nil {
		return nil, fmt.Errorf("temp folder of duckdb: %w", err)
	}
	db, err := open(ctx, c, spill)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(spill))
	}
	return db, nil
}

func open(ctx context.Context, c Config, spill string) (*DB, error) {
	connector, err := engine.NewConnector("", nil)
	if err != nil {
		return nil, fmt.Errorf("open duckdb: %w", err)
	}
	db := &DB{pool: sql.OpenDB(connector), spill: spill}
	if db.conn, err = db.pool.Conn(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open duckdb: %w", err), db.pool.Close())
	}
	settings, err := settings(c, spill)
	if err != nil {
		return nil, errors.Join(err, db.conn.Close(), db.pool.Close())
	}
	for _, s := range settings {
		if err := db.exec(ctx, s); err != nil {
			return nil, errors.Join(fmt.Errorf("duckdb setting %q: %w", s, err), db.conn.Close(), db.pool.Close())
		}
	}
	return db, nil
}

// settings are the statements that configure a database and then lock it.
func settings(c Config, spill string) ([]string, error) {
	out := []string{
		"SET autoinstall_known_extensions = false",
		"SET autoload_known_extensions = false",
		"SET TimeZone = 'UTC'",
		"SET preserve_insertion_order = true",
		"SET enable_progress_bar = false",
		fmt.Sprintf("SET memory_limit = '%d B'", c.MemoryBytes),
		"SET temp_directory = " + text(spill),
	}
	if c.Threads > 0 {
		out = append(out, fmt.Sprintf("SET threads = %d", c.Threads))
	}
	var dirs, files []string
	for _, path := range c.Allow {
		abs, err := filepath.Abs(path)
		if err != nil {
			return nil, fmt.Errorf("allowed path %q: %w", path, err)
		}
		if info, err := os.Stat(abs); err == nil && info.IsDir() {
			dirs = append(dirs, text(abs))
		} else {
			files = append(files, text(abs))
		}
	}
	return append(out,
		"SET allowed_directories = ["+strings.Join(dirs, ", ")+"]",
		"SET allowed_paths = ["+strings.Join(files, ", ")+"]",
		"SET enable_external_access = false",
		"SET lock_configuration = true"), nil
}

// Close ends the database and removes what it spilled.
func (db *DB) Close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	return errors.Join(db.conn.Close(), db.pool.Close(), os.RemoveAll(db.spill))
}

// exec runs one statement without rows.
func (db *DB) exec(ctx context.Context, query string, args ...any) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	_, err := db.conn.ExecContext(ctx, query, args...)
	return kinded(ctx, err)
}

// raw runs fn on the driver's connection, alone.
func (db *DB) raw(fn func(driver.Conn) error) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.conn.Raw(func(c any) error { return fn(c.(driver.Conn)) })
}

// table is a name that no other table has.
func (db *DB) table(prefix string) string {
	return fmt.Sprintf("%s_%d", prefix, db.tables.Add(1))
}

// drop removes a table, also where ctx is done.
func (db *DB) drop(ctx context.Context, table string) error {
	return db.exec(context.WithoutCancel(ctx), "DROP TABLE IF EXISTS "+name(table))
}

// kinded gives DuckDB's errors their kind: what a file holds is the caller's to
// change, and a full disk or memory may be gone the next time.
func kinded(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var e *engine.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Type {
	case engine.ErrorTypeInvalidInput, engine.ErrorTypeConversion, engine.ErrorTypeIO, engine.ErrorTypeBinder:
		return featurestore.Invalidf("%s", firstLines(e.Msg))
	case engine.ErrorTypeOutOfMemory:
		return featurestore.Unavailablef("%s", firstLines(e.Msg))
	}
	return err
}

// firstLines keeps the part of DuckDB's message that says what is wrong; the
// hints that follow speak of SQL that nobody wrote.
func firstLines(msg string) string {
	msg, _, _ = strings.Cut(msg, "\n\n")
	msg, _, _ = strings.Cut(msg, "\nPossible")
	return msg
}
