package redis

import (
	"context"
	"errors"
	"sync"

	"github.com/redis/go-redis/v9"
)

// cluster is a Redis Cluster. It finds the master of each lane's slot, and
// follows a server that sends it elsewhere once in a round: a slot that has
// moved is learnt, one that is moving is asked for.
type cluster struct {
	cfg    Config
	client *redis.ClusterClient // knows the slots

	mu     sync.Mutex
	byAddr map[string]*redis.Client // where redirects lead to
}

func newCluster(cfg Config) *cluster {
	o := options(cfg, "", writePipelines+readPipelines)
	return &cluster{cfg: cfg, byAddr: map[string]*redis.Client{}, client: redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: cfg.Addrs, MaxRedirects: -1, MaxRetries: o.MaxRetries,
		CredentialsProvider: o.CredentialsProvider, TLSConfig: o.TLSConfig,
		DialTimeout: o.DialTimeout, DialerRetries: o.DialerRetries, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout, PoolTimeout: o.PoolTimeout,
		ContextTimeoutEnabled: true, PoolSize: o.PoolSize, PipelinePoolSize: -1,
		ReadBufferSize: bufferSize, WriteBufferSize: bufferSize, DisableIdentity: true,
		MaintNotificationsConfig: o.MaintNotificationsConfig,
	})}
}

// trip is one pipeline to one server.
type trip struct {
	client *redis.Client
	asking bool
}

func (c *cluster) round(ctx context.Context, cmds []routed, _ bool) {
	trips := map[trip][]routed{}
	for _, x := range cmds {
		master, err := c.client.MasterForKey(ctx, x.route())
		if err != nil {
			x.cmd.SetErr(err)
			continue
		}
		trips[trip{client: master}] = append(trips[trip{client: master}], x)
	}
	c.travel(ctx, trips)
	c.travel(ctx, c.redirects(ctx, cmds))
}

func (c *cluster) travel(ctx context.Context, trips map[trip][]routed) {
	var wg sync.WaitGroup
	for t, cmds := range trips {
		wg.Go(func() { pipeline(ctx, t.client, cmds, t.asking) })
	}
	wg.Wait()
}

// redirects are the commands that a server has sent elsewhere.
func (c *cluster) redirects(ctx context.Context, cmds []routed) map[trip][]routed {
	trips := map[trip][]routed{}
	moved := false
	for i, x := range cmds {
		err := x.cmd.Err()
		if err == nil {
			continue
		}
		t := trip{}
		if addr, ok := redis.IsMovedError(err); ok {
			moved = true
			t.client = c.at(addr)
		} else if addr, ok := redis.IsAskError(err); ok {
			t.client, t.asking = c.at(addr), true
		} else {
			continue
		}
		trips[t] = append(trips[t], x)
		if x.paired && cmds[i+1].cmd.Err() == nil {
			cmds[i+1].cmd.SetErr(errOlder)
		}
	}
	if moved {
		c.client.ReloadState(ctx)
	}
	return trips
}

// at is the client of a server that a redirect has named.
func (c *cluster) at(addr string) *redis.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byAddr[addr]; !ok {
		c.byAddr[addr] = redis.NewClient(options(c.cfg, addr, writePipelines))
	}
	return c.byAddr[addr]
}

func (c *cluster) masters(ctx context.Context, f func(ctx context.Context, c *redis.Client) error) error {
	return c.client.ForEachMaster(ctx, f)
}

func (c *cluster) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	errs := []error{c.client.Close()}
	for _, node := range c.byAddr {
		errs = append(errs, node.Close())
	}
	return errors.Join(errs...)
}
