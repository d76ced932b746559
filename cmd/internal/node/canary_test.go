package node_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/cmd/internal/canary"
	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	embeddedlog "github.com/freshet/freshet/ingest/kafka/embedded"
)

// ingesterOn is an ingester alone whose log is a broker at an address.
func ingesterOn(t *testing.T, broker, ingest string) *node.Node {
	t.Helper()
	ctx, root := context.Background(), t.TempDir()
	text := fmt.Sprintf("project: shop\nlog: {kafka: {brokers: [%q]}}\nadmin: {listen: \"127.0.0.1:0\"}\ningest: %s\n", broker, ingest)
	if err := os.WriteFile(filepath.Join(root, "freshet.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := settings.Load(root, settings.Source{})
	if err != nil {
		t.Fatal(err)
	}
	parts, err := node.Open(ctx, s, node.WallClock(), slog.New(slog.DiscardHandler), node.NeedOnline|node.NeedLog)
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, parts.Close)
	n, err := node.Start(ctx, parts, node.Options{Role: node.Ingest, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, n.Stop)
	return n
}

func startBroker(t *testing.T) string {
	t.Helper()
	broker, err := embeddedlog.Start(t.TempDir(), embeddedlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, broker.Close)
	return broker.Addr()
}

// TestCanaryShowsItself: what the canary sees is in the status and in the metrics,
// also before anything is applied; the views of users do not show it.
func TestCanaryShowsItself(t *testing.T) {
	n := ingesterOn(t, startBroker(t), "{canary: {every: 1s, topic: bird, partitions: 2}}")
	var s node.Status
	eventually(t, "records are served", func() bool {
		s = node.Status{}
		_, text := ask(t, n.Admin.Addr(), "/status")
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
		return s.Canary != nil && s.Canary.State == canary.StateRunning && len(s.Canary.Partitions) == 2
	})
	if c := s.Canary; c.Topic != "bird" || c.Losses+c.Doubles > 0 || c.Delay <= 0 || len(c.Partitions) != 2 || len(s.Views)+len(s.Partitions) > 0 {
		t.Errorf("%+v", s)
	}
	_, text := ask(t, n.Admin.Addr(), "/metrics")
	for _, want := range []string{
		`freshet_canary_state{state="RUNNING"} 1`, `freshet_canary_records_total{outcome="written"} `, `freshet_canary_records_total{outcome="served"} `,
		`freshet_canary_findings_total{kind="loss"} 0`, `freshet_canary_findings_total{kind="double"} 0`, `freshet_canary_wrong 0`,
		`freshet_canary_waiting_seconds `, `freshet_canary_event_to_served_seconds_count `, `freshet_audit_entities_total{outcome="mismatched"} 0`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if strings.Contains(text, `="`+canary.View) {
		t.Error("the canary's view is among those of users")
	}
}

// TestCanaryIsOff: the settings want none.
func TestCanaryIsOff(t *testing.T) {
	n := ingesterOn(t, startBroker(t), "{canary: {every: 0s}}")
	if _, text := ask(t, n.Admin.Addr(), "/status"); strings.Contains(text, "canary") || n.Canary != nil {
		t.Errorf("it is there: %s", text)
	}
}
