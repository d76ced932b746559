package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/cli"
	"github.com/freshet/freshet/cmd/internal/doctor"
	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
	"github.com/freshet/freshet/featurestore/plan"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/kafka/kafkatest"
	"github.com/freshet/freshet/ingest/logrecord"
)

const definitions = `kind: Entity
name: user
keys: [{name: user, type: string}]
---
kind: StreamSource
name: orders
kafka: {topic: orders}
format: json
timestamp: {field: at, format: unix_ms}
fields: {user: string, amount: double}
---
kind: StreamView
name: spend
entity: user
source: orders
features: [{name: total, agg: sum(amount), window: 1h}]
`

const refundsToo = `---
kind: StreamSource
name: refunds
kafka: {topic: refunds}
format: json
timestamp: {field: at, format: unix_ms}
fields: {user: string, amount: double}
---
kind: StreamView
name: refunded
entity: user
source: refunds
features: [{name: total, agg: sum(amount), window: 1h}]
`

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wall() featurestore.Instant { return featurestore.InstantOf(time.Now()) }

// project writes a repository of definitions.
func project(t *testing.T, settingsText, text string) (root string) {
	t.Helper()
	root = t.TempDir()
	ok(t, os.WriteFile(filepath.Join(root, "freshet.yaml"), []byte(settingsText), 0o600))
	ok(t, os.WriteFile(filepath.Join(root, "d.yaml"), []byte(text), 0o600))
	return root
}

// examine runs the doctor on a repository.
func examine(t *testing.T, root string, change func(*doctor.Config)) *doctor.Report {
	t.Helper()
	c := doctor.Config{
		Settings:    func() (*settings.Settings, error) { return settings.Load(root, settings.Source{}) },
		Definitions: cli.DefinitionFiles, Timeout: 3 * time.Second, Now: wall, Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	begun := time.Now()
	r := doctor.Run(t.Context(), c)
	if took, most := time.Since(begun), time.Duration(len(r.Checks)+1)*(c.Timeout+time.Second); took > most {
		t.Errorf("it took %s, more than its deadlines", took)
	}
	for _, x := range r.Checks {
		t.Logf("%-13s %-8s %s: %s | %s | %s", x.Check, x.State, x.Of, x.Seen, x.Why, x.Next)
		if x.State == doctor.Failed && (x.Why == "" || x.Next == "") {
			t.Errorf("%s has failed, and says neither why that matters nor what to do", x.Check)
		}
	}
	return r
}

// want wants a check to have a state, and to say some words.
func want(t *testing.T, r *doctor.Report, check string, state doctor.State, words ...string) {
	t.Helper()
	for _, x := range r.Checks {
		if x.Check != check || x.State != state {
			continue
		}
		text, all := x.Of+" "+x.Seen+" "+x.Next, true
		for _, w := range words {
			all = all && strings.Contains(text, w)
		}
		if all {
			return
		}
	}
	t.Errorf("%s is not %s with the words %q", check, state, words)
}

// apply makes the definitions of a repository the newest revision.
func apply(t *testing.T, p *node.Parts) *definition.Project {
	t.Helper()
	files, err := cli.DefinitionFiles(p.Settings.Root)
	ok(t, err)
	project, problems := definition.Load(files)
	if project == nil {
		t.Fatal(problems)
	}
	var targets []registry.Target
	for view, hash := range plan.Targets(project) {
		targets = append(targets, registry.Target{View: view, Hash: hash})
	}
	base, err := p.Registry.CurrentNumber(t.Context())
	ok(t, err)
	_, err = p.Registry.Apply(t.Context(), base, registry.Revision{Files: files, Applied: wall()}, targets)
	ok(t, err)
	return project
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	defer func() { ok(t, l.Close()) }()
	return l.Addr().String()
}

func start(t *testing.T, root string, role node.Role) (stop func()) {
	t.Helper()
	s, err := settings.Load(root, settings.Source{})
	ok(t, err)
	parts, err := node.Open(t.Context(), s, node.WallClock(), slog.New(slog.DiscardHandler), node.NeedOnline|node.NeedLog)
	ok(t, err)
	n, err := node.Start(context.Background(), parts, node.Options{Role: role, Version: "test"})
	if err != nil {
		t.Fatal(errors.Join(err, parts.Close()))
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			ok(t, errors.Join(n.Stop(), parts.Close()))
		}
	}
	t.Cleanup(stop)
	return stop
}

// healthy examines again until nothing is wrong, and the words are said.
func healthy(t *testing.T, root string, words ...string) *doctor.Report {
	t.Helper()
	var r *doctor.Report
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
		r = examine(t, root, nil)
		said := ""
		for _, x := range r.Checks {
			said += x.Check + " " + string(x.State) + " " + x.Seen + "\n"
		}
		all := r.Failed+r.Warnings == 0
		for _, w := range words {
			all = all && strings.Contains(said, w)
		}
		if all {
			return r
		}
	}
	t.Fatalf("it is never healthy: %+v", r)
	return nil
}

