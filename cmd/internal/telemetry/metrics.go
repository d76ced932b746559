package telemetry

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/worker"
	"github.com/freshet/freshet/serving/rpc"
)

// Metrics are the metrics of one process.
type Metrics struct {
	registry *prometheus.Registry
	tracer   *Tracer
	now      func() featurestore.Instant

	applySeconds  *prometheus.HistogramVec
	applyLanes    *prometheus.HistogramVec
	applyEntities *prometheus.HistogramVec
	written       *prometheus.CounterVec
	largest       *prometheus.HistogramVec
	served        *prometheus.HistogramVec
	batchEvents   *prometheus.HistogramVec
	requests      *prometheus.HistogramVec
	canary        prometheus.Histogram
}

// seconds are the bounds of durations: 100 us to 100 s.
var seconds = []float64{1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 100}

// NewMetrics registers the metrics of a process of that version. now is the clock
// of event-to-served delays; tracer may be nil.
func NewMetrics(version string, now func() featurestore.Instant, tracer *Tracer) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(), tracer: tracer, now: now,
		applySeconds:  histogram("freshet_store_apply_seconds", "Time from sending a group of lane batches to the online store's answers.", seconds, "view"),
		applyLanes:    histogram("freshet_store_apply_lanes", "Lane batches (scripts) in one group.", []float64{1, 2, 4, 8, 16, 32, 64, 128, 256}, "view"),
		applyEntities: histogram("freshet_store_apply_entities", "Entities written by one group of lane batches.", []float64{0, 1, 10, 100, 1000, 10_000, 100_000}, "view"),
		written:       prometheus.NewCounterVec(prometheus.CounterOpts{Name: "freshet_store_written_bytes_total", Help: "Bytes of entity states sent to the online store."}, []string{"view"}),
		largest:       histogram("freshet_store_largest_state_bytes", "Bytes written of the largest entity state of a group of lane batches that writes any.", []float64{64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20}, "view"),
		batchEvents:   histogram("freshet_batch_events", "Events of a batch: what is read of a partition, applied and acknowledged together.", []float64{1, 10, 100, 1000, 10_000, 100_000}, "source"),
		served:        histogram("freshet_event_to_served_seconds", "Log time of the oldest event of a batch to the moment when lookups see the batch.", seconds, "source"),
		requests:      histogram("freshet_request_seconds", "Duration of requests to the API.", seconds, "method", "code"),
		canary:        prometheus.NewHistogram(prometheus.HistogramOpts{Name: "freshet_canary_event_to_served_seconds", Help: "A round of the canary's records, from before it is sent to the log until lookups see all of it.", Buckets: seconds}),
	}
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "freshet_build_info", Help: "1; the label is the version."}, []string{"version"})
	info.WithLabelValues(version).Set(1)
	m.registry.MustRegister(m.applySeconds, m.applyLanes, m.applyEntities, m.written, m.largest, m.served, m.batchEvents, m.requests, m.canary, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
}

// Handler writes the metrics in Prometheus' text form.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

var (
	_ worker.Observer = (*Metrics)(nil)
	_ rpc.Observer    = (*Metrics)(nil)
)

// Applying implements worker.Observer.
func (m *Metrics) Applying(view string, g worker.Group) func() {
	start := time.Now()
	m.applyLanes.WithLabelValues(view).Observe(float64(g.Batches))
	m.applyEntities.WithLabelValues(view).Observe(float64(g.Entities))
	m.written.WithLabelValues(view).Add(float64(g.Bytes))
	if g.Entities > 0 {
		m.largest.WithLabelValues(view).Observe(float64(g.Largest))
	}
	return func() { m.applySeconds.WithLabelValues(view).Observe(time.Since(start).Seconds()) }
}

// Served implements worker.Observer. A replay's log times lie far back: its delays
// say nothing, and fall into the last bucket.
func (m *Metrics) Served(p online.Partition, events int, oldest featurestore.LogTime) {
	m.batchEvents.WithLabelValues(p.Source).Observe(float64(events))
	m.served.WithLabelValues(p.Source).Observe(since(m.now(), featurestore.Instant(oldest)))
}

// CanaryServed is told how long a round of the canary took.
func (m *Metrics) CanaryServed(d time.Duration) { m.canary.Observe(d.Seconds()) }

// Traced implements worker.Observer.
func (m *Metrics) Traced(topic string, p online.Partition, records []worker.Traced) {
	if m.tracer != nil {
		m.tracer.applied(topic, p, records, m.now())
	}
}

// Begin implements rpc.Observer.
func (m *Metrics) Begin(ctx context.Context, method string, header func(string) string) (context.Context, func(code string)) {
	start, end := time.Now(), func(string) {}
	if m.tracer != nil {
		ctx, end = m.tracer.Begin(ctx, method, header)
	}
	return ctx, func(code string) {
		m.requests.WithLabelValues(method, code).Observe(time.Since(start).Seconds())
		end(code)
	}
}

// since is the time from an instant to a later one, in seconds; 0 where clocks differ.
func since(now, then featurestore.Instant) float64 {
	return max(0, featurestore.Duration(now-then).Std().Seconds())
}
