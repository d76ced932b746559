package redistest_test

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/freshet/freshet/featurestore/online/redis/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServer(t *testing.T) {
	srv, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	addr := srv.Addr()
	if !strings.HasPrefix(addr, "127.0.0.1:") || strings.HasSuffix(addr, ":6379") {
		t.Errorf("it runs on %s", addr)
	}
	ok(srv.Do(t.Context(), "SET", "a", "1"))
	if err := srv.Restart(t.Context()); err == nil {
		t.Error("a running server was started again")
	}
	ok(srv.Kill())
	ok(srv.Kill())
	if err := srv.Pause(); err == nil {
		t.Error("a server that does not run was paused")
	}
	ok(srv.Restart(t.Context()))
	ok(srv.Do(t.Context(), "RENAMENX", "a", "b")) // fails where a is gone
	ok(srv.Flush(t.Context()))
	if err := srv.Do(t.Context(), "RENAME", "b", "c"); err == nil {
		t.Error("a flush left a key")
	}
	ok(srv.Stop())
	ok(srv.Restart(t.Context()))
	if srv.Addr() != addr {
		t.Errorf("it moved from %s to %s", addr, srv.Addr())
	}
	ok(srv.Stop())
}

func TestStartSaysWhy(t *testing.T) {
	if _, err := redistest.Start(t.Context(), redistest.Options{}); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("no folder: %v", err)
	}
	_, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir(), Args: []string{"--maxmemory", "lots"}})
	if err == nil || !strings.Contains(err.Error(), "maxmemory") {
		t.Errorf("a wrong setting: %v", err)
	}
}
