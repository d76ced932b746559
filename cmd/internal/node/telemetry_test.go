package node_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"

	"github.com/freshet/freshet/cmd/internal/telemetry"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/logrecord"
)

// spans is a collector that keeps what it is sent.
type spans struct {
	collector.UnimplementedTraceServiceServer
	mu   sync.Mutex
	list []*trace.Span
}

func (s *spans) Export(_ context.Context, in *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range in.GetResourceSpans() {
		for _, scope := range r.GetScopeSpans() {
			s.list = append(s.list, scope.GetSpans()...)
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

func (s *spans) named(name string) (out []*trace.Span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, span := range s.list {
		if span.GetName() == name {
			out = append(out, span)
		}
	}
	return out
}

func startCollector(t *testing.T) (*spans, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, server := &spans{}, grpc.NewServer()
	collector.RegisterTraceServiceServer(server, s)
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s, l.Addr().String()
}

func ask(t *testing.T, addr, path string) (int, string) {
	t.Helper()
	resp, err := http.Get("http://" + addr + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

const (
	traceID  = "0af7651916cd43dd8448eb211c80319c"
	parentID = "b7ad6b7169203331"
)

// TestAnIngesterShowsItself: an ingester without an API has metrics with the names
// of the field, says what hinders it, and ends the trace of a record whose headers
// carry one once lookups see it.
func TestAnIngesterShowsItself(t *testing.T) {
	got, endpoint := startCollector(t)
	n, _ := openNode(t, []definition.File{{Path: "d.yaml", Data: []byte(salesDefinitions)}},
		"project: shop\nadmin: {listen: \"127.0.0.1:0\"}\ntraces: {otlp: \""+endpoint+"\", sample: 1}\n")
	sampled := logrecord.Headers(nil).Append("traceparent", []byte("00-"+traceID+"-"+parentID+"-01"))
	other := logrecord.Headers(nil).Append("traceparent", []byte("00-11111111111111111111111111111111-"+parentID+"-00"))
	sale := func(value string, h logrecord.Headers) logrecord.Record {
		return logrecord.Record{LogTime: begin * 1000, Key: []byte("ann"), Value: []byte(value), Headers: h}
	}
	good := fmt.Sprintf(`{"at":%d,"amount":1}`, begin)
	waitFor(t, n, "sales", 0, produce(t, n, "sales", 0, sale(good, sampled), sale(good, other), sale("{", nil)))
	addr := n.Admin.Addr()
	_, text := ask(t, addr, "/metrics")
	for _, want := range []string{
		`freshet_consumer_lag_records{generation="1",partition="0",source="sales"} 0`,
		`freshet_consumer_offset{generation="1",partition="0",source="sales"} 3`,
		`freshet_records_total{generation="1",outcome="dead_letter",partition="0",source="sales"} 1`,
		`freshet_view_events_total{generation="1",outcome="late",view="spend"} `,
		`freshet_rewinds_total{generation="1",view="spend"} `,
		`freshet_event_to_served_seconds_count{source="sales"} `,
		`freshet_store_apply_seconds_count{view="spend"} `,
		`freshet_store_written_bytes_total{view="spend"} `,
		`freshet_online_store_ok 1`,
		`freshet_generation_state{generation="1",state="LIVE",view="spend"} 1`,
		`freshet_audit_runs_total 0`, `freshet_audit_last_end_timestamp_seconds 0`,
		`freshet_audit_entities_total{outcome="mismatched"} 0`,
		`freshet_history_unsealed_records{generation="1",partition="0",source="sales"} `,
		`freshet_history_upkeep_failures_total 0`,
		`freshet_build_info{version="test"} 1`,
		"go_goroutines ", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	eventually(t, "the state and the watermark", func() bool {
		_, text := ask(t, addr, "/metrics")
		return strings.Contains(text, `freshet_view_state{generation="1",state="RUNNING",view="spend"} 1`) &&
			regexp.MustCompile(`freshet_watermark_age_seconds\{generation="1",view="spend"\} \d`).MatchString(text)
	})
	for path, want := range map[string]string{"/livez": "ok\n", "/readyz": "ok\n", "/version": "test\n", "/debug/pprof/cmdline": ""} {
		if code, body := ask(t, addr, path); code != http.StatusOK || want != "" && body != want {
			t.Errorf("%s: %d %q", path, code, body)
		}
	}
	if _, body := ask(t, addr, "/status"); !strings.Contains(body, `"dead_letters":1`) {
		t.Errorf("status: %s", body)
	}
	if err := n.Stop(); err != nil { // what is queued is sent
		t.Fatal(err)
	}
	list := got.named("ingest sales")
	if len(list) != 1 || hex.EncodeToString(list[0].GetTraceId()) != traceID || hex.EncodeToString(list[0].GetParentSpanId()) != parentID {
		t.Fatalf("spans %v", list)
	}
	if text := list[0].String(); !strings.Contains(text, "messaging.kafka.offset") || !strings.Contains(text, "shop") && !strings.Contains(text, "sales") {
		t.Errorf("the span lacks its position: %s", text)
	}
}

// TestATraceGoesOn: a request's trace goes on in the headers of the records that it
// writes, and its span has the answer's code.
func TestATraceGoesOn(t *testing.T) {
	got, endpoint := startCollector(t)
	tracer, err := telemetry.NewTracer(t.Context(), telemetry.TraceConfig{Endpoint: endpoint, Sample: 0, Service: "freshet.shop", Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := tracer.Begin(t.Context(), "WriteEvents", func(key string) string {
		return map[string]string{"traceparent": "00-" + traceID + "-" + parentID + "-01"}[key]
	})
	carried := map[string]string{}
	tracer.Inject(ctx, func(key, value string) { carried[key] = value })
	end("UNAVAILABLE")
	_, unsampled := tracer.Begin(t.Context(), "GetFeatures", func(string) string { return "" })
	unsampled("OK")
	if err := tracer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	list := got.named("WriteEvents")
	if len(list) != 1 || len(got.list) != 1 {
		t.Fatalf("spans %v", got.list)
	}
	want := "00-" + traceID + "-" + hex.EncodeToString(list[0].GetSpanId()) + "-01"
	if carried["traceparent"] != want || hex.EncodeToString(list[0].GetParentSpanId()) != parentID || !strings.Contains(list[0].String(), "UNAVAILABLE") {
		t.Errorf("carried %v, want %s; the span %v", carried, want, list[0])
	}
}
