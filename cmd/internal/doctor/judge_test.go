package doctor

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/canary"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/kafka"
)

func TestJudgeTopic(t *testing.T) {
	set := func(retention, policy, least string) map[string]string {
		return map[string]string{kafka.RetentionMS: retention, kafka.CleanupPolicy: policy, kafka.MinInSync: least}
	}
	s := &definition.StreamSource{Topic: "orders"}
	for name, c := range map[string]struct {
		topic kafka.Topic
		state State
		words string
	}{
		"three replicas, two in sync":     {kafka.Topic{Brokers: 3, Partitions: 4, Replicas: 3, Settings: set("604800000", "delete", "2")}, OK, "4 partitions, 3 replicas"},
		"one broker has no choice":        {kafka.Topic{Brokers: 1, Partitions: 4, Replicas: 1, Settings: set("-1", "delete", "1")}, OK, "retention.ms -1"},
		"one replica of three brokers":    {kafka.Topic{Brokers: 3, Partitions: 4, Replicas: 1, Settings: set("-1", "delete", "1")}, Warning, "1 replicas"},
		"one in sync is enough":           {kafka.Topic{Brokers: 3, Partitions: 4, Replicas: 3, Settings: set("-1", "delete", "1")}, Warning, "min.insync.replicas 1"},
		"its settings may not be read":    {kafka.Topic{Brokers: 3, Partitions: 4, Replicas: 3, Unread: errors.New("no right")}, OK, "no right"},
		"a replica is behind":             {kafka.Topic{Brokers: 3, Partitions: 4, Replicas: 3, OutOfSync: []int32{2}, Settings: set("-1", "delete", "2")}, Warning, "[2]"},
		"nobody leads":                    {kafka.Topic{Brokers: 3, Partitions: 4, Replicas: 3, OutOfSync: []int32{2}, Leaderless: []int32{1, 2}, Settings: set("-1", "delete", "2")}, Failed, "[1 2]"},
		"records expire within the hour":  {kafka.Topic{Brokers: 1, Partitions: 4, Replicas: 1, Settings: set("3600000", "delete", "1")}, Warning, "retention.ms 3600000"},
		"older records of a key vanish":   {kafka.Topic{Brokers: 1, Partitions: 4, Replicas: 1, Settings: set("-1", "compact", "1")}, Warning, "cleanup.policy compact"},
		"the same, and they expire later": {kafka.Topic{Brokers: 1, Partitions: 4, Replicas: 1, Settings: set("604800000", "compact,delete", "1")}, Warning, "compact,delete"},
	} {
		state, seen, why, next := judgeTopic(&c.topic, s)
		if state != c.state || !strings.Contains(seen, c.words) {
			t.Errorf("%s: %s, %q, want %s", name, state, seen, c.state)
		}
		if (state == OK) != (why == "") || (state == OK) != (next == "") {
			t.Errorf("%s: why %q, next %q", name, why, next)
		}
	}
}

func TestJudgeSpace(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		free, all uint64
		want      State
	}{{50 * gib, 100 * gib, OK}, {gib, 100 * gib, Warning}, {gib, 10 * gib, OK}, {3 * gib, 1000 * gib, OK}, {50 << 20, 60 << 20, Failed}} {
		if got, seen, _, _ := judgeSpace(volume{free: c.free, all: c.all}); got != c.want {
			t.Errorf("%s: %s, want %s", seen, got, c.want)
		}
	}
}

func TestJudgeCanary(t *testing.T) {
	for _, c := range []struct {
		status canary.Status
		want   State
	}{
		{canary.Status{State: canary.StateRunning, Written: 64, Served: 64}, OK},
		{canary.Status{State: canary.StateStarting}, OK},
		{canary.Status{State: canary.StateIdle}, OK},
		{canary.Status{State: canary.StateWrong, Losses: 1, Wrong: 1, Reason: "partition 3", Next: "x"}, Failed},
		{canary.Status{State: canary.StateRunning, Doubles: 1}, Warning},
		{canary.Status{State: canary.StateDelayed, Waiting: 11, Reason: "the store is away", Next: "x"}, Failed},
		{canary.Status{State: canary.StateStopped, Reason: "not allowed", Next: "x"}, Warning},
	} {
		got, seen, why, next := judgeCanary(&c.status)
		if got != c.want || !strings.Contains(seen, c.status.Reason) || (got == OK) != (why == "") || got == Failed && next == "" {
			t.Errorf("%+v: %s, %q, %q, %q", c.status, got, seen, why, next)
		}
	}
}

// TestNeverHangs: a check that does not come back costs its deadline, is said, and
// the others are made.
func TestNeverHangs(t *testing.T) {
	root, release := t.TempDir(), make(chan struct{})
	t.Cleanup(func() { close(release) })
	slow := make(chan string, 20)
	s := settings.Defaults()
	s.Project, s.Root, s.Offline.Dir, s.Registry.SQLite = "shop", root, root+"/offline", root+"/registry.db"
	s.Log.Embedded, s.Online.Embedded, s.Serve.Listen = root+"/log", root+"/online", "127.0.0.1:1"
	begun := time.Now()
	r := Run(t.Context(), Config{
		Settings: func() (*settings.Settings, error) { return &s, nil },
		Definitions: func(string) ([]definition.File, error) {
			<-release
			return nil, errors.New("too late")
		},
		Timeout: 1200 * time.Millisecond, Now: func() featurestore.Instant { return featurestore.InstantOf(time.Now()) },
		Logger: slog.New(slog.DiscardHandler), Slow: func(check string) { slow <- check },
	})
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	if len(r.Checks) < len(checks) || r.Checks[1].State != Failed || !strings.Contains(r.Checks[1].Seen, "no answer within 1.2s") || r.Checks[2].State != Warning {
		t.Errorf("%+v", r.Checks)
	}
	if got := <-slow; got != "definitions" {
		t.Errorf("%s is said to be slow", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := Run(ctx, Config{}); len(r.Checks) > 0 {
		t.Errorf("after an interruption it goes on: %+v", r.Checks)
	}
}
