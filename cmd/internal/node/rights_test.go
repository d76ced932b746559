package node_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
)

// TestIngesterWithoutRights: an ingester does not start with a user of a real
// redis-server that lacks a right, and says which and the command; a server starts.
func TestIngesterWithoutRights(t *testing.T) {
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	server, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir()})
	do(err)
	t.Cleanup(func() { do(server.Stop()) })
	start := func(user string, role node.Role) error {
		root := t.TempDir()
		do(os.WriteFile(filepath.Join(root, "freshet.yaml"), fmt.Appendf(nil, "project: shop\nonline: {redis: {addrs: [%q], username: %s, password: pw}}\nserve: {listen: \"127.0.0.1:0\"}\n", server.Addr(), user), 0o600))
		s, err := settings.Load(root, settings.Source{})
		do(err)
		parts, err := node.Open(t.Context(), s, node.WallClock(), slog.New(slog.DiscardHandler), node.NeedOnline|node.NeedLog)
		do(err)
		defer func() { do(parts.Close()) }()
		n, err := node.Start(t.Context(), parts, node.Options{Role: role, Version: "test"})
		if err == nil {
			do(n.Stop())
		}
		return err
	}
	for user, c := range map[string]struct{ rules, says string }{
		"whole":  {"~{* +@all", ""},
		"nohset": {"~{* +@all -hset", "may not run hset on this project's keys (next: ACL SETUSER nohset ~{* +hset;"},
		"noeval": {"~{* +@all -eval -evalsha", "may run no script (next: ACL SETUSER noeval +eval +evalsha;"},
		"looks":  {"~{* +@read +@connection +info", "may read and not write"},
	} {
		args := []any{"ACL", "SETUSER", user, "on", ">pw", "resetkeys", "-@all"}
		for _, rule := range strings.Fields(c.rules) {
			args = append(args, rule)
		}
		do(server.Do(t.Context(), args...))
		err := start(user, node.Ingest)
		if c.says == "" && err != nil || c.says != "" && (!errors.Is(err, featurestore.ErrInvalid) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("an ingester as %s: %v", user, err)
		}
		if err := start(user, node.Serve); err != nil {
			t.Errorf("a server as %s: %v", user, err)
		}
	}
}
