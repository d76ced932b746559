// Package embedded is the online store of one machine: a pebble database in a
// folder, opened by one process at a time. It owns the folder and the meaning of
// its bytes, and never looks into a blob.
//
// Keys are those of package online; each watermark has a key of its own,
// {...}:w:<partition field>. Values are
//
//	entity      0x00 | blob                         kept
//	            0x01 | expiry (int64 LE, us) | blob  absent from expiry on
//	closed part the blob; it lives as long as its entity does, so that a new time
//	            to live costs no writing of it
//	metadata    0x01 | definition (16) | state version (uint32 LE) | lanes (uint16 LE) | state (1)
//	watermark   as online.AppendWatermark
//	clock/<project>   int64 LE, microseconds
//	freshet/format    0x01, the version of all this
//
// What is acknowledged is with the operating system: it survives the end of the
// process, SIGKILL included. A power cut may take back the last writes of the
// stream, always a whole number of them from the end (one log, written in
// order); the blobs and the watermark of a batch go together, so the ingester
// applies them again. Config.Sync makes each write wait for the disk. Metadata
// and batch rows always do: nothing would bring them back.
package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// Config says where a store lives and what it may use.
type Config struct {
	Dir    string                      // created where missing
	Now    func() featurestore.Instant // decides what is expired
	Sync   bool                        // every Apply waits for the disk
	Memory int64                       // bytes of memtables and block cache together; 64 MiB where 0
	Logger *slog.Logger                // nil discards

	fs vfs.FS // nil is the operating system's
}

// Sizes that keep a process that does nothing else at about 160 MB, garbage
// included, under a benchmark's load. Pebble takes its memtables out of the
// cache's size: a cache that is no larger than them caches nothing.
const (
	defaultMemory  = 64 << 20
	leastMemory    = 48 << 20
	memTable       = 16 << 20
	memTables      = 2
	maxCompactions = 2
	maxOpenFiles   = 512
	bloomBits      = 10
)

// formatMajor pins pebble's own format: a newer library must not change a
// user's folder by itself.
const formatMajor = pebble.FormatTableFormatV6

const (
	formatKey     = "freshet/format"
	formatVersion = 1
)

// Store is an online.Store on pebble.
type Store struct {
	db    *pebble.DB
	lock  *pebble.Lock
	fs    *walFS
	now   func() featurestore.Instant
	write *pebble.WriteOptions
	lanes stripes

	closing sync.RWMutex // held for reading by every call, for writing by Close
	closed  bool
}

var (
	_ online.Store   = (*Store)(nil)
	_ online.Clocked = (*Store)(nil)
)

// Open opens or creates the store. A folder that another process has open is
// ErrUnavailable.
func Open(cfg Config) (*Store, error) {
	if cfg.Dir == "" || cfg.Now == nil {
		return nil, featurestore.Invalidf("embedded online store: a folder and a clock are needed")
	}
	if cfg.Memory != 0 && cfg.Memory < leastMemory {
		return nil, featurestore.Invalidf("embedded online store: %d bytes of memory, at least %d are needed", cfg.Memory, leastMemory)
	}
	base := cfg.fs
	if base == nil {
		base = vfs.Default
	}
	if err := base.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, featurestore.Unavailablef("online store %q: %w", cfg.Dir, err)
	}
	lock, err := pebble.LockDirectory(cfg.Dir, base)
	if err != nil {
		return nil, lockError(cfg.Dir, err)
	}
	fs := newWALFS(base, cfg.Sync)
	db, err := openDB(cfg, fs, lock)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &Store{db: db, lock: lock, fs: fs, now: cfg.Now, write: pebble.Sync}, nil
}

func lockError(dir string, err error) error {
	if os.IsPermission(err) || os.IsNotExist(err) {
		return featurestore.Unavailablef("online store %q: %w", dir, err)
	}
	return featurestore.Unavailablef("online store %q is in use by another process (%w): stop it, or ask it instead of opening the folder", dir, err)
}

