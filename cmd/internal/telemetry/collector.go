package telemetry

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet/freshet/cmd/internal/canary"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/worker"
	"github.com/freshet/freshet/serving/predlog"
	"github.com/freshet/freshet/serving/service"
)

// Parts are what is asked when metrics are read. A nil function, or a nil answer,
// is a part that this process does not have.
type Parts struct {
	Now         func() featurestore.Instant
	Worker      func() *worker.Worker
	Partitions  func() []worker.PartitionStatus // that the worker reads, and how far their logs go
	Catalog     func() *service.Catalog
	State       func(service.Generation) online.State // of its lanes, as people are told
	Predictions func() *predlog.Stats
	Canary      func() *canary.Status
	Store       func() (ok, known bool) // how the online store is set, where no worker says it
	Damaged     func() int64            // lookups of entities whose bytes did not decode

	Generations func() []Generation
	Archives    func() []Archive
	Upkeep      func() *Upkeep
}

// Watch adds the metrics of a process's parts.
func (m *Metrics) Watch(p Parts) { m.registry.MustRegister(&collector{p}) }

// collector reads the parts when it is asked: nothing is kept twice.
type collector struct{ parts Parts }

// Describe implements prometheus.Collector: which metrics there are depends on
// the definitions in force.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	if w := c.parts.Worker(); w != nil {
		c.partitions(out, w)
		c.views(out, w)
		audit(out, w.AuditStatus())
		archives(out, c.parts.Archives(), w.Progress().Statuses())
		lost(out, w.Missing(), w.Progress().Statuses())
	}
	if ok, known := c.parts.Store(); known {
		storeIs(out, ok)
	}
	generations(out, c.parts.Generations())
	if u := c.parts.Upkeep(); u != nil {
		compactions(out, u)
	}
	if s := c.parts.Canary(); s != nil {
		canaryOf(out, s)
	}
	if catalog := c.parts.Catalog(); catalog != nil {
		c.answering(out, catalog)
	}
	if s := c.parts.Predictions(); s != nil {
		counter(out, predictions, float64(s.Logged), "logged")
		counter(out, predictions, float64(s.Dropped), "dropped")
		counter(out, predictions, float64(s.Lost), "lost")
	}
	counter(out, damagedReads, float64(c.parts.Damaged()))
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("freshet_"+name, help, labels, nil)
}

var (
	lagRecords = desc("consumer_lag_records", "Committed records of a partition that are not applied yet.", "source", "generation", "partition")
	lagSeconds = desc("consumer_lag_seconds", "Age of the newest applied record of a partition that has others behind it; 0 at its end.", "source", "generation", "partition")
	offset     = desc("consumer_offset", "The next offset of a partition to be applied.", "source", "generation", "partition")
	troubled   = desc("consumer_troubled", "1 while a partition cannot go on; `freshet status` says why.", "source", "generation", "partition")
	records    = desc("records_total", "Records read, by what became of them: event, dead_letter, tombstone.", "source", "generation", "partition", "outcome")
	invalid    = desc("invalid_values_total", "Typed NaN and infinities, read as null.", "source", "generation", "partition")

	viewEvents  = desc("view_events_total", "Events that a view has seen, by outcome; read again after a rewind, they count again.", "view", "generation", "outcome")
	failedExpr  = desc("view_failed_expressions_total", "Expressions that failed on an event and gave null.", "view", "generation")
	laneBatches = desc("lane_batches_total", "Lane batches by the store's answer: applied, conflict, refused, unknown.", "view", "generation", "outcome")
	rewinds     = desc("rewinds_total", "Times a view went back to the store's watermarks.", "view", "generation")
	entities    = desc("damaged_entities_total", "Entities whose stored bytes did not decode, by what became of them: found, rebuilt.", "view", "generation", "outcome")
	storeOK     = desc("online_store_ok", "1 while the online store's settings are as they must be.")

	watermarkAge = desc("watermark_age_seconds", "Age of a view's watermark.", "view", "generation")
	viewState    = desc("view_state", "1; the label is the state of the view, as `freshet status` shows it; CATCHING_UP also while the online store does not answer.", "view", "generation", "state")
	revision     = desc("revision", "The revision of the definitions that answers.")

	canaryState    = desc("canary_state", "1; the label is the state of this process's canary, as `freshet status` shows it.", "state")
	canaryRecords  = desc("canary_records_total", "The canary's records, by what became of them: written, served.", "outcome")
	canaryFindings = desc("canary_findings_total", "Keys of the canary that were found to be wrong: loss, double.", "kind")
	canaryWrong    = desc("canary_wrong", "Keys of the canary that are wrong now.")
	canaryWaiting  = desc("canary_waiting_seconds", "Age of the oldest record of the canary that lookups do not see yet; 0 where they see all.")

	predictions  = desc("predictions_total", "Logged predictions, by what became of them.", "outcome")
	damagedReads = desc("damaged_reads_total", "Lookups, entity by entity, whose stored bytes did not decode.")
)