// TestRealParts examines a deployment on Apache Kafka and redis-server: while all is
// well, and with one part after the other wrong or gone.
func TestRealParts(t *testing.T) {
	broker := kafkatest.StartForTest(t)
	server, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir()})
	ok(t, err)
	t.Cleanup(func() { ok(t, server.Stop()) })
	root := project(t, fmt.Sprintf("project: shop\nlog: {kafka: {brokers: [%q]}}\nonline: {redis: {addrs: [%q]}}\nserve: {listen: %q}\nadmin: {listen: %q}\ningest: {canary: {every: 1s}}\n",
		broker.Addr(), server.Addr(), freeAddr(t), freeAddr(t)), definitions)

	r := examine(t, root, nil)
	want(t, r, "registry", doctor.Warning, "there is no registry", "freshet apply")
	want(t, r, "store", doctor.OK, "noeviction", "append-only file", "master")
	want(t, r, "views", doctor.Skipped)
	if _, err := os.Stat(filepath.Join(root, ".freshet", "registry.db")); err == nil {
		t.Error("it has made a registry")
	}

	s, err := settings.Load(root, settings.Source{})
	ok(t, err)
	parts, err := node.Open(t.Context(), s, node.WallClock(), slog.New(slog.DiscardHandler), node.NeedOnline|node.NeedLog)
	ok(t, err)
	t.Cleanup(func() { ok(t, parts.Close()) })
	apply(t, parts)
	ok(t, parts.Log.CreateTopic(t.Context(), logrecord.TopicSpec{Name: "orders", Partitions: 2}))
	stop := start(t, root, node.Serve|node.Ingest)
	_, err = parts.Log.Produce(t.Context(), "orders", 0, []logrecord.Record{{LogTime: featurestore.LogTime(wall()), Value: fmt.Appendf(nil, `{"user":"ann","amount":1,"at":%d}`, time.Now().UnixMilli())}})
	ok(t, err)
	r = healthy(t, root, "canary ok RUNNING")
	for check, words := range map[string][]string{
		"settings": {"Kafka", "Redis"}, "definitions": {"1 files are valid"}, "registry": {"schema version 2, revision 1"}, "server": {"serves revision 1"},
		"log": {broker.Addr()}, "sources": {"orders", "topic orders: 2 partitions, 1 replicas, min.insync.replicas 1, retention.ms 604800000, cleanup.policy delete"},
		"store": {"noeviction"}, "rights": {"the user default may read and write"}, "views": {"spend generation 1", "RUNNING"}, "generations": {"LIVE 1"}, "dead letters": {"none"},
		"disk": {"are free"}, "clock": {"store, port"}, "ingester": {"spend", "the watermarks moved"}, "audit": nil, "canary": {"0 losses, 0 doubles"},
	} {
		if check != "audit" { // none is due yet
			want(t, r, check, doctor.OK, words...)
		}
	}
	want(t, r, "schemas", doctor.Skipped, "no source that is applied names a subject")
	want(t, r, "sources", doctor.OK, "the records are those that were applied; 0 are not applied yet")

	ok(t, server.Do(t.Context(), "CONFIG", "SET", "maxmemory-policy", "allkeys-lru"))
	r = examine(t, root, nil)
	want(t, r, "store", doctor.Failed, "allkeys-lru", "CONFIG SET maxmemory-policy noeviction")
	want(t, r, "views", doctor.OK, "RUNNING")
	ok(t, server.Do(t.Context(), "CONFIG", "SET", "maxmemory-policy", "noeviction"))
	ok(t, server.Do(t.Context(), "CONFIG", "SET", "maxmemory", "1"))
	want(t, examine(t, root, nil), "store", doctor.Warning, "maxmemory")
	ok(t, server.Do(t.Context(), "CONFIG", "SET", "maxmemory", "0"))

	ok(t, os.WriteFile(filepath.Join(root, "more.yaml"), []byte(refundsToo), 0o600))
	apply(t, parts)
	r = examine(t, root, nil)
	want(t, r, "sources", doctor.Failed, "refunds", `there is no topic "refunds"`, "kafka-topics.sh --create --topic refunds")
	want(t, r, "sources", doctor.OK, "orders")
	ok(t, parts.Log.CreateTopic(t.Context(), logrecord.TopicSpec{Name: "refunds", Partitions: 1, Retention: featurestore.Hour}))
	want(t, examine(t, root, nil), "sources", doctor.Warning, "refunds", "retention.ms 3600000", "retention.ms=604800000")

	skewed := examine(t, root, func(c *doctor.Config) {
		c.Now = func() featurestore.Instant { return wall() + featurestore.Instant(5*featurestore.Second) }
	})
	want(t, skewed, "clock", doctor.Warning, "store, port", "NTP")
	stop()
	m, err := archive.Load(s.Offline.Dir, "orders")
	ok(t, err)
	atRest := filepath.Join(archive.Folder(s.Offline.Dir, "orders"), filepath.FromSlash(m.Files[0].Path))
	ok(t, os.Rename(atRest, atRest+".away"))
	want(t, examine(t, root, nil), "disk", doctor.Failed, "archive of orders", filepath.Base(atRest), "listed and not there", "restore it")
	ok(t, os.Rename(atRest+".away", atRest))
	r = examine(t, root, func(c *doctor.Config) {
		c.Now = func() featurestore.Instant { return wall() + featurestore.Instant(2*featurestore.Minute) }
	})
	want(t, r, "clock", doctor.Failed, "store, port")
	want(t, r, "ingester", doctor.Failed, "spend", "have not moved since", "freshetd ingest")
	want(t, r, "server", doctor.Warning, "no server answers")
	want(t, r, "canary", doctor.Skipped)

	late := logrecord.Record{LogTime: featurestore.LogTime(wall()), Value: []byte("{}")}
	end, err := parts.Log.Produce(t.Context(), "orders", 0, []logrecord.Record{late, late})
	ok(t, err)
	ok(t, kafkatest.DeleteRecords(t.Context(), broker.Addr(), "orders", 0, end+1))
	want(t, examine(t, root, nil), "sources", doctor.Failed, "records have expired", "freshet accept-new-topic orders goes on", "a start of the ingester does not help")

	ok(t, kafkatest.DeleteTopic(t.Context(), broker.Addr(), "orders"))
	ok(t, parts.Log.CreateTopic(t.Context(), logrecord.TopicSpec{Name: "orders", Partitions: 2}))
	want(t, examine(t, root, nil), "sources", doctor.Failed, "orders", "restore the topic", "or freshet accept-new-topic orders")

	ok(t, broker.Kill())
	r = examine(t, root, func(c *doctor.Config) { c.Timeout = time.Second })
	want(t, r, "log", doctor.Failed, "connection refused")
	want(t, r, "sources", doctor.Skipped, "it needs the log")
	want(t, r, "store", doctor.OK)

	ok(t, server.Kill())
	r = examine(t, root, func(c *doctor.Config) { c.Timeout = time.Second })
	want(t, r, "store", doctor.Failed, "connection refused")
	want(t, r, "registry", doctor.OK, "revision 2")
	want(t, r, "views", doctor.Skipped)
	ok(t, server.Restart(t.Context()))
	ok(t, server.Pause()) // it takes connections, and answers nothing
	r = examine(t, root, func(c *doctor.Config) { c.Timeout = time.Second })
	ok(t, server.Resume())
	want(t, r, "store", doctor.Failed)
	want(t, r, "disk", doctor.OK)
}

