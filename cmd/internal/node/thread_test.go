package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/history"
	"github.com/freshet/freshet/featurestore/plan"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/deadletter"
	"github.com/freshet/freshet/ingest/logrecord"
	"github.com/freshet/freshet/ingest/replay"
	servingv1 "github.com/freshet/freshet/serving/api/v1"
	"github.com/freshet/freshet/serving/rpc"
)

const definitions = `
kind: Entity
name: user
keys: [{name: user, type: string}, {name: shop, type: int64}]
---
kind: StreamSource
name: orders
kafka: {topic: orders}
format: json
timestamp: {field: at, format: rfc3339}
fields: {at: timestamp, user: string, shop: int64, amount: double}
history: {files: [orders.jsonl], format: jsonl}
---
kind: StreamView
name: spend
entity: user
source: orders
features:
  - {name: n, agg: count, window: 1h}
  - {name: total, agg: sum(amount), window: 1h}
---
kind: OnDemandView
name: ratio
inputs: [spend.total]
request: {basket: double}
features: [{name: r, type: double, expr: "basket / total"}]
---
kind: FeatureService
name: s
features: [spend.*, ratio.r]
log: {sample: 1.0}
`

const orders = `{"at": "2026-01-05T10:00:00Z", "user": "ann", "shop": 1, "amount": 10}
{"at": "2026-01-05T10:10:00Z", "user": "ann", "shop": 1, "amount": "ten"}
{"at": "2026-01-05 10:20:00", "user": "ann", "shop": 1, "amount": 5}
{"at": "2026-01-05T10:30:00Z", "shop": 1, "amount": 5}
{"at": "2026-01-05T10:40:00Z", "user": "ann", "shop": 1, "amount": 2.5}
`

// start replays the orders through a whole node on embedded parts and leaves it
// serving, its clock just after the last of them.
func start(t *testing.T) *node.Node {
	t.Helper()
	ctx, root := context.Background(), t.TempDir()
	for name, text := range map[string]string{"freshet.yaml": "project: shop\n", "orders.jsonl": orders} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := settings.Load(root, settings.Source{})
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	parts, err := node.Open(ctx, s, node.ReplayClock(featurestore.MinInstant), logger, node.NeedOnline|node.NeedLog)
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, parts.Close)
	files := []definition.File{{Path: "d.yaml", Data: []byte(definitions)}}
	project, problems := definition.Load(files)
	if project == nil {
		t.Fatal(problems)
	}
	var targets []registry.Target
	for view, hash := range plan.Targets(project) {
		targets = append(targets, registry.Target{View: view, Hash: hash})
	}
	if _, err := parts.Registry.Apply(ctx, 0, registry.Revision{Files: files}, targets); err != nil {
		t.Fatal(err)
	}
	if err := parts.Log.CreateTopic(ctx, logrecord.TopicSpec{Name: "orders", Partitions: 1, Retention: logrecord.Forever}); err != nil {
		t.Fatal(err)
	}
	n, err := node.Start(ctx, parts, node.Options{
		Role: node.Serve | node.Ingest, Listen: "127.0.0.1:0", Version: "test", Gate: &node.Gate{},
		Replayed: func(*definition.StreamSource) bool { return true },
	})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, n.Stop)
	r, err := replay.Open(ctx, parts.Log, history.New(history.Options{Root: root}), node.Sources(project))
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, r.Close)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := (&node.Drive{Node: n, Replay: r}).Run(ctx); err != nil {
		t.Fatal(err)
	}
	return n
}

func closeAtEnd(t *testing.T, do func() error) {
	t.Cleanup(func() {
		if err := do(); err != nil {
			t.Error(err)
		}
	})
}

