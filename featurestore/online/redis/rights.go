package redis

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/freshet/freshet/featurestore/online"
)

//go:embed rights.lua
var rightsSource string

// Rights are what the user of this store may do, at every master. Scripts: it may
// run them, as ingesters do. Missing are the commands that an ingester needs and the
// user may not run; Writes are the writing commands that the user may send by itself.
type Rights struct {
	Scripts bool
	Missing []string
	Writes  []string
}

// Reads reports whether the user can change nothing.
func (r *Rights) Reads() bool { return !r.Scripts && len(r.Writes) == 0 }

// Lacking says what an ingester's user may not do that an ingester needs, and the
// command that lets it; "" where nothing is.
func (r *Rights) Lacking(user string) (what, next string) {
	switch {
	case r.Reads():
		return "may read and not write", "use the ingester's user"
	case !r.Scripts:
		return "may run no script", fmt.Sprintf("ACL SETUSER %s +eval +evalsha", user)
	case len(r.Missing) > 0:
		return "may not run " + strings.Join(r.Missing, ", ") + " on this project's keys", fmt.Sprintf("ACL SETUSER %s ~{* +%s", user, strings.Join(r.Missing, " +"))
	}
	return "", ""
}

// Rights asks each master without changing anything: a script asks the server's own
// rules, and commands that write are sent for a key that never is, where they do nothing.
func (s *Store) Rights(ctx context.Context, project string) (*Rights, error) {
	key := string(online.LaneID{Generation: online.Generation{Project: project}}.AppendMetaKey(nil)) // no view has no name
	var mu sync.Mutex
	out := &Rights{Scripts: true}
	err := s.nodes.masters(ctx, func(ctx context.Context, c *redis.Client) error {
		missing, err := c.Eval(ctx, rightsSource, nil, key).StringSlice()
		scripts := !forbidden(err)
		if err != nil && scripts {
			return err
		}
		var writes []string
		for _, probe := range [][]any{{"unlink", key}, {"persist", key}, {"set", key, "", "xx"}} {
			if !forbidden(c.Do(ctx, probe...).Err()) { // MOVED, or nothing done: it was let through
				writes = append(writes, probe[0].(string))
			}
		}
		mu.Lock()
		defer mu.Unlock()
		out.Scripts = out.Scripts && scripts
		out.Missing, out.Writes = append(out.Missing, missing...), append(out.Writes, writes...)
		return nil
	})
	if err != nil {
		return nil, s.unavailable("asking for rights", err)
	}
	out.Missing, out.Writes = sorted(out.Missing), sorted(out.Writes)
	return out, nil
}

func sorted(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// forbidden reports whether the server's rules have kept a command from running.
func forbidden(err error) bool { return err != nil && strings.HasPrefix(err.Error(), "NOPERM") }
