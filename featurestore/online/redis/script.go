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

// run runs a script once for each call, in order, in one round trip. A server
// that has lost its scripts (a restart, a failover, SCRIPT FLUSH) gets the source
// for the calls that it refused: it has run none of those. Nothing else is ever
// sent twice.
func (s *Store) run(ctx context.Context, sc script, calls []call) []*redis.Cmd {
	cmds := make([]*redis.Cmd, len(calls))
	sent := make([]routed, len(calls))
	for i, c := range calls {
		cmds[i] = newCmd(ctx, "evalsha", sc.sha, c)
		sent[i] = routed{cmd: cmds[i], key: c.keys[0]}
	}
	s.send(ctx, sent, true)
	var again []routed
	for i, c := range cmds {
		if err := c.Err(); err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") {
			cmds[i] = newCmd(ctx, "eval", sc.source, calls[i])
			again = append(again, routed{cmd: cmds[i], key: calls[i].keys[0]})
		}
	}
	s.send(ctx, again, true)
	return cmds
}

func newCmd(ctx context.Context, name, body string, c call) *redis.Cmd {
	args := make([]any, 0, 3+len(c.keys)+len(c.args))
	args = append(args, name, body, len(c.keys))
	for _, k := range c.keys {
		args = append(args, k)
	}
	return redis.NewCmd(ctx, append(args, c.args...)...)
}
