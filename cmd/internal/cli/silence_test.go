package cli

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
)

// statusSoon is how long `status` may take, whatever hangs: two seconds, and some for a busy
// machine. Without a bound it is five at least.
const statusSoon = 4 * time.Second

// TestStatusInSilence: a Redis that accepts connections and says nothing holds `status`
// up for two seconds at most, with a server and an ingester that are apart, and without
// any process. It shows what is known, and names the store.
func TestStatusInSilence(t *testing.T) {
	redis, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := redis.Stop(); err != nil {
			t.Error(err)
		}
	})
	dir, listen, admin := t.TempDir(), nobody(t), nobody(t)
	text := fmt.Sprintf("project: shop\nserve: {listen: %q}\nadmin: {listen: %q}\nonline: {redis: {addrs: [%q]}}\n", listen, admin, redis.Addr())
	definitions := dlqDefinitions
	for i := range 5 {
		definitions += fmt.Sprintf("---\nkind: StreamView\nname: more_%d\nentity: user\nsource: clicks\nfeatures: [{name: n, agg: count, window: 1h}]\n", i)
	}
	for name, data := range map[string]string{"freshet.yaml": text, "d.yaml": definitions} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, text, err := run(t, dir, "apply", "--yes"); err != nil {
		t.Fatal(text, err)
	}
	n, stop := ingester(t, dir)
	sendClicks(t, n, "ann", "bob", "ann")
	server := besides(t, n, listen)
	inState(t, n, "RUNNING", 3)
	silent := func(what string) (s node.Status, err error) {
		t.Helper()
		if err := redis.Pause(); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		out, _, err := run(t, dir, "status", "-o", "json")
		if took := time.Since(begin); took > statusSoon {
			t.Errorf("%s: it took %s", what, took)
		}
		if wrong := json.Unmarshal([]byte(out), &s); wrong != nil {
			t.Fatalf("%s: %s (%v, %v)", what, out, wrong, err)
		}
		if !strings.Contains(s.Store, redis.Addr()) || len(s.Views) != 6 || len(s.Generations) != 6 || s.Revision != 1 {
			t.Errorf("%s: %+v", what, s)
		}
		if err := redis.Resume(); err != nil {
			t.Fatal(err)
		}
		return s, err
	}
	if s, err := silent("server and ingester"); err != nil || len(s.Partitions) != 1 {
		t.Errorf("%+v, %v", s.Partitions, err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if s, err := silent("an ingester"); err == nil || len(s.Partitions) != 1 || s.Views[0].State == "UNKNOWN" {
		t.Errorf("%+v, %v", s, err)
	}
	stop()
	s, err := silent("no process")
	if err == nil || !strings.Contains(err.Error(), redis.Addr()) {
		t.Errorf("%v, want an error that names the store", err)
	}
	if v := s.Views[0]; v.State != "UNKNOWN" || v.Generation != 1 || v.Next != "freshet doctor" || v.Reason != "not known: the online store does not answer, see store" {
		t.Errorf("%+v", v)
	}
}

// besides is a server on the parts of an ingester, which alone has the operators' address.
func besides(t *testing.T, n *node.Node, listen string) *node.Node {
	t.Helper()
	parts, conf := *n.Parts, *n.Parts.Settings
	conf.Admin = settings.Admin{}
	parts.Settings, parts.Logger = &conf, slog.New(slog.DiscardHandler)
	server, err := node.Start(t.Context(), &parts, node.Options{Role: node.Serve, Listen: listen, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// TestStatusOfProcessesThatHang: a server and an ingester that take connections and say
// nothing hold `status` up no longer: what the stores say is shown. Where the store hangs
// too, it is named.
func TestStatusOfProcessesThatHang(t *testing.T) {
	redis, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := redis.Stop(); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	text := fmt.Sprintf("project: shop\nserve: {listen: %q}\nadmin: {listen: %q}\nonline: {redis: {addrs: [%q]}}\n", mutePort(t), mutePort(t), redis.Addr())
	for name, data := range map[string]string{"freshet.yaml": text, "d.yaml": dlqDefinitions} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, text, err := run(t, dir, "apply", "--yes"); err != nil {
		t.Fatal(text, err)
	}
	status := func() (s node.Status, err error) {
		t.Helper()
		begin := time.Now()
		out, _, err := run(t, dir, "status", "-o", "json")
		if took := time.Since(begin); took > statusSoon {
			t.Errorf("it took %s", took)
		}
		if wrong := json.Unmarshal([]byte(out), &s); wrong != nil {
			t.Fatalf("%s (%v, %v)", out, wrong, err)
		}
		return s, err
	}
	if s, err := status(); err != nil || len(s.Views) != 1 || !s.Views[0].Known() {
		t.Errorf("%+v, %v", s, err)
	}
	if err := redis.Pause(); err != nil {
		t.Fatal(err)
	}
	if s, err := status(); err == nil || !strings.Contains(s.Store, redis.Addr()) {
		t.Errorf("the store hangs too: %+v, %v", s, err)
	}
	if err := redis.Resume(); err != nil {
		t.Fatal(err)
	}
}
