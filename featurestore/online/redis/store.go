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
// {<project>.}:evicted is a hash of the keys that each run of a server has evicted,
// as far as that is dealt with (evicted.go). Other hashes {<project>.}:<name> are notes
// that other packages keep (notes.go).
//
// The server is one, the master of a Sentinel group, or a cluster's: the lane's
// hash tag says which. Writes are scripts that are never sent twice where they may
// have run: the caller settles an unanswered one by reading the watermark. One
// that was refused, because its slot moves or a master is replaced, waits for
// that. Reads of many callers share round trips, and are retried.
package redis

import (
	"crypto/tls"
	"strings"
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

// Mode says what stands behind the addresses.
type Mode uint8

// Modes. Single is one server, Sentinel the master that sentinels name, Cluster a
// Redis Cluster.
const (
	Single Mode = iota
	Sentinel
	Cluster
)

// Config says which servers are used and how.
type Config struct {
	// Project keeps what is known of evicted keys in the store, for processes that
	// start later; "" does not.
	Project     string
	Mode        Mode
	Addrs       []string                           // host:port: the server's; sentinels'; some of a cluster's
	Master      string                             // the master's name among the sentinels
	Credentials func() (username, password string) // asked at each connection; nil for none
	// SentinelCredentials are those of the sentinels; nil for none.
	SentinelCredentials func() (username, password string)
	DB                  int
	TLS                 *tls.Config   // nil for none
	Timeout             time.Duration // of a round trip; 2 s where 0
	Durability          Durability
}

func (c *Config) check() error {
	switch {
	case c.Project != "" && featurestore.CheckName(c.Project) != nil:
		return featurestore.Invalidf("redis: project: %w", featurestore.CheckName(c.Project))
	case len(c.Addrs) == 0 || c.Addrs[0] == "":
		return featurestore.Invalidf("redis: an address is needed, as host:port")
	case c.Mode == Single && len(c.Addrs) > 1:
		return featurestore.Invalidf("redis: one address is one server: %d are given; name the mode, sentinel or cluster", len(c.Addrs))
	case c.Mode == Sentinel && c.Master == "":
		return featurestore.Invalidf("redis: sentinels are asked for a master by its name: give it")
	case c.Mode == Cluster && c.DB != 0:
		return featurestore.Invalidf("redis: a cluster has database 0 only, not %d", c.DB)
	}
	return nil
}

const (
	defaultTimeout = 2 * time.Second
	// readPipelines is how many read round trips are in flight at most: while
	// they are, the next one gathers.
	readPipelines = 4
	// writePipelines is how many connections applies share.
	writePipelines = 16
	// dialAttempts is how often the client library dials for a connection, 100 ms
	// apart, each time for so small a share of the timeout that all of it is within
	// that: else a server that does not answer at all holds a call up for much longer.
	dialAttempts = 3
	dialShare    = 4
	bufferSize   = 128 << 10
)

// Store is an online.Store on Redis.
type Store struct {
	name       string // of the servers, for messages
	durability Durability
	replaced   bool          // masters are, by sentinels or a cluster
	timeout    time.Duration // of a round trip
	nodes      nodes
	reader     *reader

	applyScript, rowsScript, createScript, stateScript, filledScript, dropScript script

	project   string
	evictions evictions

	closeOnce sync.Once
	closeErr  error
}

var _ online.Store = (*Store)(nil)

// Open makes the store. It does not connect: Check does.
func Open(cfg Config) (*Store, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	s := &Store{
		name:         strings.Join(cfg.Addrs, ","),
		durability:   cfg.Durability,
		replaced:     cfg.Mode != Single,
		timeout:      cfg.Timeout,
		project:      cfg.Project,
		evictions:    newEvictions(),
		applyScript:  newScript(applySource),
		rowsScript:   newScript(rowsSource),
		createScript: newScript(createSource),
		stateScript:  newScript(stateSource),
		filledScript: newScript(filledSource),
		dropScript:   newScript(dropSource),
	}
	if cfg.Mode == Cluster {
		s.nodes = newCluster(cfg)
	} else {
		s.nodes = newSingle(cfg)
	}
	s.reader = startReader(s, cfg.Timeout, readPipelines)
	return s, nil
}

// options never send again by themselves: send decides what may be sent again.
func options(cfg Config, addr string, pool int) *redis.Options {
	return &redis.Options{
		Addr:                     addr,
		CredentialsProvider:      cfg.Credentials,
		DB:                       cfg.DB,
		TLSConfig:                cfg.TLS,
		MaxRetries:               -1,
		DialTimeout:              cfg.Timeout / dialShare,
		DialerRetries:            dialAttempts,
		ReadTimeout:              cfg.Timeout,
		WriteTimeout:             cfg.Timeout,
		PoolTimeout:              cfg.Timeout,
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
		if err := s.nodes.close(); err != nil {
			s.closeErr = s.unavailable("closing", err)
		}
	})
	return s.closeErr
}

// unavailable is the error of a call that Redis did not answer, or refused.
func (s *Store) unavailable(doing string, err error) error {
	return featurestore.Unavailablef("redis %s: %s: %w", s.name, doing, err)
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
