package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MasterName is what the sentinel calls its master.
const MasterName = "freshet"

// fast makes replicas begin at once.
var fast = []string{"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"}

// Group is a master, its replica, and a sentinel that promotes the replica. Its
// methods are not safe for concurrent use.
type Group struct {
	Master, Replica *Server // who is what changes with each failover
	sentinel        *Server
}

// StartSentinel starts a group in folders below dir and returns once the replica
// has the master's keys and the sentinel knows it.
func StartSentinel(ctx context.Context, dir string) (*Group, error) {
	return StartSentinelTLS(ctx, dir, nil)
}

// StartSentinelTLS is StartSentinel with TLS, to clients, and among the three.
func StartSentinelTLS(ctx context.Context, dir string, secure *TLS) (*Group, error) {
	g := &Group{}
	if err := g.start(ctx, dir, secure); err != nil {
		return nil, errors.Join(err, g.Stop())
	}
	return g, nil
}

func (g *Group) start(ctx context.Context, dir string, secure *TLS) (err error) {
	home := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"a", "b", "sentinel"} {
		if err := os.MkdirAll(home(name), 0o700); err != nil {
			return err
		}
	}
	if g.Master, err = Start(ctx, Options{Dir: home("a"), TLS: secure, Args: fast}); err != nil {
		return err
	}
	if g.Replica, err = Start(ctx, Options{Dir: home("b"), TLS: secure, Args: append(slices.Clone(fast), "--replicaof", strings.Replace(g.Master.Addr(), ":", " ", 1))}); err != nil {
		return err
	}
	if err := g.Replica.says(ctx, "master_link_status:up", "INFO", "replication"); err != nil {
		return err
	}
	return g.startSentinel(ctx, home("sentinel"))
}

func (g *Group) startSentinel(ctx context.Context, home string) error {
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	conf := filepath.Join(home, "sentinel.conf")
	text := fmt.Sprintf("%sbind 127.0.0.1\ndir %s\nsentinel monitor %[3]s %[4]s 1\nsentinel down-after-milliseconds %[3]s 1500\nsentinel failover-timeout %[3]s 5000\n",
		g.Master.opts.TLS.lines(strconv.Itoa(port)), home, MasterName, strings.Replace(g.Master.Addr(), ":", " ", 1))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return err
	}
	p, err := startProcess(g.Master.program, []string{conf, "--sentinel"})
	if err != nil {
		return err
	}
	g.sentinel = &Server{program: g.Master.program, opts: Options{Dir: home, TLS: g.Master.opts.TLS}, port: port, process: p}
	select {
	case <-p.ready:
	case <-p.ended:
		return fmt.Errorf("the sentinel ended at once: %s", p.lastLines())
	case <-ctx.Done():
		return fmt.Errorf("the sentinel did not start: %w: %s", ctx.Err(), p.lastLines())
	}
	return g.sentinel.says(ctx, fmt.Sprint(g.Replica.port), "SENTINEL", "REPLICAS", MasterName)
}

// Addr is the sentinel's address.
func (g *Group) Addr() string { return g.sentinel.Addr() }

// Failover ends the master by SIGKILL, waits until the sentinel has promoted the
// replica, and starts the old master again, which becomes the new one's replica.
func (g *Group) Failover(ctx context.Context) error {
	if g.Master.process != nil { // else it is up to who ended it
		if err := g.promotable(ctx); err != nil {
			return err
		}
	}
	if err := g.Master.Kill(); err != nil {
		return err
	}
	if err := g.Promoted(ctx); err != nil {
		return err
	}
	g.Replica.opts.Args = append(slices.Clone(fast), "--replicaof", strings.Replace(g.Master.Addr(), ":", " ", 1))
	if err := g.Replica.Restart(ctx); err != nil {
		return err
	}
	return g.follow(ctx)
}

// promotable waits until the sentinel holds the replica for one that can be promoted:
// of one that it had just lost sight of, as on a busy machine, it makes no master.
func (g *Group) promotable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, word := range []string{"flags:slave ", "master-link-status:ok "} {
		if err := g.sentinel.says(ctx, word, "SENTINEL", "REPLICAS", MasterName); err != nil {
			return fmt.Errorf("%w: the sentinel said last: %s", err, g.sentinel.process.lastLines())
		}
	}
	return nil
}

// adopt takes over from the sentinel who is the master: on a busy machine it takes one
// that is slow for gone at any time, and promotes the other. Against its will both would
// come to follow each other, until it sees that half a minute later.
func (g *Group) adopt(ctx context.Context) error {
	master, err := g.sentinel.Ask(ctx, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", MasterName)
	if err == nil && strings.Contains(fmt.Sprint(master), fmt.Sprint(g.Replica.port)) {
		g.Master, g.Replica = g.Replica, g.Master
	}
	return err
}

// follow makes the replica follow the master: the sentinel may still believe the
// contrary for a while, and turn it around.
func (g *Group) follow(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		if err := g.adopt(ctx); err != nil {
			return err
		}
		short, end := context.WithTimeout(ctx, 2*time.Second)
		err := g.Replica.says(short, "master_link_status:up", "INFO", "replication")
		end()
		if err == nil || ctx.Err() != nil {
			return err
		}
		host, port, err := net.SplitHostPort(g.Master.Addr())
		if err == nil {
			err = g.Replica.Do(ctx, "REPLICAOF", host, port)
		}
		if err != nil {
			return err
		}
	}
}

// InSync waits until the replica has all that the master has now.
func (g *Group) InSync(ctx context.Context) error {
	var master *Server
	want := int64(0)
	for ctx.Err() == nil {
		err := g.adopt(ctx)
		if err == nil && master != g.Master {
			master = g.Master
			want, err = replicated(ctx, master, "master_repl_offset")
		}
		if err != nil {
			return err
		}
		have, err := replicated(ctx, g.Replica, "slave_repl_offset")
		if err == nil && have >= want {
			return nil
		}
		if err != nil { // it is no replica at this moment
			if err := g.follow(ctx); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// Away is for how long the replica has been without its master, in whole seconds. The
// sentinel never promotes one that was without it for more than ten times its
// down-after-milliseconds when the master ended.
func (g *Group) Away(ctx context.Context) (time.Duration, error) {
	n, err := replicated(ctx, g.Replica, "master_link_down_since_seconds")
	return time.Duration(n) * time.Second, err
}

// replicated is a number of a server's INFO replication.
func replicated(ctx context.Context, s *Server, field string) (int64, error) {
	info, err := s.Ask(ctx, "INFO", "replication")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(fmt.Sprint(info), "\n"+field+":")
	value, _, _ := strings.Cut(rest, "\r")
	return strconv.ParseInt(value, 10, 64)
}

// Promoted waits until the sentinel has promoted the replica.
func (g *Group) Promoted(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := g.sentinel.says(ctx, fmt.Sprint(g.Replica.port), "SENTINEL", "GET-MASTER-ADDR-BY-NAME", MasterName); err != nil {
		return fmt.Errorf("%w: the sentinel said last: %s", err, g.sentinel.process.lastLines())
	}
	if err := g.Replica.says(ctx, "role:master", "INFO", "replication"); err != nil {
		return err
	}
	g.Master, g.Replica = g.Replica, g.Master
	return nil
}

// Stop ends all three.
func (g *Group) Stop() error {
	var errs []error
	for _, s := range []*Server{g.sentinel, g.Replica, g.Master} {
		if s != nil {
			errs = append(errs, s.Kill())
		}
	}
	return errors.Join(errs...)
}
