package cli

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/doctor"
	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
)

// doctorSoon is how long `doctor` may take where a part is silent, and acceptSoon how
// long a decision about a source may take to say that it cannot be made.
const (
	doctorSoon = 3 * time.Second
	acceptSoon = 5 * time.Second
)

// mutePort is an address that takes connections and says nothing, as a broker that was
// stopped.
func mutePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var held []net.Conn
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			held = append(held, c)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
		for _, c := range held {
			_ = c.Close()
		}
	})
	return l.Addr().String()
}

// longAgo is an ingester's clock: what it has applied is late by the wall's.
const longAgo = featurestore.Instant(1_767_600_000_000_000)

// TestAKafkaInSilence: where brokers take connections and say nothing, `status` and
// `doctor` name them, and do not send for an ingester; decisions about a source end soon,
// with the part, its address, and what to look at.
func TestAKafkaInSilence(t *testing.T) {
	redis, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := redis.Stop(); err != nil {
			t.Error(err)
		}
	})
	dir, listen := t.TempDir(), nobody(t)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := fmt.Sprintf("project: shop\nserve: {listen: %q}\nonline: {redis: {addrs: [%q]}}\n", listen, redis.Addr())
	write("freshet.yaml", text)
	write("d.yaml", dlqDefinitions)
	if _, text, err := run(t, dir, "apply", "--yes"); err != nil {
		t.Fatal(text, err)
	}
	readLongAgo(t, dir)
	kafka := mutePort(t)
	write("freshet.yaml", text+fmt.Sprintf("log: {kafka: {brokers: [%q]}}\n", kafka))
	within := func(most time.Duration, args ...string) (string, string, error) {
		t.Helper()
		begin := time.Now()
		out, text, err := run(t, dir, args...)
		if took := time.Since(begin); took > most {
			t.Errorf("%v: it took %s", args, took)
		}
		return out, text, err
	}

	out, _, err := within(statusSoon, "status", "-o", "json")
	var s node.Status
	if wrong := json.Unmarshal([]byte(out), &s); wrong != nil || err != nil || len(s.Views) != 1 {
		t.Fatalf("%s (%v, %v)", out, wrong, err)
	}
	if v := s.Views[0]; !strings.Contains(v.Reason, kafka) || !strings.Contains(v.Reason, "does not answer") || strings.Contains(v.Reason, "no ingester") || !strings.Contains(v.Next, "log.kafka") || !strings.Contains(s.Log, kafka) {
		t.Errorf("status: %q, next %q; log %q", v.Reason, v.Next, s.Log)
	}

	out, _, err = within(doctorSoon, "doctor", "-o", "json")
	var r doctor.Report
	if wrong := json.Unmarshal([]byte(out), &r); wrong != nil || err == nil {
		t.Fatalf("%s (%v, %v)", out, wrong, err)
	}
	for _, c := range r.Checks {
		switch all := c.Seen + " " + c.Next; {
		case c.Check == "log" && (c.State != doctor.Failed || !strings.Contains(c.Seen, kafka) || strings.Contains(all, "want TLS")):
			t.Errorf("doctor: %+v", c)
		case c.Check == "views" && (!strings.Contains(c.Seen, "does not answer") || strings.HasPrefix(c.Next, "freshet doctor")):
			t.Errorf("doctor: %+v", c)
		}
	}

	for _, args := range [][]string{{"archive", "accept-loss", "clicks", "--yes"}, {"accept-new-topic", "clicks", "--yes"}} {
		_, _, err := within(acceptSoon, args...)
		if err == nil || !strings.Contains(err.Error(), "kafka: connect to "+kafka) || !strings.Contains(err.Error(), "next: ") || strings.Contains(err.Error(), "embedded") || strings.Contains(err.Error(), "TLS") {
			t.Errorf("%v: %v", args, err)
		}
	}
	write("freshet.yaml", text)
	if err := redis.Pause(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"archive", "accept-loss", "clicks", "--yes"}, {"accept-new-topic", "clicks", "--yes"}} {
		_, _, err := within(acceptSoon, args...)
		if err == nil || !strings.Contains(err.Error(), "online store: redis "+redis.Addr()) || !strings.Contains(err.Error(), "next: ") || strings.Contains(err.Error(), "embedded") || strings.Contains(err.Error(), "TLS") {
			t.Errorf("%v, the store silent, the log embedded: %v", args, err)
		}
	}
	out, _, err = within(doctorSoon, "doctor", "-o", "json")
	r = doctor.Report{}
	if wrong := json.Unmarshal([]byte(out), &r); wrong != nil || err == nil {
		t.Fatalf("%s (%v, %v)", out, wrong, err)
	}
	for _, c := range r.Checks {
		if c.Check == "store" && (c.State != doctor.Failed || !strings.Contains(c.Seen, redis.Addr()) || !strings.Contains(c.Next, "does not answer")) || strings.HasPrefix(c.Next, "freshet doctor") {
			t.Errorf("doctor, the store silent: %+v", c)
		}
	}
	if err := redis.Resume(); err != nil {
		t.Fatal(err)
	}
}

// readLongAgo applies some clicks by an embedded log, at a time that is long gone.
func readLongAgo(t *testing.T, dir string) {
	t.Helper()
	s, err := settings.Load(dir, settings.Source{})
	if err != nil {
		t.Fatal(err)
	}
	parts, err := node.Open(t.Context(), s, node.ReplayClock(longAgo), slog.New(slog.DiscardHandler), node.NeedOnline|node.NeedLog)
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Start(t.Context(), parts, node.Options{Role: node.Ingest, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	sendClicks(t, n, "ann", "bob", "ann")
	inState(t, n, "RUNNING", 3)
	if err := n.Stop(); err != nil {
		t.Error(err)
	}
	if err := parts.Close(); err != nil {
		t.Error(err)
	}
}
