package node_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
)

// TestAStoreThatHangs: the status of an ingester comes all the same, says that how the
// views are is not known, and names the store.
func TestAStoreThatHangs(t *testing.T) {
	redis, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, redis.Stop)
	n, _ := openNode(t, []definition.File{{Path: "d.yaml", Data: []byte(salesDefinitions)}},
		fmt.Sprintf("project: shop\nadmin: {listen: \"127.0.0.1:0\"}\nonline: {redis: {addrs: [%q]}}\n", redis.Addr()))
	n.Parts.Clock.Run()
	status := func() (s node.Status) {
		t.Helper()
		begin := time.Now()
		code, text := ask(t, n.Admin.Addr(), "/status")
		if took := time.Since(begin); took > 15*time.Second {
			t.Errorf("it took %s", took)
		}
		if err := json.Unmarshal([]byte(text), &s); err != nil || code != 200 {
			t.Fatalf("%d %s (%v)", code, text, err)
		}
		return s
	}
	is := func(state string) func() bool {
		return func() bool { s := status(); return len(s.Views) == 1 && s.Views[0].State == state }
	}
	eventually(t, "RUNNING", is("RUNNING"))
	if err := redis.Pause(); err != nil {
		t.Fatal(err)
	}
	n.Parts.Clock.Move(n.Parts.Clock.Now() + featurestore.Instant(time.Minute.Microseconds()))
	var s node.Status
	eventually(t, "the store is named", func() bool { s = status(); return s.Store != "" })
	if s.Registry != "" || len(s.Views) != 1 || s.Views[0].State != "UNKNOWN" || !strings.Contains(s.Views[0].Reason, "the online store does not answer") || s.Views[0].Next == "" {
		t.Errorf("%+v", s)
	}
	if err := redis.Resume(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "RUNNING again", is("RUNNING"))
	if s := status(); strings.Contains(s.Store, "not known") {
		t.Errorf("it is still told: %s", s.Store)
	}
}
