package node_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/deadletter"
	"github.com/freshet/freshet/ingest/logrecord"
	servingv1 "github.com/freshet/freshet/serving/api/v1"
)

// attributes are a span's, as text.
func attributes(s *v1.Span) map[string]string {
	out := map[string]string{}
	for _, a := range s.GetAttributes() {
		if v := a.GetValue(); v.GetStringValue() != "" {
			out[a.GetKey()] = v.GetStringValue()
		} else {
			out[a.GetKey()] = fmt.Sprint(v.GetIntValue())
		}
	}
	return out
}

// TestATraceFromEndToEnd follows three traces to a collector: of an HTTP request, of
// a gRPC request, and of a producer that is not ours. The span of the ingest hangs
// below the request's, or the producer's, and says where the record lies and how long
// it took until lookups saw it. What decides nothing of itself is not sampled. The
// span of a record that does not decode is an error, and the dead letter has its context.
func TestATraceFromEndToEnd(t *testing.T) {
	got, endpoint := startCollector(t)
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "freshet.yaml"), fmt.Appendf(nil, "project: shop\ntraces: {otlp: %q, sample: 0.0001}\n", endpoint), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := settings.Load(root, settings.Source{})
	if err != nil {
		t.Fatal(err)
	}
	parts, err := node.Open(t.Context(), s, node.WallClock(), slog.New(slog.DiscardHandler), node.NeedOnline|node.NeedLog)
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, parts.Close)
	applyFiles(t, parts, 0, []definition.File{{Path: "d.yaml", Data: []byte(strings.Replace(salesDefinitions, ", key: user", "", 1))}})
	if err := parts.Log.CreateTopic(t.Context(), logrecord.TopicSpec{Name: "sales", Partitions: 2, Retention: logrecord.Forever}); err != nil {
		t.Fatal(err)
	}
	n, err := node.Start(context.Background(), parts, node.Options{Role: node.Serve | node.Ingest, Listen: "127.0.0.1:0", Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, n.Stop)

	parent := func(trace byte) string {
		return "00-" + strings.Repeat(fmt.Sprintf("%02x", trace), 16) + "-" + parentID + "-01"
	}
	event := fmt.Sprintf(`{"user": "ann", "amount": 1, "at": %d}`, time.Now().UnixMilli())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+n.Server.Addr()+"/v1/events:write", strings.NewReader(`{"source": "sales", "events": [`+event+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("traceparent", parent(1))
	req.Header.Set("tracestate", "vendor=one")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, err)
	}
	conn, err := grpc.NewClient(n.Server.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, conn.Close)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", parent(2))
	if _, err := servingv1.NewFeatureServiceClient(conn).WriteEvents(ctx, &servingv1.WriteEventsRequest{Source: "sales", JsonEvents: [][]byte{[]byte(event)}}); err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	with := func(value, parent string) logrecord.Record {
		return logrecord.Record{LogTime: featurestore.LogTime(featurestore.InstantOf(time.Now())), Value: []byte(value), Headers: logrecord.Headers(nil).Append("traceparent", []byte(parent)).Append("tracestate", []byte("vendor=three"))}
	}
	base, err := n.Parts.Log.Produce(t.Context(), "sales", 1, []logrecord.Record{with(event, parent(3)), with("{", parent(4)), with(event, strings.TrimSuffix(parent(5), "1")+"0"), with(event, "no context")})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "everything is applied", func() bool {
		events, dead := int64(0), int64(0)
		for _, p := range n.Worker.Progress().Statuses() {
			events, dead = events+p.Events, dead+p.Dead
		}
		return events == 5 && dead == 1
	})
	if err := n.Stop(); err != nil { // what is queued is sent
		t.Fatal(err)
	}

	ingests := map[string]*v1.Span{}
	for _, span := range got.named("ingest sales") {
		ingests[hex.EncodeToString(span.GetTraceId()[:1])] = span
	}
	if len(ingests) != 4 || len(got.named("ingest sales")) != 4 {
		t.Fatalf("spans of the ingest: %v", ingests)
	}
	requests := got.named("WriteEvents")
	if len(requests) != 2 {
		t.Fatalf("spans of requests: %v", requests)
	}
	for i, request := range requests {
		trace := hex.EncodeToString(request.GetTraceId()[:1])
		ingest := ingests[trace]
		if ingest == nil || hex.EncodeToString(request.GetParentSpanId()) != parentID || string(ingest.GetParentSpanId()) != string(request.GetSpanId()) || request.GetKind() != v1.Span_SPAN_KIND_SERVER {
			t.Errorf("request %d: %v, its ingest %v", i, request, ingest)
		}
	}
	if s := ingests["01"].GetTraceState(); s != "vendor=one" {
		t.Errorf("the trace state of the request is %q", s)
	}
	foreign := ingests["03"]
	said := attributes(foreign)
	if hex.EncodeToString(foreign.GetParentSpanId()) != parentID || foreign.GetTraceState() != "vendor=three" || foreign.GetKind() != v1.Span_SPAN_KIND_CONSUMER ||
		said["messaging.system"] != "kafka" || said["messaging.destination.name"] != "sales" || said["messaging.destination.partition.id"] != "1" || said["messaging.kafka.offset"] != fmt.Sprint(base) || said["freshet.source"] != "sales" {
		t.Errorf("the producer's trace goes on as %v, %v", foreign, said)
	}
	if from, to := foreign.GetStartTimeUnixNano(), foreign.GetEndTimeUnixNano(); from > to || from+uint64(time.Second) < uint64(before.UnixNano()) || to > uint64(time.Now().UnixNano()) {
		t.Errorf("the span lasts from %d to %d", from, to)
	}
	if dead := ingests["04"]; dead.GetStatus().GetCode() != v1.Status_STATUS_CODE_ERROR || attributes(dead)["error.type"] != "DECODE_JSON" || foreign.GetStatus().GetCode() != v1.Status_STATUS_CODE_UNSET {
		t.Errorf("the trace of a dead letter: %v", dead)
	}
	letters := 0
	for letter, err := range deadletter.Read(n.Parts.LettersDir(), deadletter.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		letters++
		again := letter.Record()
		if v, _ := again.Headers.Get("traceparent"); string(v) != parent(4) {
			t.Errorf("a letter that is replayed carries %q", v)
		}
	}
	if letters != 1 {
		t.Errorf("%d letters", letters)
	}
}
