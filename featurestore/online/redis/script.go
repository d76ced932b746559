package redis

import (
	"context"
	"crypto/sha1" // it is how Redis names a script
	_ "embed"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed apply.lua
	applySource string
	//go:embed rows.lua
	rowsSource string
	//go:embed create.lua
	createSource string
	//go:embed state.lua
	stateSource string
	//go:embed filled.lua
	filledSource string
	//go:embed drop.lua
	dropSource string
)

// script is a Lua script and the name under which Redis keeps it.
type script struct{ source, sha string }

func newScript(source string) script {
	sum := sha1.Sum([]byte(source))
	return script{source: source, sha: hex.EncodeToString(sum[:])}
}

// call is one run of a script.
type call struct {
	keys []string
	args []any
}

// command is the same as it is sent: verb, script, number of keys, keys, arguments.
type command []any

func (c call) command() command {
	args := make(command, 0, 3+len(c.keys)+len(c.args))
	args = append(args, nil, nil, len(c.keys))
	for _, k := range c.keys {
		args = append(args, k)
	}
	return append(args, c.args...)
}

// key is the first key: of a lane, as all the others are.
func (c command) key() string {
	if p, ok := c[3].(*piece); ok {
		return string(*p)
	}
	return c[3].(string)
}

// run runs a script once for each call, in order, in one round trip.
func (s *Store) run(ctx context.Context, sc script, calls []call) []*redis.Cmd {
	var r runs
	for _, c := range calls {
		r.calls = append(r.calls, c.command())
	}
	return s.runAll(ctx, sc, &r)
}

// runs are runs of a script, and what is needed to send them: that is memory which may be
// used again once all answers are read.
type runs struct {
	calls []command
	cmds  []redis.Cmd
	sent  []routed
	given []*redis.Cmd
}

// reset gives up what was sent.
func (r *runs) reset() {
	clear(r.calls)
	clear(r.cmds)
	clear(r.sent)
	clear(r.given)
	r.calls, r.cmds, r.sent, r.given = r.calls[:0], r.cmds[:0], r.sent[:0], r.given[:0]
}

// runAll runs a script once for each command, in order, in one round trip. A server
// that has lost its scripts (a restart, a failover, SCRIPT FLUSH) gets the source
// for the calls that it refused: it has run none of those. Nothing else is ever
// sent twice.
func (s *Store) runAll(ctx context.Context, sc script, r *runs) []*redis.Cmd {
	r.cmds = slices.Grow(r.cmds, len(r.calls)) // pointers into it stay valid
	var sha any = sc.sha
	for i, c := range r.calls {
		c[0], c[1] = "evalsha", sha
		r.cmds = append(r.cmds, *redis.NewCmd(ctx, c...))
		r.given = append(r.given, &r.cmds[i])
		r.sent = append(r.sent, routed{cmd: &r.cmds[i], run: c})
	}
	s.send(ctx, r.sent, true)
	var again []routed
	for i, c := range r.given {
		if err := c.Err(); err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") {
			call := r.calls[i]
			call[0], call[1] = "eval", sc.source
			r.given[i] = redis.NewCmd(ctx, call...)
			again = append(again, routed{cmd: r.given[i], run: call})
		}
	}
	s.send(ctx, again, true)
	return r.given
}
