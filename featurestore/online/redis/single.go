package redis

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// single is one server: always the same, or the master of a Sentinel group,
// whoever that is.
type single struct {
	writer *redis.Client
	reader *redis.Client
}

func newSingle(cfg Config) *single {
	return &single{writer: connect(cfg, writePipelines), reader: connect(cfg, readPipelines)}
}

func connect(cfg Config, pool int) *redis.Client {
	o := options(cfg, cfg.Addrs[0], pool)
	if cfg.Mode != Sentinel {
		return redis.NewClient(o)
	}
	sentinel := &redis.FailoverOptions{
		MasterName: cfg.Master, SentinelAddrs: cfg.Addrs,
		CredentialsProvider: o.CredentialsProvider, DB: o.DB, TLSConfig: o.TLSConfig, MaxRetries: o.MaxRetries,
		DialTimeout: o.DialTimeout, DialerRetries: o.DialerRetries, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout, PoolTimeout: o.PoolTimeout,
		ContextTimeoutEnabled: true, PoolSize: pool, PipelinePoolSize: -1,
		ReadBufferSize: bufferSize, WriteBufferSize: bufferSize, DisableIdentity: true,
	}
	if cfg.SentinelCredentials != nil {
		sentinel.SentinelUsername, sentinel.SentinelPassword = cfg.SentinelCredentials()
	}
	return redis.NewFailoverClient(sentinel)
}

func (s *single) round(ctx context.Context, cmds []routed, write bool) {
	if write {
		pipeline(ctx, s.writer, cmds, false)
	} else {
		pipeline(ctx, s.reader, cmds, false)
	}
}

func (s *single) masters(ctx context.Context, f func(ctx context.Context, c *redis.Client) error) error {
	return f(ctx, s.reader)
}

func (s *single) close() error { return errors.Join(s.reader.Close(), s.writer.Close()) }