func gauge(out chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func counter(out chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

func (c *collector) partitions(out chan<- prometheus.Metric, w *worker.Worker) {
	now := c.parts.Now()
	for _, s := range c.parts.Partitions() {
		at := []string{s.Partition.Source, strconv.Itoa(int(s.Partition.Generation)), strconv.Itoa(int(s.Partition.Number))}
		lag, age, trouble := s.Lag(), 0.0, 0.0
		if lag > 0 && s.Events > 0 {
			age = since(now, featurestore.Instant(s.LogTime))
		}
		if s.Trouble != "" {
			trouble = 1
		}
		gauge(out, lagRecords, float64(lag), at...)
		gauge(out, lagSeconds, age, at...)
		gauge(out, offset, float64(s.Through+1), at...)
		gauge(out, troubled, trouble, at...)
		counter(out, records, float64(s.Events), append(at, "event")...)
		counter(out, records, float64(s.Dead), append(at, "dead_letter")...)
		counter(out, records, float64(s.Silent), append(at, "tombstone")...)
		counter(out, invalid, float64(s.Invalid), at...)
	}
	storeIs(out, w.Progress().StoreTrouble() == "")
}

func storeIs(out chan<- prometheus.Metric, ok bool) {
	v := 0.0
	if ok {
		v = 1
	}
	gauge(out, storeOK, v)
}

func canaryOf(out chan<- prometheus.Metric, s *canary.Status) {
	gauge(out, canaryState, 1, s.State)
	counter(out, canaryRecords, float64(s.Written), "written")
	counter(out, canaryRecords, float64(s.Served), "served")
	counter(out, canaryFindings, float64(s.Losses), string(canary.Loss))
	counter(out, canaryFindings, float64(s.Doubles), string(canary.Double))
	gauge(out, canaryWrong, float64(s.Wrong))
	gauge(out, canaryWaiting, s.Waiting)
}

func (c *collector) views(out chan<- prometheus.Metric, w *worker.Worker) {
	for id, n := range w.ViewCounts() {
		at := []string{id.View, strconv.Itoa(int(id.Number))}
		for outcome, v := range map[string]int64{
			"folded": n.Folded, "pending": n.Pending, "duplicate": n.Duplicate, "late": n.Late,
			"filtered": n.Filtered, "before_cutover": n.Before, "null_key": n.NullKey, "long_key": n.LongKey,
		} {
			counter(out, viewEvents, float64(v), append(at, outcome)...)
		}
		counter(out, failedExpr, float64(n.FailedExpr), at...)
		for outcome, v := range map[string]int64{"applied": n.Batches, "conflict": n.Conflicts, "refused": n.Refused, "unknown": n.Unknown} {
			counter(out, laneBatches, float64(v), append(at, outcome)...)
		}
		counter(out, rewinds, float64(n.Rewinds), at...)
		counter(out, entities, float64(n.Damaged), append(at, "found")...)
		counter(out, entities, float64(n.Rebuilt), append(at, "rebuilt")...)
	}
}

func (c *collector) answering(out chan<- prometheus.Metric, catalog *service.Catalog) {
	now := c.parts.Now()
	gauge(out, revision, float64(catalog.Revision))
	for view, g := range catalog.Generations {
		at := []string{view, strconv.Itoa(int(g.ID.Number))}
		if g.HasWatermark {
			gauge(out, watermarkAge, since(now, g.Watermark), at...)
		}
		gauge(out, viewState, 1, append(at, worker.ConditionOf(view, c.parts.State(g)).State)...)
	}
}
