package node_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
	"github.com/freshet/freshet/ingest/logrecord"
)

// mute is a log that does not answer while it is on.
type mute struct {
	logrecord.Log
	on atomic.Bool
}

func (l *mute) Bounds(ctx context.Context, topic string, partition int32) (logrecord.Bounds, error) {
	if l.on.Load() {
		<-ctx.Done()
		return logrecord.Bounds{}, ctx.Err()
	}
	return l.Log.Bounds(ctx, topic, partition)
}

// statusSoon is how long a status may take, whatever hangs: two seconds, and some for a busy
// machine. Without a bound it is five at least.
const statusSoon = 4 * time.Second

// TestSilence: where the online store accepts connections and does not answer, and
// where the log does not either, the status of a server and of an ingester comes all the
// same, soon for any number of views, says what is known, and names the store.
func TestSilence(t *testing.T) {
	redis, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, redis.Stop)
	text := salesDefinitions
	for i := range 6 {
		text += fmt.Sprintf("---\nkind: StreamView\nname: more_%d\nentity: user\nsource: sales\nfeatures: [{name: n, agg: count, window: 1h}]\n", i)
	}
	n, _ := openNode(t, []definition.File{{Path: "d.yaml", Data: []byte(text)}},
		fmt.Sprintf("project: shop\nadmin: {listen: \"127.0.0.1:0\"}\nonline: {redis: {addrs: [%q]}}\n", redis.Addr()))
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	n.Parts.Clock.Run()
	log := &mute{Log: n.Parts.Log}
	n.Parts.Log = log
	ingester, server := open(t, n.Parts, node.Ingest), open(t, n.Parts, node.Serve)
	status := func(of *node.Node) (s node.Status, took time.Duration) {
		t.Helper()
		begin := time.Now()
		code, text := ask(t, of.Admin.Addr(), "/v1/status")
		if took = time.Since(begin); json.Unmarshal([]byte(text), &s) != nil || code != 200 {
			t.Fatalf("%d %s", code, text)
		}
		return s, took
	}
	for _, of := range []*node.Node{server, ingester} { // each has a picture of its own
		eventually(t, "RUNNING", func() bool {
			s, _ := status(of)
			running := 0
			for _, v := range s.Views {
				if v.State == "RUNNING" {
					running++
				}
			}
			return running == 7
		})
	}
	if err := redis.Pause(); err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, redis.Resume) // else the ingester's end waits for it
	for _, quiet := range []bool{false, true} {
		log.on.Store(quiet)
		for name, of := range map[string]*node.Node{"server": server, "ingester": ingester} {
			for _, after := range []time.Duration{0, time.Minute} { // then every view is late
				n.Parts.Clock.Move(n.Parts.Clock.Now() + featurestore.Instant(after.Microseconds()))
				s, took := status(of)
				if took > statusSoon {
					t.Errorf("%s, the log silent too: %t: it took %s", name, quiet, took)
				}
				for _, v := range s.Views {
					unknown := v.State == "UNKNOWN" && !v.Answers && v.Next == "freshet doctor" && strings.HasPrefix(v.Reason, "not known: the online store does not answer, see store; as it said last, partition ")
					if troubled := strings.Contains(v.Reason, redis.Addr()); after > 0 && !unknown && !troubled || strings.Contains(v.Reason, "no ingester") {
						t.Errorf("%s, the log silent too: %t: %+v", name, quiet, v)
					}
				}
				if quiet && after > 0 && !strings.Contains(s.Log, "does not answer") {
					t.Errorf("%s: the log is %q", name, s.Log)
				}
				if s.Registry != "" || len(s.Views) != 7 || len(s.Generations) != 7 || !strings.Contains(s.Store, redis.Addr()) {
					t.Errorf("%s, the log silent too: %t: registry %q, store %q, %d views, %d generations", name, quiet, s.Registry, s.Store, len(s.Views), len(s.Generations))
				}
			}
		}
	}
}

// open starts a node on open parts.
func open(t *testing.T, p *node.Parts, role node.Role) *node.Node {
	t.Helper()
	n, err := node.Start(t.Context(), p, node.Options{Role: role, Listen: "127.0.0.1:0", Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, n.Stop)
	return n
}
