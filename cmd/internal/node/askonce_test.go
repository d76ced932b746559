package node_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/logrecord"
)

// counting are an online store and a log that count what they are asked.
type counting struct {
	mu     sync.Mutex
	lanes  map[online.Generation]int
	bounds map[int32]int
	peeks  map[int32]int
}

type countingStore struct {
	online.Store
	*counting
}

func (s countingStore) Lanes(ctx context.Context, g online.Generation, lanes uint16) ([]online.Lane, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lanes[g]++
	return s.Store.Lanes(ctx, g, lanes)
}

type countingLog struct {
	logrecord.Log
	*counting
}

func (l countingLog) Bounds(ctx context.Context, topic string, partition int32) (logrecord.Bounds, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bounds[partition]++
	return l.Log.Bounds(ctx, topic, partition)
}

func (l countingLog) Peek(ctx context.Context, topic string, partition int32, offset int64) (*logrecord.Batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.peeks[partition]++
	return l.Log.Peek(ctx, topic, partition, offset)
}

// TestAStatusAsksOnce: of any number of views, all of them late, a status asks the store
// for the lanes of each generation once, and the log for each partition once.
func TestAStatusAsksOnce(t *testing.T) {
	text := salesDefinitions
	for i := range 6 {
		text += fmt.Sprintf("---\nkind: StreamView\nname: more_%d\nentity: user\nsource: sales\nfeatures: [{name: n, agg: count, window: 1h}]\n", i)
	}
	n, _ := openNode(t, []definition.File{{Path: "d.yaml", Data: []byte(text)}}, "project: shop\n")
	sale := logrecord.Record{LogTime: begin * 1000, Value: fmt.Appendf(nil, `{"user": "ann", "amount": 1, "at": %d}`, begin)}
	for partition := range int32(2) {
		waitFor(t, n, "sales", partition, produce(t, n, "sales", partition, sale))
	}
	clock := n.Parts.Clock
	clock.Run()
	eventually(t, "RUNNING", func() bool {
		if err := n.Backend.Watcher.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, v := range n.Backend.Report().Views {
			if v.State != "RUNNING" {
				return false
			}
		}
		return true
	})
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	asked := &counting{lanes: map[online.Generation]int{}, bounds: map[int32]int{}, peeks: map[int32]int{}}
	parts := *n.Parts
	parts.Online, parts.Log = countingStore{parts.Online, asked}, countingLog{parts.Log, asked}
	backend, err := parts.Reading(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	clock.Move(clock.Now() + featurestore.Instant((2 * time.Minute).Microseconds()))
	clear(asked.lanes) // the picture of the lanes was taken
	out, err := backend.Status(t.Context())
	var s node.Status
	if err != nil || json.Unmarshal(out, &s) != nil || len(s.Views) != 7 || len(s.Generations) != 7 {
		t.Fatalf("%s, %v", out, err)
	}
	for _, v := range s.Views {
		if v.State != "CATCHING_UP" || !strings.Contains(v.Reason, "; nothing waits in the log") {
			t.Errorf("%+v", v)
		}
	}
	if len(asked.lanes) != 7 || len(asked.bounds) == 0 || len(asked.peeks) == 0 {
		t.Errorf("it asked for the lanes of %d generations, and for the ends of %d partitions, %d times for what is not committed", len(asked.lanes), len(asked.bounds), len(asked.peeks))
	}
	for g, n := range asked.lanes {
		if n != 1 {
			t.Errorf("it asked for the lanes of %s %d times", g, n)
		}
	}
	for p, n := range asked.bounds {
		if n != 1 || asked.peeks[p] > 1 {
			t.Errorf("it asked for the end of partition %d %d times, and %d times for what is not committed", p, n, asked.peeks[p])
		}
	}
}
