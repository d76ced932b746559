package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	masters      = 3
	clusterNodes = 2 * masters
	clusterSlots = 16384
)

// Cluster is a Redis Cluster of six processes: three masters, then a replica of
// each. Its methods are not safe for concurrent use.
type Cluster struct {
	Servers []*Server
	ids     []string // of the servers in the cluster
	bus     []int    // their ports among each other
}

// StartCluster starts a cluster in folders below dir and returns once every node
// knows every slot and every replica has its master's keys.
func StartCluster(ctx context.Context, dir string) (*Cluster, error) {
	return StartClusterTLS(ctx, dir, nil)
}

// StartClusterTLS is StartCluster with TLS, to clients and among the nodes.
func StartClusterTLS(ctx context.Context, dir string, secure *TLS) (*Cluster, error) {
	c := &Cluster{}
	if err := c.start(ctx, dir, secure); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context, dir string, secure *TLS) error {
	for i := range clusterNodes {
		home := filepath.Join(dir, strconv.Itoa(i))
		if err := os.MkdirAll(home, 0o700); err != nil {
			return err
		}
		bus, err := freePort(ctx)
		if err != nil {
			return err
		}
		s, err := Start(ctx, Options{Dir: home, TLS: secure, Args: []string{
			"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus), "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0",
		}})
		if err != nil {
			return err
		}
		c.Servers, c.bus = append(c.Servers, s), append(c.bus, bus)
		id, err := s.Ask(ctx, "CLUSTER", "MYID")
		if err != nil {
			return err
		}
		c.ids = append(c.ids, fmt.Sprint(id))
	}
	if err := c.meet(ctx); err != nil {
		return err
	}
	return c.replicate(ctx)
}

// meet gives each master its slots and introduces the nodes to each other.
func (c *Cluster) meet(ctx context.Context) error {
	for i := range masters {
		from, to := clusterSlots*i/masters, clusterSlots*(i+1)/masters-1
		if err := c.Servers[i].Do(ctx, "CLUSTER", "ADDSLOTSRANGE", from, to); err != nil {
			return err
		}
		if err := c.Servers[i].Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1); err != nil {
			return err
		}
	}
	for i := 1; i < clusterNodes; i++ {
		if err := c.Servers[0].Do(ctx, "CLUSTER", "MEET", "127.0.0.1", c.Servers[i].port, c.bus[i]); err != nil {
			return err
		}
	}
	for _, s := range c.Servers {
		if err := s.says(ctx, fmt.Sprintf("cluster_known_nodes:%d", clusterNodes), "CLUSTER", "INFO"); err != nil {
			return err
		}
		if err := s.says(ctx, "cluster_state:ok", "CLUSTER", "INFO"); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) replicate(ctx context.Context) error {
	for i := masters; i < clusterNodes; i++ {
		if err := c.Servers[i].says(ctx, "OK", "CLUSTER", "REPLICATE", c.ids[i-masters]); err != nil {
			return err
		}
	}
	for i := masters; i < clusterNodes; i++ {
		if err := c.Servers[i].says(ctx, "master_link_status:up", "INFO", "replication"); err != nil {
			return err
		}
	}
	return nil
}

// Addrs are the addresses of all nodes.
func (c *Cluster) Addrs() []string {
	out := make([]string, len(c.Servers))
	for i, s := range c.Servers {
		out[i] = s.Addr()
	}
	return out
}

// Masters are the nodes that had the slots at first.
func (c *Cluster) Masters() []*Server { return c.Servers[:masters] }

// Slot is the slot of a key.
func (c *Cluster) Slot(ctx context.Context, key string) (int, error) {
	slot, err := c.Servers[0].Ask(ctx, "CLUSTER", "KEYSLOT", key)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(fmt.Sprint(slot))
}

// MoveSlot moves a slot with its keys from one master to another, as redis-cli
// does, in steps; between is called after the first of them, which is small, while
// some keys are here and some there.
func (c *Cluster) MoveSlot(ctx context.Context, slot, from, to int, between func() error) error {
	source, target := c.Servers[from], c.Servers[to]
	if err := target.Do(ctx, "CLUSTER", "SETSLOT", slot, "IMPORTING", c.ids[from]); err != nil {
		return err
	}
	if err := source.Do(ctx, "CLUSTER", "SETSLOT", slot, "MIGRATING", c.ids[to]); err != nil {
		return err
	}
	for first := true; ; first = false {
		n := 500
		if first {
			n = 2
		}
		answer, err := source.Ask(ctx, "CLUSTER", "GETKEYSINSLOT", slot, n)
		if err != nil {
			return err
		}
		keys, _ := answer.([]any)
		if len(keys) == 0 {
			break
		}
		host, port, err := net.SplitHostPort(target.Addr())
		if err != nil {
			return err
		}
		if err := source.Do(ctx, append([]any{"MIGRATE", host, port, "", 0, 5000, "KEYS"}, keys...)...); err != nil && !strings.Contains(err.Error(), "NOKEY") {
			return err
		}
		if first && between != nil {
			if err := between(); err != nil {
				return err
			}
		}
	}
	for _, i := range []int{to, from, 0, 1, 2} {
		if err := c.Servers[i].Do(ctx, "CLUSTER", "SETSLOT", slot, "NODE", c.ids[to]); err != nil {
			return err
		}
	}
	return nil
}

// Stop ends all nodes.
func (c *Cluster) Stop() error {
	var errs []error
	for _, s := range c.Servers {
		errs = append(errs, s.Kill())
	}
	return errors.Join(errs...)
}
