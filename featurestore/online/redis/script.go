package redis

import (
	"context"
	"crypto/sha1" // it is how Redis names a script
	_ "embed"
	"encoding/hex"
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

// route is the first key: of a lane, as all the others are.
func (c command) route() string {
	if p, ok := c[3].(*piece); ok {
		return string(*p)
	}
	return c[3].(string)
}

// run runs a script once for each call, in order, in one round trip.
func (s *Store) run(ctx context.Context, sc script, calls []call) []*redis.Cmd {
	cmds := make([]command, len(calls))
	for i, c := range calls {
		cmds[i] = c.command()
	}
	return s.runAll(ctx, sc, cmds)
}

// runAll runs a script once for each command, in order, in one round trip. A server
// that has lost its scripts (a restart, a failover, SCRIPT FLUSH) gets the source
// for the calls that it refused: it has run none of those. Nothing else is ever
// sent twice.
func (s *Store) runAll(ctx context.Context, sc script, calls []command) []*redis.Cmd {
	cmds := make([]*redis.Cmd, len(calls))
	sent := make([]routed, len(calls))
	var sha any = sc.sha
	for i, c := range calls {
		c[0], c[1] = "evalsha", sha
		cmds[i] = redis.NewCmd(ctx, c...)
		sent[i] = routed{cmd: cmds[i], key: c.route()}
	}
	s.send(ctx, sent, true)
	var again []routed
	for i, c := range cmds {
		if err := c.Err(); err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") {
			calls[i][0], calls[i][1] = "eval", sc.source
			cmds[i] = redis.NewCmd(ctx, calls[i]...)
			again = append(again, routed{cmd: cmds[i], key: calls[i].route()})
		}
	}
	s.send(ctx, again, true)
	return cmds
}
