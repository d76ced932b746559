package node

import (
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/worker"
	"github.com/freshet/freshet/serving/predlog"
	"github.com/freshet/freshet/serving/service"
)

// Status is what `freshet status` shows.
type Status struct {
	Project     string            `json:"project"`
	Revision    int64             `json:"revision"`
	Clock       string            `json:"clock"`
	Replaying   bool              `json:"replaying,omitempty"`
	Partitions  []PartitionStatus `json:"partitions"`
	Views       []ViewStatus      `json:"views"`
	Predictions *predlog.Stats    `json:"predictions,omitempty"`

	// Generations are all that the registry lists; Registry is why it could not be asked.
	Generations []GenerationStatus `json:"generations,omitempty"`
	Registry    string             `json:"registry,omitempty"`
	Audit       *AuditStatus       `json:"audit,omitempty"` // of this process; only the ingester that leads audits

	// Store is what is wrong with the online store's settings.
	Store string `json:"store,omitempty"`
	// DamagedReads are the lookups, entity by entity, whose stored bytes did not decode.
	DamagedReads int64 `json:"damaged_reads,omitempty"`
}

// PartitionStatus is one partition of a source.
type PartitionStatus struct {
	Source     string `json:"source"`
	Generation uint32 `json:"generation"`
	Partition  int32  `json:"partition"`
	Applied    int64  `json:"applied"` // records, from the log's beginning
	Lag        int64  `json:"lag"`     // records
	LogTime    string `json:"log_time,omitempty"`
	Events     int64  `json:"events"`
	Dead       int64  `json:"dead_letters"`
	Tombstones int64  `json:"tombstones,omitempty"`     // records of change feeds that say nothing
	Invalid    int64  `json:"invalid_values,omitempty"` // typed NaN and infinities, read as null
	Trouble    string `json:"trouble,omitempty"`
}

// ViewStatus is one view that answers.
type ViewStatus struct {
	View       string         `json:"view"`
	Generation uint32         `json:"generation"`
	State      string         `json:"state"` // LIVE, HALTED or REBUILDING
	Watermark  string         `json:"watermark,omitempty"`
	Counts     *worker.Counts `json:"counts,omitempty"`
}

// statusOf gathers a status; w and p may be nil.
func statusOf(project string, now featurestore.Instant, c *service.Catalog, w *worker.Worker, p *predlog.Logger) Status {
	s := Status{Project: project, Clock: now.String(), Partitions: []PartitionStatus{}, Views: []ViewStatus{}}
	if w != nil {
		s.Store = w.Progress().StoreTrouble()
		for _, x := range w.Progress().Statuses() {
			s.Partitions = append(s.Partitions, partitionStatus(x))
		}
		s.Audit = auditStatus(w.AuditStatus())
	}
	if c != nil {
		s.Revision = c.Revision
		s.Views = viewStatuses(c, w)
	}
	if p != nil {
		stats := p.Stats()
		s.Predictions = &stats
	}
	slices.SortFunc(s.Partitions, func(a, b PartitionStatus) int {
		if d := strings.Compare(a.Source, b.Source); d != 0 {
			return d
		}
		return int(a.Partition - b.Partition)
	})
	return s
}

func partitionStatus(x worker.PartitionStatus) PartitionStatus {
	s := PartitionStatus{
		Source: x.Partition.Source, Generation: x.Partition.Generation, Partition: x.Partition.Number,
		Applied: x.Through + 1, Lag: max(0, x.End-x.Through-1), Events: x.Events, Dead: x.Dead, Tombstones: x.Silent, Invalid: x.Invalid, Trouble: x.Trouble,
	}
	if x.Events > 0 {
		s.LogTime = x.LogTime.String()
	}
	return s
}

func viewStatuses(c *service.Catalog, w *worker.Worker) []ViewStatus {
	out := []ViewStatus{}
	counts := map[string]*worker.Counts{}
	if w != nil {
		for id, n := range w.ViewCounts() {
			if g := c.Generations[id.View]; g.ID == id {
				counts[id.View] = &n
			}
		}
	}
	names := []string{}
	for _, v := range c.Project.StreamViews {
		names = append(names, v.Name)
	}
	for _, v := range c.Project.BatchViews {
		names = append(names, v.Name)
	}
	slices.Sort(names)
	for _, name := range names {
		g := c.Generations[name]
		v := ViewStatus{View: name, Generation: g.ID.Number, State: g.State(), Counts: counts[name]}
		if g.HasWatermark {
			v.Watermark = g.Watermark.String()
		}
		out = append(out, v)
	}
	return out
}