// TestWithoutSettings: what cannot be read is said, and nothing else is guessed.
func TestWithoutSettings(t *testing.T) {
	root := project(t, "project: shop\nonline: {redis: {addrs: [here]}}\n", definitions)
	r := examine(t, root, nil)
	want(t, r, "settings", doctor.Failed, "host:port", "correct the file")
	for _, x := range r.Checks[1:] {
		if x.State != doctor.Skipped {
			t.Errorf("%s is %s", x.Check, x.State)
		}
	}
	if r.Failed != 1 || r.Warnings != 0 {
		t.Errorf("%d failed, %d warnings", r.Failed, r.Warnings)
	}
	r = examine(t, t.TempDir(), nil)
	want(t, r, "settings", doctor.Failed, "freshet init")
}

// TestEmbedded examines a project on embedded parts: at rest, with definitions that
// are wrong, with a registry of another version, and beside a process that has the
// parts open.
func TestEmbedded(t *testing.T) {
	addr := freeAddr(t)
	root := project(t, fmt.Sprintf("project: shop\nserve: {listen: %q}\n", addr), definitions)
	s, err := settings.Load(root, settings.Source{})
	ok(t, err)
	parts, err := node.Open(t.Context(), s, node.WallClock(), slog.New(slog.DiscardHandler), node.NeedLog)
	ok(t, err)
	apply(t, parts)
	ok(t, parts.Log.CreateTopic(t.Context(), logrecord.TopicSpec{Name: "orders", Partitions: 2, Retention: logrecord.Forever}))
	ok(t, parts.Close())
	stop := start(t, root, node.Serve|node.Ingest)
	r := healthy(t, root, "ingester ok 2 partitions are read")
	want(t, r, "store", doctor.OK, "the process that answers has it")
	want(t, r, "views", doctor.OK, "spend generation 1", "RUNNING")
	stop()

	ok(t, os.WriteFile(filepath.Join(root, "d.yaml"), []byte(definitions+"---\nkind: Entity\nname: user\n"), 0o600))
	r = examine(t, root, func(c *doctor.Config) { c.Addr = addr })
	want(t, r, "definitions", doctor.Failed, "d.yaml:", "freshet validate")
	want(t, r, "server", doctor.Failed, addr)
	want(t, r, "views", doctor.OK, "spend generation 1") // what is applied goes on
	want(t, r, "store", doctor.OK, "embedded, in")

	ok(t, os.WriteFile(filepath.Join(root, ".freshet", "registry.db"), []byte("this is no registry, but it is longer than a header of a hundred bytes, which is what the library looks at first"), 0o600))
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(filepath.Join(root, ".freshet", "registry.db"+suffix)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	r = examine(t, root, nil)
	want(t, r, "registry", doctor.Failed, "registry.db")
	want(t, r, "views", doctor.Skipped)
}