func post(t *testing.T, n *node.Node, path, body string) (int, string) {
	t.Helper()
	resp, err := http.Post("http://"+n.Server.Addr()+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(bytes.TrimSpace(b))
}

func TestAThreadOverHTTP(t *testing.T) {
	n := start(t)
	code, body := post(t, n, "/v1/features:get", `{"service": "s", "request_id": "r-1", "include": ["status", "read_time", "event_time"],
		"entities": {"user": ["ann", "bob", null], "shop": [1, 1, 1]}, "request": {"basket": [25.0, 1, 1]}}`)
	want := `{"service":"s","revision":1,"request_id":"r-1",` +
		`"read_time":["2026-01-05T10:40:00.000001Z","2026-01-05T10:40:00.000001Z","2026-01-05T10:40:00.000001Z"],"columns":[` +
		`{"name":"spend__n","type":"int64","values":[2,0,null],"status":["PRESENT","NOT_FOUND","INVALID_KEY"]},` +
		`{"name":"spend__total","type":"double","values":[12.5,0.0,null],"status":["PRESENT","NOT_FOUND","INVALID_KEY"]},` +
		`{"name":"ratio__r","type":"double","values":[2.0,null,null],"status":["PRESENT","NOT_FOUND","INVALID_KEY"]}],` +
		`"views":[{"view":"spend","generation":1,"event_time":["2026-01-05T10:40:00Z",null,null]}]}`
	if code != http.StatusOK || body != want {
		t.Errorf("%d\n%s\nwant\n%s", code, body, want)
	}
	// The record that does not decode and the one without a zone are dead letters; the one without a key is dropped.
	if err := n.Backend.Predlog.Flush(); err != nil {
		t.Fatal(err)
	}
	var s node.Status
	if err := json.Unmarshal([]byte(get(t, n, "/v1/status")), &s); err != nil {
		t.Fatal(err)
	}
	if p := s.Partitions[0]; p.Applied != 5 || p.Dead != 2 || p.Lag != 0 || s.Views[0].Counts.NullKey != 1 || s.Predictions.Logged != 3 {
		t.Errorf("status %+v, counts %+v", s, s.Views[0].Counts)
	}
	said := ""
	for letter, err := range deadletter.Read(n.Parts.LettersDir(), deadletter.Filter{Source: "orders"}) {
		if err != nil {
			t.Fatal(err)
		}
		said += letter.Code + " " + letter.Message + "\n"
	}
	for _, want := range []string{"HISTORY_ROW orders.jsonl, row 1: ", "HISTORY_ROW orders.jsonl, row 2: ", "amount", "zone"} {
		if !strings.Contains(said, want) {
			t.Errorf("the dead letters do not say %q:\n%s", want, said)
		}
	}
	if code, body := post(t, n, "/v1/predictions:log", `{"request_id": "r-1", "model": "m:1", "outputs": {"p": 0.5}}`); code != http.StatusOK {
		t.Errorf("prediction: %d %s", code, body)
	}
	code, body = post(t, n, "/v1/events:write", `{"source": "orders", "events": [{"at": "2026-01-05T10:40:00Z", "user": "ann", "shop": 1}, {"user": "ann"}, 7]}`)
	if code != http.StatusOK || !strings.HasPrefix(body, `{"accepted":1,"rejected":[{"index":1,"reason":"NO_TIMESTAMP`) || !strings.Contains(body, `{"index":2,"reason":"DECODE_JSON`) {
		t.Errorf("events: %d %s", code, body)
	}
}

func get(t *testing.T, n *node.Node, path string) string {
	t.Helper()
	resp, err := http.Get("http://" + n.Server.Addr() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s, %v", path, resp.StatusCode, b, err)
	}
	return string(b)
}

func TestWrongRequests(t *testing.T) {
	n := start(t)
	rows := strings.Repeat(`"x",`, 1000) + `"x"`
	shops := strings.Repeat(`1,`, 1000) + `1`
	for _, c := range []struct {
		path, body string
		code       int
		says       string
	}{
		{"/v1/features:get", `{`, 400, "not JSON"},
		{"/v1/features:get", `[]`, 400, "must be a JSON object"},
		{"/v1/features:get", `{}`, 400, "either a service or a list"},
		{"/v1/features:get", `{"service": "nope", "entities": {}}`, 404, "UNKNOWN_SERVICE"},
		{"/v1/features:get", `{"features": ["spend.nope"], "entities": {}}`, 404, "UNKNOWN_FEATURE"},
		{"/v1/features:get", `{"service": "s", "servce": 1}`, 400, "/servce"},
		{"/v1/features:get", `{"service": "s", "service": "s"}`, 400, "stands twice"},
		{"/v1/features:get", `{"service": "s", "entities": {"user": ["a"]}, "request": {"basket": [1.0]}}`, 400, "/entities/shop"},
		{"/v1/features:get", `{"service": "s", "entities": {"user": ["a"], "shop": ["1"]}, "request": {"basket": [1.0]}}`, 400, "must be int64"},
		{"/v1/features:get", `{"service": "s", "entities": {"user": ["a"], "shop": [1.5]}, "request": {"basket": [1.0]}}`, 400, "must be int64"},
		{"/v1/features:get", `{"service": "s", "entities": {"user": ["a", "b"], "shop": [1]}, "request": {"basket": [1.0]}}`, 400, "has 1 values"},
		{"/v1/features:get", `{"service": "s", "entities": {"user": [], "shop": []}, "request": {"basket": []}}`, 400, "at least one row"},
		{"/v1/features:get", `{"service": "s", "entities": {"user": [` + rows + `], "shop": [` + shops + `]}, "request": {"basket": [` + shops + `]}}`, 400, "1001 rows"},
		{"/v1/features:get", `{"service": "s", "as_of": "2026-01-05 10:00:00", "entities": {}}`, 400, "no zone"},
		{"/v1/features:get", `{"service": "s", "include": ["all"], "entities": {}}`, 400, "is unknown"},
		{"/v1/features:get", `{"service": "` + strings.Repeat("x", 1<<20) + `"}`, 413, "TOO_LARGE"},
		{"/v1/events:write", `{"source": "nope", "events": [{}]}`, 404, "UNKNOWN_SOURCE"},
		{"/v1/events:write", `{"source": "orders"}`, 400, "the body must be"},
		{"/v1/predictions:log", `{"request_id": "r"}`, 400, "the body must be"},
		{"/v1/nothing", `{}`, 404, "UNKNOWN_PATH"},
	} {
		code, body := post(t, n, c.path, c.body)
		if code != c.code || !strings.Contains(body, c.says) {
			t.Errorf("%s %.80s: %d %.300s; want %d and %q", c.path, c.body, code, body, c.code, c.says)
		}
	}
}

func TestBothProtocolsOnOnePort(t *testing.T) {
	n := start(t)
	conn, err := grpc.NewClient(n.Server.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, conn.Close)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if h, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{}); err != nil || h.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("health: %v, %v", h, err)
	}
	client := servingv1.NewFeatureServiceClient(conn)
	text := func(v ...string) *servingv1.InputColumn {
		return &servingv1.InputColumn{Values: &servingv1.Values{Kind: &servingv1.Values_Strings{Strings: &servingv1.StringValues{Values: v}}}}
	}
	number := func(v ...int64) *servingv1.InputColumn {
		return &servingv1.InputColumn{Values: &servingv1.Values{Kind: &servingv1.Values_Int64S{Int64S: &servingv1.Int64Values{Values: v}}}}
	}
	req := &servingv1.GetFeaturesRequest{
		Features: []string{"spend.*"}, Entities: map[string]*servingv1.InputColumn{"user": text("ann", "bob"), "shop": number(1, 1)},
		Include: []servingv1.Include{servingv1.Include_INCLUDE_STATUS, servingv1.Include_INCLUDE_POSITIONS},
	}
	answer, err := client.GetFeatures(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	if c := answer.GetColumns()[1]; c.GetValues().GetDoubles().GetValues()[0] != 12.5 || c.GetStatuses()[1] != servingv1.Status_STATUS_NOT_FOUND {
		t.Errorf("column %v", c)
	}
	if p := answer.GetViews()[0].GetPositions()[0].GetApplied(); len(p) != 1 || p[0].GetOffset() != 4 || p[0].GetSource() != "orders" || p[0].GetGeneration() != 0 {
		t.Errorf("positions %v", p)
	}
	req.Entities["shop"] = text("1", "1")
	if _, err := client.GetFeatures(ctx, req); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "must be int64") {
		t.Errorf("a wrong type: %v", err)
	}
	if _, err := client.GetFeatures(ctx, &servingv1.GetFeaturesRequest{Service: "nope"}); status.Code(err) != codes.NotFound {
		t.Errorf("an unknown service: %v", err)
	}
}

func TestOnlyLoopbackWithoutAuthentication(t *testing.T) {
	for addr, allowed := range map[string]bool{"127.0.0.1:7070": true, "localhost:7070": true, "[::1]:7070": true, "0.0.0.0:7070": false, ":7070": false, "10.0.0.1:7070": false, "example:7070": false} {
		if err := rpc.CheckListen(addr, rpc.LoopbackOnly); (err == nil) != allowed {
			t.Errorf("%s: %v", addr, err)
		}
		if err := rpc.CheckListen(addr, rpc.Insecure); err != nil {
			t.Errorf("%s, insecure: %v", addr, err)
		}
	}
}
