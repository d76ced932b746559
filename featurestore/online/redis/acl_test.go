package redis_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	client "github.com/redis/go-redis/v9"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/onlinetest"
	"github.com/freshet/freshet/featurestore/online/redis"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
)

// userServer runs a server with the users of deploy/redis-users.acl.
func userServer(t *testing.T) *redistest.Server {
	t.Helper()
	lines, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", "redis-users.acl"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("REPLACE_READER_PASSWORD", "look", "REPLACE_INGESTER_PASSWORD", "write").Replace(string(lines))
	text += "\nuser root on >root ~* &* +@all\n" // who administers it
	file := filepath.Join(t.TempDir(), "users.acl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return server(t, "--aclfile", file)
}

func as(srv *redistest.Server, user, password string) redis.Config {
	return redis.Config{Project: "p", Addrs: []string{srv.Addr()}, Credentials: func() (string, string) { return user, password }}
}

// TestUsers: what deploy/ gives each side is enough for it, and the reader can
// do nothing else.
func TestUsers(t *testing.T) {
	srv := userServer(t)
	ingester, reader := open(t, as(srv, "freshet_ingester", "write")), open(t, as(srv, "freshet_reader", "look"))
	for _, s := range []*redis.Store{ingester, reader} {
		if err := s.Check(t.Context()); err != nil {
			t.Errorf("it cannot check the server: %v", err)
		}
	}
	if err := ingester.NoteEvicted(t.Context()); err != nil {
		t.Errorf("it cannot keep what was evicted: %v", err)
	}
	create(t, ingester)
	b := step(-1, 0)
	b.Writes[0].Closed, b.TTL = []byte("closed"), 1e12
	apply(t, ingester, b, online.OutcomeOK)
	parts, err := reader.Get(t.Context(), []online.EntityID{{LaneID: lane(0), Key: []byte("a"), Split: true}})
	if err != nil || parts[0].Open == nil || parts[0].Closed == nil || offset(t, reader) != 0 {
		t.Errorf("the reader reads %v (%v)", parts, err)
	}
	apply(t, reader, step(0, 0), online.OutcomeRefused)
	if err := reader.SetState(t.Context(), generation, online.StateLost); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("the reader sets a state: %v", err)
	}
	plain := client.NewClient(&client.Options{Addr: srv.Addr(), Username: "freshet_reader", Password: "look", MaxRetries: -1})
	t.Cleanup(func() { _ = plain.Close() })
	for _, args := range [][]any{
		{"EVAL", "return 1", 0}, {"EVALSHA", "x", 0}, {"SCRIPT", "FLUSH"}, {"FUNCTION", "LIST"}, {"CONFIG", "GET", "*"}, {"FLUSHALL"}, {"FLUSHDB"},
		{"KEYS", "*"}, {"SCAN", 0}, {"SET", "{p.v.1.0}:e:a", "x"}, {"DEL", "{p.v.1.0}:e:a"}, {"HSET", "{p.v.1.0}:m", "state", "LIVE"},
		{"EXPIRE", "{p.v.1.0}:e:a", 1}, {"MGET", "other"}, {"SHUTDOWN"}, {"ACL", "LIST"}, {"REPLICAOF", "NO", "ONE"}, {"MONITOR"},
		{"CLUSTER", "RESET"}, {"MIGRATE", "h", 1, "", 0, 1}, {"SUBSCRIBE", "x"},
	} {
		if err := plain.Do(t.Context(), args...).Err(); err == nil || !strings.Contains(err.Error(), "NOPERM") {
			t.Errorf("the reader may do %v: %v", args, err)
		}
	}
	if err := srv.Do(t.Context(), "PING"); err == nil {
		t.Error("the server lets in who has no name")
	}
	n, err := ingester.PutRows(t.Context(), generation, 2, []online.Row{{Key: []byte("r"), Blob: onlinetest.RowBlob("1", nil)}}, 0)
	if n != 1 || err != nil {
		t.Errorf("rows: %d, %v", n, err)
	}
	if err := ingester.Drop(t.Context(), generation, 2); err != nil {
		t.Errorf("drop: %v", err)
	}
}

// TestRights: what a user may do is seen without doing it.
func TestRights(t *testing.T) {
	srv := userServer(t)
	before := keys(t, srv)
	for user, want := range map[string]redis.Rights{
		"freshet_ingester": {Scripts: true, Writes: []string{"persist", "set", "unlink"}},
		"freshet_reader":   {},
	} {
		password := map[string]string{"freshet_ingester": "write", "freshet_reader": "look"}[user]
		r, err := open(t, as(srv, user, password)).Rights(t.Context(), "p")
		if err != nil || r.Scripts != want.Scripts || len(r.Missing) > 0 || !slices.Equal(r.Writes, want.Writes) || r.Reads() != (user == "freshet_reader") {
			t.Errorf("%s: %+v, %v", user, r, err)
		}
	}
	poor := client.NewClient(&client.Options{Addr: srv.Addr(), Username: "root", Password: "root"})
	t.Cleanup(func() { _ = poor.Close() })
	ok := func(args ...any) {
		t.Helper()
		if err := poor.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	ok("ACL", "SETUSER", "freshet_ingester", "-hincrby", "-unlink")
	r, err := open(t, as(srv, "freshet_ingester", "write")).Rights(t.Context(), "p")
	if err != nil || !r.Scripts || !slices.Equal(r.Missing, []string{"hincrby", "unlink"}) || r.Reads() {
		t.Errorf("an old ACL: %+v, %v", r, err)
	}
	ok("ACL", "SETUSER", "freshet_ingester", "resetkeys", "~other:*")
	if r, err = open(t, as(srv, "freshet_ingester", "write")).Rights(t.Context(), "p"); err != nil || !slices.Contains(r.Missing, "hset") || slices.Contains(r.Missing, "time") {
		t.Errorf("other keys: %+v, %v", r, err)
	}
	if _, err := open(t, as(srv, "freshet_ingester", "guess")).Rights(t.Context(), "p"); !errors.Is(err, featurestore.ErrUnavailable) || !strings.Contains(err.Error(), "WRONGPASS") {
		t.Errorf("a wrong password: %v", err)
	}
	if n := keys(t, srv); n != before {
		t.Errorf("%d keys, %d before: asking has written", n, before)
	}
}

// keys counts what the server holds.
func keys(t *testing.T, srv *redistest.Server) int64 {
	t.Helper()
	c := client.NewClient(&client.Options{Addr: srv.Addr(), Username: "root", Password: "root"})
	t.Cleanup(func() { _ = c.Close() })
	n, err := c.DBSize(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRightsNameWhatScriptsRun: a command that a script runs is one that is asked for.
func TestRightsNameWhatScriptsRun(t *testing.T) {
	asked, err := os.ReadFile("rights.lua")
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob("*.lua")
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range scripts {
		source, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`call\('([A-Z]+)'`).FindAllStringSubmatch(string(source), -1) {
			if !strings.Contains(string(asked), "{'"+m[1]+"'") {
				t.Errorf("%s runs %s, which rights.lua does not ask for", script, m[1])
			}
		}
	}
}
