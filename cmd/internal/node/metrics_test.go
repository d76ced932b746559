package node_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
	"github.com/freshet/freshet/ingest/kafka/kafkatest"
	"github.com/freshet/freshet/ingest/logrecord"
)

// scrape gives the sums of a process's metrics, by name and label pairs of interest,
// and the text.
type scrape string

// of is the sum of the samples of a metric whose labels have all pairs; -1 for none.
func (s scrape) of(name string, pairs ...string) float64 {
	sum := -1.0
	for line := range strings.Lines(string(s)) {
		rest, found := strings.CutPrefix(line, "freshet_"+name)
		if !found || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		labels, value, _ := strings.Cut(strings.TrimSpace(rest), " ")
		if slices.ContainsFunc(pairs, func(p string) bool { return !strings.Contains(labels, p) }) {
			continue
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			sum = max(sum, 0) + v
		}
	}
	return sum
}

// TestMetricsMove runs an ingester on Apache Kafka and redis-server, does to them what
// an operator wants to see, and sees it in the metrics; each of them has help, and
// stands in docs/operations.md, and no other does.
func TestMetricsMove(t *testing.T) {
	broker := kafkatest.StartForTest(t)
	dir := t.TempDir()
	server, err := redistest.Start(t.Context(), redistest.Options{Dir: dir, Args: []string{"--appendfsync", "always"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	root := t.TempDir()
	do(os.WriteFile(filepath.Join(root, "freshet.yaml"), fmt.Appendf(nil, "project: shop\nlog: {kafka: {brokers: [%q]}}\nonline: {redis: {addrs: [%q]}}\nadmin: {listen: \"127.0.0.1:0\"}\ningest: {canary: {every: 1s}}\n", broker.Addr(), server.Addr()), 0o600))
	s, err := settings.Load(root, settings.Source{})
	do(err)
	parts, err := node.Open(t.Context(), s, node.WallClock(), slog.New(slog.DiscardHandler), node.NeedOnline|node.NeedLog)
	do(err)
	closeAtEnd(t, parts.Close)
	text := strings.Replace(salesDefinitions, ", key: user", "", 1)
	text = strings.Replace(text, "fields:", "allowed_lateness: 1m\nfields:", 1)
	applyFiles(t, parts, 0, []definition.File{{Path: "d.yaml", Data: []byte(text)}})
	do(parts.Log.CreateTopic(t.Context(), logrecord.TopicSpec{Name: "sales", Partitions: 1}))
	n, err := node.Start(context.Background(), parts, node.Options{Role: node.Serve | node.Ingest, Listen: "127.0.0.1:0", Version: "test"})
	do(err)
	closeAtEnd(t, n.Stop)
	send := func(count int, value func(i int) string) {
		t.Helper()
		records := make([]logrecord.Record, count)
		for i := range records {
			records[i] = logrecord.Record{LogTime: featurestore.LogTime(featurestore.InstantOf(time.Now())), Value: []byte(value(i))}
		}
		_, err := parts.Log.Produce(t.Context(), "sales", 0, records)
		do(err)
	}
	sale := func(back time.Duration) func(i int) string {
		return func(i int) string {
			return fmt.Sprintf(`{"user": "u%d", "amount": 1, "at": %d}`, i%100, time.Now().Add(-back).UnixMilli())
		}
	}
	var now scrape
	see := func(what string, seen func() bool) {
		t.Helper()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
			_, body := ask(t, n.Admin.Addr(), "/metrics")
			if now = scrape(body); seen() {
				return
			}
		}
		t.Fatalf("never seen: %s\n%s", what, strings.Join(regexp.MustCompile(`(?m)^freshet_[a-z_]+(?:\{.*\})? .*$`).FindAllString(string(now), -1), "\n"))
	}

	send(1000, sale(0))
	send(7, sale(time.Hour))
	send(3, func(int) string { return "{" })
	see("events, late ones and dead letters", func() bool {
		return now.of("records_total", `outcome="event"`) == 1007 && now.of("records_total", `outcome="dead_letter"`) == 3 &&
			now.of("view_events_total", `outcome="folded"`)+now.of("view_events_total", `outcome="pending"`) == 1000 && now.of("view_events_total", `outcome="late"`) == 7 &&
			now.of("consumer_offset") == 1010 && now.of("consumer_lag_records") == 0 && now.of("consumer_lag_seconds") == 0 && now.of("consumer_troubled") == 0
	})
	for name, least := range map[string]float64{
		"event_to_served_seconds_count": 1, "batch_events_sum": 1007, "batch_events_count": 1, "store_apply_seconds_count": 1, "store_apply_lanes_sum": 1,
		"store_apply_entities_sum": 100, "store_written_bytes_total": 1000, "store_largest_state_bytes_count": 1, "rewinds_total": 0,
	} {
		if v := now.of(name); v < least {
			t.Errorf("%s is %g, not %g at least", name, v, least)
		}
	}
	see("a young watermark", func() bool { v := now.of("watermark_age_seconds"); return v >= 0 && v < 3 })
	see("the canary", func() bool { return now.of("canary_records_total", `outcome="served"`) > 0 })

	do(server.Pause()) // it takes connections, and answers nothing
	send(500, sale(0))
	see("records that wait for a store that hangs", func() bool {
		return now.of("consumer_lag_records") >= 500 && now.of("consumer_troubled") == 1 && now.of("consumer_lag_seconds") > 0
	})
	send(100_000, sale(0)) // more than is fetched ahead
	see("more of them", func() bool { return now.of("consumer_lag_records") == 100_500 })
	before := now.of("watermark_age_seconds")
	see("the watermark gets old", func() bool {
		return now.of("watermark_age_seconds") > before && now.of("view_state", `CATCHING_UP`) == 1
	})
	do(server.Resume())
	see("all is applied", func() bool { // of the 500, Redis may have written all without an answer in time
		return now.of("consumer_lag_records") == 0 && now.of("consumer_lag_seconds") == 0 && now.of("consumer_troubled") == 0 &&
			now.of("records_total", `outcome="event"`) >= 101_007 && now.of("consumer_offset") == 101_510
	})

	do(server.Stop())
	copied := filepath.Join(t.TempDir(), "files")
	do(exec.CommandContext(t.Context(), "cp", "-r", dir, copied).Run())
	do(server.Restart(t.Context()))
	offset := now.of("consumer_offset")
	send(300, sale(0))
	see("it goes on", func() bool { return now.of("consumer_offset") == offset+300 && now.of("consumer_troubled") == 0 })
	rewound := now.of("rewinds_total")
	do(server.Kill())
	do(os.RemoveAll(filepath.Join(dir, "appendonlydir")))
	do(os.Rename(filepath.Join(copied, "appendonlydir"), filepath.Join(dir, "appendonlydir")))
	do(server.Restart(t.Context()))
	see("an older copy of the store", func() bool {
		return now.of("rewinds_total") > rewound && now.of("consumer_lag_records") == 0 && now.of("consumer_troubled") == 0 && now.of("view_state", `RUNNING`) == 1
	})

	applyFiles(t, parts, 1, []definition.File{{Path: "d.yaml", Data: []byte(strings.ReplaceAll(text, "1h", "2h"))}})
	see("a rebuild", func() bool {
		return now.of("rebuild_records", `generation="2"`) >= 0 && now.of("rebuild_records_expected", `generation="2"`) > 1000 && now.of("rebuild_records_per_second", `generation="2"`) >= 0
	})
	see("its end", func() bool {
		return now.of("generation_state", `generation="2"`, "LIVE") == 1 && now.of("generation_state", `generation="1"`, "STANDBY") == 1 && now.of("rebuild_records") == -1
	})
	if code, _ := ask(t, n.Server.Addr(), "/v1/status"); code != 200 {
		t.Errorf("status: %d", code)
	}
	see("requests", func() bool { return now.of("request_seconds_count") >= 1 })
	documented(t, string(now))
}

// absent are documented metrics that stand only where there is something to say.
var absent = []string{"rebuild_records", "rebuild_records_expected", "rebuild_records_per_second", "rebuild_reread_rows", "rebuild_reread_rows_expected", "history_compacted_files_total", "history_compacted_bytes_total", "predictions_total", "audit_skipped_entities", "history_dropped_rows_total"}

// documented compares the metrics of a process with the table of docs/operations.md,
// and their names and help with what the field does.
func documented(t *testing.T, text string) {
	t.Helper()
	docs, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(docs), "\n## Metrics\n")
	table, _, _ = strings.Cut(table, "\n## ")
	listed := map[string]bool{}
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cells[1], -1) {
				listed[m[1]] = true
			}
		}
	}
	there := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE freshet_(\S+) (\S+)$`).FindAllStringSubmatch(text, -1) {
		name, kind := m[1], m[2]
		there[name] = true
		if !listed[name] {
			t.Errorf("docs/operations.md does not list %s", name)
		}
		if (kind == "counter") != strings.HasSuffix(name, "_total") {
			t.Errorf("%s is a %s", name, kind)
		}
		if help := regexp.MustCompile(`(?m)^# HELP freshet_` + name + ` (.+)\.$`).FindStringSubmatch(text); help == nil || len(help[1]) < 10 {
			t.Errorf("%s has no help", name)
		}
	}
	for name := range listed {
		if !there[name] && !slices.Contains(absent, name) {
			t.Errorf("docs/operations.md lists %s, which is not there", name)
		}
	}
}
