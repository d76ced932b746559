package telemetry

import (
	"context"
	"crypto/tls"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/credentials"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/worker"
)

// TraceConfig says where spans go.
type TraceConfig struct {
	Endpoint string // host:port of a collector that speaks OTLP over gRPC
	TLS      *tls.Config
	Sample   float64 // share of the traces that begin here; those begun elsewhere decide for themselves
	Service  string  // service.name
	Version  string
}

// Tracer makes the spans of a process. Spans that cannot be sent are dropped
// after a bounded queue; nothing waits for the collector.
type Tracer struct {
	provider   *sdktrace.TracerProvider
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
}

// NewTracer connects lazily: a collector that is not there hinders nothing.
func NewTracer(ctx context.Context, c TraceConfig) (*Tracer, error) {
	security := otlptracegrpc.WithInsecure()
	if c.TLS != nil {
		security = otlptracegrpc.WithTLSCredentials(credentials.NewTLS(c.TLS))
	}
	exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(c.Endpoint), security)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	about := resource.NewSchemaless(attribute.String("service.name", c.Service), attribute.String("service.version", c.Version))
	p := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter), sdktrace.WithResource(about),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(c.Sample))))
	return &Tracer{provider: p, tracer: p.Tracer("github.com/freshet/freshet"), propagator: propagation.TraceContext{}}, nil
}

// Close sends what is queued, as long as ctx allows.
func (t *Tracer) Close(ctx context.Context) error { return t.provider.Shutdown(ctx) }

// Begin begins the span of a request; get reads the headers that came with it. The
// returned function ends it with the answer's code.
func (t *Tracer) Begin(ctx context.Context, name string, get func(string) string) (context.Context, func(code string)) {
	ctx = t.propagator.Extract(ctx, headers(get))
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer))
	return ctx, func(code string) {
		span.SetAttributes(attribute.String("rpc.response.status_code", code))
		span.End()
	}
}

// Inject gives the headers by which a context's trace goes on elsewhere.
func (t *Tracer) Inject(ctx context.Context, set func(key, value string)) {
	carrier := propagation.MapCarrier{}
	t.propagator.Inject(ctx, carrier)
	for _, key := range t.propagator.Fields() {
		if v := carrier.Get(key); v != "" {
			set(key, v)
		}
	}
}

// applied makes a span for each record that belongs to a sampled trace: from the
// fetch that gave it to the moment when lookups see it. That of a dead letter is an
// error, with its code.
func (t *Tracer) applied(topic string, p online.Partition, records []worker.Traced, now featurestore.Instant) {
	for _, r := range records {
		ctx := t.propagator.Extract(context.Background(), propagation.MapCarrier{worker.TraceParent: r.Parent, worker.TraceState: r.State})
		if !trace.SpanContextFromContext(ctx).IsSampled() {
			continue
		}
		_, span := t.tracer.Start(ctx, "ingest "+topic, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(r.Fetch.Time()), trace.WithAttributes(
			attribute.String("messaging.system", "kafka"), attribute.String("messaging.destination.name", topic),
			attribute.String("messaging.destination.partition.id", fmt.Sprint(p.Number)), attribute.Int64("messaging.kafka.offset", r.Offset),
			attribute.String("freshet.source", p.Source)))
		if r.Dead != "" {
			span.SetAttributes(attribute.String("error.type", r.Dead))
			span.SetStatus(codes.Error, "dead letter: "+r.Dead)
		}
		span.End(trace.WithTimestamp(now.Time()))
	}
}

// headers reads headers of any kind.
type headers func(string) string

// Get implements propagation.TextMapCarrier.
func (h headers) Get(key string) string { return h(key) }

// Set implements propagation.TextMapCarrier: these headers are read only.
func (headers) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (headers) Keys() []string { return nil }
