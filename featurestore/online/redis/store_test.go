package redis_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	client "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/onlinetest"
	"github.com/freshet/freshet/featurestore/online/redis"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
)

func TestMain(m *testing.M) {
	logging.Disable() // the lost connections are the test's own
	// go-redis dials a lost server anew once a second, and sees only then that
	// its pool is closed: the goroutine ends by itself.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// server starts a redis-server that the test ends.
func server(t testing.TB, args ...string) *redistest.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	srv, err := redistest.Start(ctx, redistest.Options{Dir: t.TempDir(), Args: args})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Stop(); err != nil {
			t.Error(err)
		}
	})
	return srv
}

func open(t testing.TB, cfg redis.Config) *redis.Store {
	t.Helper()
	s, err := redis.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// admin is a plain client, to look at the server from outside.
func admin(t testing.TB, srv *redistest.Server) *client.Client {
	c := client.NewClient(&client.Options{Addr: srv.Addr()})
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func do(t testing.TB, srv *redistest.Server, args ...any) {
	t.Helper()
	if err := srv.Do(context.Background(), args...); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
}

func TestSuite(t *testing.T) {
	srv := server(t)
	onlinetest.Run(t, func(t *testing.T) online.Store {
		do(t, srv, "FLUSHALL")
		return open(t, redis.Config{Addrs: []string{srv.Addr()}})
	})
}

// TestSuiteInClusterMode runs the suite on a server that refuses any command or
// script whose keys are of more than one slot.
func TestSuiteInClusterMode(t *testing.T) {
	srv := server(t, "--cluster-enabled", "yes")
	do(t, srv, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	c := admin(t, srv)
	for { // until the node has seen its own slots
		if info, err := c.ClusterInfo(t.Context()).Result(); err != nil {
			t.Fatal(err)
		} else if len(info) > 16 && info[:16] == "cluster_state:ok" {
			break
		}
	}
	onlinetest.Run(t, func(t *testing.T) online.Store {
		do(t, srv, "FLUSHALL")
		return open(t, redis.Config{Addrs: []string{srv.Addr()}})
	})
}

// TestKilledServer restarts the server after SIGKILL, on its append-only file.
func TestKilledServer(t *testing.T) {
	onlinetest.RunDurable(t, func(t *testing.T) (online.Store, onlinetest.Restart) {
		// With everysec, a busy disk lets the server answer before it has written.
		srv := server(t, "--appendfsync", "always")
		s := open(t, redis.Config{Addrs: []string{srv.Addr()}})
		return s, func() online.Store {
			if err := srv.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := srv.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			return s // it finds the server again
		}
	})
}

var (
	generation = online.Generation{Project: "p", View: "v", Number: 1}
	meta       = onlinetest.Meta(1, 2)
)

func lane(n uint16) online.LaneID { return online.LaneID{Generation: generation, Lane: n} }

// step moves lane 0 by one offset and replaces entity a.
func step(from int64, payload int) online.Batch {
	w := online.Write{Key: []byte("a"), Blob: onlinetest.Blob(fmt.Sprint(from+1), make([]byte, payload))}
	if from >= 0 {
		w.Expect = onlinetest.Prefix(onlinetest.Blob(fmt.Sprint(from), nil))
	}
	return online.Batch{Lane: lane(0), Definition: meta.Definition, From: from, To: online.Watermark{Offset: from + 1}, Writes: []online.Write{w}}
}

func create(t testing.TB, s *redis.Store) {
	t.Helper()
	if err := s.Create(t.Context(), generation, meta); err != nil {
		t.Fatal(err)
	}
}

func apply(t testing.TB, s *redis.Store, b online.Batch, want online.Outcome) {
	t.Helper()
	if err := applyError(t, s, b, want); (err != nil) != (want == online.OutcomeUnknown || want == online.OutcomeRefused) {
		t.Fatalf("outcome %v with error %v", want, err)
	}
}

func applyError(t testing.TB, s *redis.Store, b online.Batch, want online.Outcome) error {
	t.Helper()
	r := s.Apply(t.Context(), []online.Batch{b})[0]
	if r.Outcome != want {
		t.Fatalf("outcome %v (%v), want %v", r.Outcome, r.Err, want)
	}
	return r.Err
}

func offset(t testing.TB, s *redis.Store) int64 {
	t.Helper()
	lanes, err := s.Lanes(t.Context(), generation, 2)
	if err != nil {
		t.Fatal(err)
	}
	if w, ok := lanes[0].Watermarks[online.Partition{}]; ok {
		return w.Offset
	}
	return -1
}

// A program that does not know the field "last" counts its batches all the same: no
// batch follows across one of them.
func TestFollowedKnowsBatchesWithoutNames(t *testing.T) {
	srv := server(t)
	s, c := open(t, redis.Config{Addrs: []string{srv.Addr()}}), admin(t, srv)
	create(t, s)
	next := func(from int64) bool {
		t.Helper()
		b := step(from, 0)
		b.ID, b.After = uint64(from+2), uint64(from+1)
		r := s.Apply(t.Context(), []online.Batch{b})[0]
		if r.Outcome != online.OutcomeOK {
			t.Fatalf("%v (%v)", r.Outcome, r.Err)
		}
		return r.Followed
	}
	if next(-1) || !next(0) {
		t.Fatal("the second batch follows the first, and the first none")
	}
	for _, field := range []string{"begun", "done"} {
		if err := c.HIncrBy(t.Context(), "{p.v.1.0}:m", field, 1).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if next(1) || !next(2) {
		t.Error("a batch follows one that lies behind another")
	}
	if err := c.HDel(t.Context(), "{p.v.1.0}:m", "begun", "done").Err(); err != nil { // by hand
		t.Fatal(err)
	}
	if next(3) || !next(4) {
		t.Error("a batch follows where nobody knows how many there were")
	}
}

// TestLayout holds the keys and fields that the protocol fixes.
func TestLayout(t *testing.T) {
	srv := server(t)
	s, c := open(t, redis.Config{Addrs: []string{srv.Addr()}}), admin(t, srv)
	create(t, s)
	b := step(-1, 0)
	b.Partition = online.Partition{Source: "departures", Generation: 1, Number: 3}
	b.Writes[0].Key, b.TTL, b.ID = []byte("u1}:{x"), time.Hour, 42
	apply(t, s, b, online.OutcomeOK)
	fields, err := c.HGetAll(t.Context(), "{p.v.1.0}:m").Result()
	if err != nil || len(fields) != 7 || fields["last"] != "1:\x2a\x00\x00\x00\x00\x00\x00\x00" || fields["begun"] != "1" || fields["done"] != "1" || fields["definition"] != string(meta.Definition[:]) || fields["state_version"] != "1" || fields["lanes"] != "2" || fields["state"] != "LIVE" {
		t.Errorf("metadata is %q (%v)", fields, err)
	}
	mark, err := c.HGet(t.Context(), "{p.v.1.0}:w", "departures|1|3").Bytes()
	if err != nil || string(mark) != string(online.AppendWatermark(nil, b.To)) {
		t.Errorf("watermark is % x (%v)", mark, err)
	}
	blob, err := c.Get(t.Context(), "{p.v.1.0}:e:u1}:{x").Bytes()
	if err != nil || string(blob) != string(b.Writes[0].Blob) {
		t.Errorf("blob is %q (%v)", blob, err)
	}
	for key, expires := range map[string]bool{"{p.v.1.0}:e:u1}:{x": true, "{p.v.1.0}:w": false, "{p.v.1.0}:m": false} {
		ttl, err := c.PTTL(t.Context(), key).Result()
		if err != nil || (ttl > 0) != expires || ttl > time.Hour || expires && ttl < 59*time.Minute {
			t.Errorf("%s expires in %v (%v)", key, ttl, err)
		}
	}
	b = step(-1, 0)
	b.TTL = time.Nanosecond // never 0, which Redis refuses
	apply(t, s, b, online.OutcomeOK)
}

// TestClosedPartsExpireWithTheirEntity: every apply gives both keys the same
// instant, to the millisecond, also where it leaves the closed part as it is; or it
// leaves both theirs.
func TestClosedPartsExpireWithTheirEntity(t *testing.T) {
	srv := server(t)
	s := open(t, redis.Config{Addrs: []string{srv.Addr()}})
	create(t, s)
	c := admin(t, srv)
	last := time.Duration(0)
	for i, w := range []online.Write{{Closed: []byte("c")}, {Renew: true}, {Keep: true}, {Closed: []byte("d")}, {Closed: []byte("e"), Keep: true}, {Renew: true}} {
		b := step(int64(i)-1, 0)
		w.Key, w.Blob = []byte("a"), onlinetest.Blob(fmt.Sprint(i), nil)
		if i > 0 {
			w.Expect = onlinetest.Prefix(onlinetest.Blob(fmt.Sprint(i-1), nil))
		}
		b.Writes, b.TTL = []online.Write{w}, time.Duration(i+1)*time.Hour
		if i == 5 {
			b.TTL = 0
		}
		if w.Keep { // beside one that does not
			b.Writes = append(b.Writes, online.Write{Key: fmt.Append(nil, "b", i), Blob: w.Blob})
		}
		apply(t, s, b, online.OutcomeOK)
		open, err1 := c.PExpireTime(t.Context(), "{p.v.1.0}:e:a").Result()
		closed, err2 := c.PExpireTime(t.Context(), "{p.v.1.0}:c:a").Result()
		if err1 != nil || err2 != nil || open != closed || w.Keep && open != last || !w.Keep && (open > last) != (i < 5) || i == 5 && open != -1 {
			t.Errorf("write %d: the open part expires at %v (%v), the closed at %v (%v)", i, open, err1, closed, err2)
		}
		if w.Keep {
			beside, err := c.PExpireTime(t.Context(), fmt.Sprint("{p.v.1.0}:e:b", i)).Result()
			if err != nil || beside <= open {
				t.Errorf("write %d: what is beside it expires at %v (%v), before %v", i, beside, err, open)
			}
			if blob, err := c.Get(t.Context(), "{p.v.1.0}:e:a").Bytes(); err != nil || !bytes.Equal(blob, w.Blob) {
				t.Errorf("write %d: %q stands there (%v)", i, blob, err)
			}
			if closed, err := c.Get(t.Context(), "{p.v.1.0}:c:a").Bytes(); err != nil || len(w.Closed) > 0 && !bytes.Equal(closed, w.Closed) {
				t.Errorf("write %d: the closed part is %q (%v)", i, closed, err)
			}
		}
		last = open
	}
}

// TestScriptsFlushed removes the scripts between all calls.
func TestScriptsFlushed(t *testing.T) {
	srv := server(t)
	s := open(t, redis.Config{Addrs: []string{srv.Addr()}})
	create(t, s)
	for n := range int64(20) {
		do(t, srv, "SCRIPT", "FLUSH")
		apply(t, s, step(n-1, 0), online.OutcomeOK)
	}
	do(t, srv, "SCRIPT", "FLUSH")
	batches := []online.Batch{step(19, 0), step(20, 0), step(20, 0), step(21, 0)}
	want := []online.Outcome{online.OutcomeOK, online.OutcomeOK, online.OutcomeWatermark, online.OutcomeOK}
	for i, r := range s.Apply(t.Context(), batches) {
		if r.Outcome != want[i] {
			t.Errorf("batch %d: %v (%v), want %v", i, r.Outcome, r.Err, want[i])
		}
	}
	if got := offset(t, s); got != 22 {
		t.Errorf("watermark at %d, want 22", got)
	}
}

// TestUnanswered pauses the server after the script is on its way: the outcome
// is unknown, nothing is sent twice, and the watermark tells.
func TestUnanswered(t *testing.T) {
	srv := server(t)
	s := open(t, redis.Config{Addrs: []string{srv.Addr()}, Timeout: 200 * time.Millisecond})
	create(t, s)
	apply(t, s, step(-1, 0), online.OutcomeOK)
	if err := srv.Pause(); err != nil {
		t.Fatal(err)
	}
	err := applyError(t, s, step(0, 0), online.OutcomeUnknown)
	if !errors.Is(err, featurestore.ErrUnavailable) {
		t.Errorf("error %v, want unavailable", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Get(ctx, []online.EntityID{{LaneID: lane(0), Key: []byte("a")}}); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, featurestore.ErrUnavailable) {
		t.Errorf("a read past its deadline: %v", err)
	}
	if err := srv.Resume(); err != nil {
		t.Fatal(err)
	}
	if got := offset(t, s); got != 1 { // it was in the socket and ran, once
		t.Errorf("watermark at %d, want 1", got)
	}
	apply(t, s, step(0, 0), online.OutcomeWatermark)
	apply(t, s, step(1, 0), online.OutcomeOK)
}

// TestNoServer: nothing hangs and nothing is taken for an answer.
func TestNoServer(t *testing.T) {
	srv := server(t)
	s := open(t, redis.Config{Addrs: []string{srv.Addr()}, Timeout: time.Second})
	create(t, s)
	if err := srv.Kill(); err != nil {
		t.Fatal(err)
	}
	apply(t, s, step(-1, 0), online.OutcomeUnknown)
	_, getErr := s.Get(t.Context(), []online.EntityID{{LaneID: lane(0)}})
	_, lanesErr := s.Lanes(t.Context(), generation, 1)
	_, rowsErr := s.PutRows(t.Context(), generation, 2, []online.Row{{Blob: onlinetest.RowBlob("1", nil)}}, 0)
	for doing, err := range map[string]error{
		"Get": getErr, "Lanes": lanesErr, "PutRows": rowsErr, "Check": s.Check(t.Context()), "Create": s.Create(t.Context(), generation, meta),
		"SetState": s.SetState(t.Context(), generation, online.StateLive), "Drop": s.Drop(t.Context(), generation, 1),
	} {
		if !errors.Is(err, featurestore.ErrUnavailable) {
			t.Errorf("%s without a server: %v", doing, err)
		}
	}
	if err := srv.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	apply(t, s, step(-1, 0), online.OutcomeOK)
}

// TestOutOfMemory fills the server: a batch is refused whole, before its first
// write, and goes through once there is room.
func TestOutOfMemory(t *testing.T) {
	srv := server(t)
	s := open(t, redis.Config{Addrs: []string{srv.Addr()}})
	create(t, s)
	apply(t, s, step(-1, 10), online.OutcomeOK)
	do(t, srv, "CONFIG", "SET", "maxmemory", "1")
	b := step(0, 10)
	for i := range 20 {
		b.Writes = append(b.Writes, online.Write{Key: fmt.Append(nil, "new", i), Blob: onlinetest.Blob("1", make([]byte, 1000))})
	}
	if err := applyError(t, s, b, online.OutcomeRefused); !errors.Is(err, featurestore.ErrUnavailable) {
		t.Errorf("error %v, want unavailable", err)
	}
	c := admin(t, srv)
	if n, err := c.DBSize(t.Context()).Result(); n != 4 || err != nil { // two :m, one :w, one :e
		t.Errorf("%d keys (%v), want 4: a refused script wrote some", n, err)
	}
	if got := offset(t, s); got != 0 {
		t.Errorf("watermark at %d, want 0", got)
	}
	do(t, srv, "CONFIG", "SET", "maxmemory", "0")
	apply(t, s, b, online.OutcomeOK)
}

// TestWrongType: a key of another kind is an error before the first write.
func TestWrongType(t *testing.T) {
	srv := server(t)
	s := open(t, redis.Config{Addrs: []string{srv.Addr()}})
	create(t, s)
	do(t, srv, "LPUSH", "{p.v.1.0}:e:b", "x")
	b := step(-1, 0)
	b.Writes = append(b.Writes, online.Write{Key: []byte("b"), Expect: []byte{1}, Blob: []byte{2}})
	apply(t, s, b, online.OutcomeUnknown)
	if got := offset(t, s); got != -1 {
		t.Errorf("watermark at %d, want none", got)
	}
	do(t, srv, "DEL", "{p.v.1.1}:m")
	do(t, srv, "LPUSH", "{p.v.1.1}:m", "x")
	if _, err := s.Lanes(t.Context(), generation, 2); !errors.Is(err, featurestore.ErrUnavailable) {
		t.Errorf("metadata of another kind: %v", err)
	}
}

func BenchmarkStore(b *testing.B) {
	srv := server(b)
	onlinetest.Benchmark(b, func(b *testing.B) online.Store {
		return open(b, redis.Config{Addrs: []string{srv.Addr()}, Timeout: 10 * time.Second})
	})
}
