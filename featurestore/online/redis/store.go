// Package redis is the online store on a Redis server (7 or newer, or Valkey).
// It owns the scripts that keep a lane right, and how many requests share a
// round trip; it never looks into a blob.
//
// Keys are those of package online. {...}:m is a hash with the fields definition
// (16 bytes), state_version, lanes (decimal) and state (BUILDING, LIVE, LOST, GAP,
// HALTED). {...}:w is a hash with a field for each partition,
// source|generation|number, and values as online.AppendWatermark makes them.
// {...}:e:<key> and {...}:c:<key> are strings, the blobs. All keys of a lane share one hash tag, so
// one script may change them together on a cluster too.
//
// Writes are scripts on connections that never retry: a script that was sent and
// not answered may have run, and the caller settles that by reading the
// watermark. Reads of many callers share round trips, and are retried.
package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// Durability says what Check demands of the server's persistence.
type Durability uint8

// Durabilities. Persistent wants the append-only file or snapshots; Rebuild
// accepts a server that forgets: then every view is rebuilt after its restart.
const (
	Persistent Durability = iota
	Rebuild
)

// Config says which server is used and how.
type Config struct {
	Addr        string                             // host:port
	Credentials func() (username, password string) // asked at each connection; nil for none
	DB          int
	TLS         *tls.Config   // nil for none
	Timeout     time.Duration // of a round trip; 2 s where 0
	Durability  Durability
}

const (
	defaultTimeout = 2 * time.Second
	readRetries    = 2
	// readPipelines is how many read round trips are in flight at most: while
	// they are, the next one gathers.
	readPipelines = 4
	// writePipelines is how many connections applies share.
	writePipelines = 16
	bufferSize     = 128 << 10
)

// Store is an online.Store on Redis.
type Store struct {
	addr       string
	durability Durability
	writer     *redis.Client // never retries
	client     *redis.Client // for what may be sent twice
	reader     *reader

	applyScript, rowsScript, createScript, stateScript script

	closeOnce sync.Once
	closeErr  error
}

var _ online.Store = (*Store)(nil)

// Open makes the store. It does not connect: Check does.
func Open(cfg Config) (*Store, error) {
	if cfg.Addr == "" {
		return nil, featurestore.Invalidf("redis: an address is needed, as host:port")
	}
	s := &Store{
		addr:         cfg.Addr,
		durability:   cfg.Durability,
		writer:       redis.NewClient(options(cfg, -1, writePipelines)),
		client:       redis.NewClient(options(cfg, readRetries, readPipelines)),
		applyScript:  newScript(applySource),
		rowsScript:   newScript(rowsSource),
		createScript: newScript(createSource),
		stateScript:  newScript(stateSource),
	}
	s.reader = startReader(s.client, readPipelines)
	return s, nil
}

func options(cfg Config, retries, pool int) *redis.Options {
	timeout := cfg.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	return &redis.Options{
		Addr:                     cfg.Addr,
		CredentialsProvider:      cfg.Credentials,
		DB:                       cfg.DB,
		TLSConfig:                cfg.TLS,
		MaxRetries:               retries,
		DialTimeout:              timeout,
		ReadTimeout:              timeout,
		WriteTimeout:             timeout,
		PoolTimeout:              timeout,
		ContextTimeoutEnabled:    true, // a caller's deadline bounds its own round trip
		PoolSize:                 pool,
		PipelinePoolSize:         -1, // everything here is a pipeline: one pool is enough
		ReadBufferSize:           bufferSize,
		WriteBufferSize:          bufferSize,
		DisableIdentity:          true, // a role without CLIENT SETINFO connects too
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

// Close ends waiting reads with ErrUnavailable and closes the connections. It is
// idempotent.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		s.reader.stop()
		if err := errors.Join(s.client.Close(), s.writer.Close()); err != nil {
			s.closeErr = s.unavailable("closing", err)
		}
	})
	return s.closeErr
}

// unavailable is the error of a call that Redis did not answer, or refused.
func (s *Store) unavailable(doing string, err error) error {
	return featurestore.Unavailablef("redis %s: %s: %w", s.addr, doing, err)
}

// firstError is the first error of a pipeline's commands.
func (s *Store) firstError(doing string, cmds []*redis.Cmd) error {
	for _, c := range cmds {
		if err := c.Err(); err != nil {
			return s.unavailable(doing, err)
		}
	}
	return nil
}

// exec sends a pipeline that may be sent twice.
func (s *Store) exec(ctx context.Context, doing string, pipe redis.Pipeliner) error {
	if pipe.Len() == 0 {
		return nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return s.unavailable(doing, err)
	}
	return nil
}