func openDB(cfg Config, fs vfs.FS, lock *pebble.Lock) (db *pebble.DB, err error) {
	defer func() {
		switch why := recover().(type) {
		case nil:
		case fatal:
			db, err = nil, featurestore.Unavailablef("online store %q is damaged: %s; move the folder away and start the ingester: the store is built anew from history", cfg.Dir, string(why))
		default:
			panic(why)
		}
	}()
	size := cfg.Memory
	if size == 0 {
		size = defaultMemory
	}
	cache := pebble.NewCache(size)
	defer cache.Unref()
	db, err = pebble.Open(cfg.Dir, options(cfg, fs, lock, cache))
	if err != nil {
		return nil, featurestore.Unavailablef("online store %q: %w", cfg.Dir, err)
	}
	if err := checkFormat(db); err != nil {
		return nil, errors.Join(fmt.Errorf("online store %q: %w", cfg.Dir, err), db.Close())
	}
	return db, nil
}

func options(cfg Config, fs vfs.FS, lock *pebble.Lock, cache *pebble.Cache) *pebble.Options {
	o := &pebble.Options{
		FS:                          fs,
		Lock:                        lock,
		Cache:                       cache,
		FormatMajorVersion:          formatMajor,
		MemTableSize:                memTable,
		MemTableStopWritesThreshold: memTables,
		MaxOpenFiles:                maxOpenFiles,
		CompactionConcurrencyRange:  func() (int, int) { return 1, maxCompactions },
		Logger:                      logger{cfg.Logger},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(bloomBits)
	}
	return o
}

// checkFormat refuses a folder of another format, and signs an empty one.
func checkFormat(db *pebble.DB) error {
	v, closer, err := db.Get([]byte(formatKey))
	if errors.Is(err, pebble.ErrNotFound) {
		return db.Set([]byte(formatKey), []byte{formatVersion}, pebble.Sync)
	}
	if err != nil {
		return featurestore.Unavailablef("reading its format: %w", err)
	}
	defer closer.Close()
	if len(v) != 1 || v[0] != formatVersion {
		return featurestore.Invalidf("its format is % x, this binary knows %d: open it with the binary that wrote it, or rebuild it in another folder", v, formatVersion)
	}
	return nil
}

// Close waits for running calls, flushes, and frees the folder. It is
// idempotent; later calls are ErrUnavailable.
func (s *Store) Close() error {
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if err := errors.Join(s.db.Close(), s.lock.Close()); err != nil {
		return featurestore.Unavailablef("closing the online store: %w", err)
	}
	return nil
}

// enter keeps the database open until leave; pebble panics when used closed.
func (s *Store) enter() error {
	s.closing.RLock()
	if s.closed {
		s.closing.RUnlock()
		return featurestore.Unavailablef("the online store is closed")
	}
	return nil
}

func (s *Store) leave() { s.closing.RUnlock() }

// get reads one value; nil where there is none. The bytes are valid until the
// closer is closed.
func get(from pebble.Reader, key []byte) ([]byte, func() error, error) {
	v, closer, err := from.Get(key)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return nil, func() error { return nil }, nil
	case err != nil:
		return nil, nil, featurestore.Unavailablef("reading the online store: %w", err)
	}
	return v, closer.Close, nil
}

// orUnavailable is err, or else the error of closing what was read.
func orUnavailable(err, later error) error {
	if err == nil && later != nil {
		return featurestore.Unavailablef("reading the online store: %w", later)
	}
	return err
}

// commitDurably writes a batch and waits for the disk.
func (s *Store) commitDurably(b *pebble.Batch) error {
	if err := b.Commit(pebble.Sync); err != nil {
		return featurestore.Unavailablef("writing the online store: %w", err)
	}
	if err := s.fs.flush(); err != nil {
		return featurestore.Unavailablef("writing the online store: %w", err)
	}
	return nil
}

// set adds one write to a batch.
func set(b *pebble.Batch, key, value []byte) error {
	if err := b.Set(key, value, nil); err != nil {
		return featurestore.Unavailablef("writing the online store: %w", err)
	}
	return nil
}
