package redis_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/redis"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
)

// An append-only file that was cut within a batch gives that batch back when Redis
// starts for the second time, among those that came since: the watermark of one
// partition over an entity without its records. Such a lane is LOST.
func TestABatchThatWasCutOff(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	srv, err := redistest.Start(ctx, redistest.Options{Dir: dir, Args: []string{"--appendonly", "yes", "--appendfsync", "always", "--aof-load-truncated", "yes"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := open(t, redis.Config{Addrs: []string{srv.Addr()}})
	g := online.Generation{Project: "p", View: "v", Number: 1}
	if err := s.Create(ctx, g, online.Meta{Lanes: 1, State: online.StateLive}); err != nil {
		t.Fatal(err)
	}
	apply := func(source string, from, to int64) online.Outcome {
		return s.Apply(ctx, []online.Batch{{
			Lane: online.LaneID{Generation: g}, Partition: online.Partition{Source: source, Generation: 1},
			From: from, To: online.Watermark{Offset: to}, Writes: []online.Write{{Key: []byte(source), Blob: []byte("blob"), Expect: nil}},
		}})[0].Outcome
	}
	restart := func(cut int64) online.State {
		if err := srv.Kill(); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "appendonlydir", "*.incr.aof"))
		if err != nil || len(files) != 1 {
			t.Fatalf("%q, %v", files, err)
		}
		info, err := os.Stat(files[0])
		if err == nil {
			err = os.Truncate(files[0], info.Size()-cut)
		}
		if err == nil {
			err = srv.Restart(ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
		lanes, err := s.Lanes(ctx, g, 1)
		if err != nil {
			t.Fatal(err)
		}
		return lanes[0].Meta.State
	}
	if got := apply("cut", -1, 10); got != online.OutcomeOK {
		t.Fatal(got)
	}
	if got := restart(7); got != online.StateLive {
		t.Fatalf("without the batch that was cut off, the lane is %s", got)
	}
	if got := apply("whole", -1, 5); got != online.OutcomeOK {
		t.Fatal(got)
	}
	if got := restart(0); got != online.StateLost {
		t.Errorf("with the batch that came back, the lane is %s", got)
	}
	if got := apply("whole", 5, 6); got != online.OutcomeDefinition {
		t.Errorf("a batch on such a lane: %s", got)
	}
}
