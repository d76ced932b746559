package node

import (
	"context"
	"slices"
	"strings"

	"github.com/freshet/freshet/cmd/internal/canary"
	"github.com/freshet/freshet/featurestore/registry"
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
	Sources     []SourceStatus    `json:"sources,omitempty"` // whose topic was accepted as a new log
	Predictions *predlog.Stats    `json:"predictions,omitempty"`

	// Generations are all that the registry lists; Registry is why it could not be asked.
	Generations []GenerationStatus `json:"generations,omitempty"`
	Registry    string             `json:"registry,omitempty"`
	Audit       *AuditStatus       `json:"audit,omitempty"`  // of this process; only the ingester that leads audits
	Canary      *canary.Status     `json:"canary,omitempty"` // of this process; only an ingester has one

	// Archives are the events at rest, by source.
	Archives []ArchiveStatus `json:"archives,omitempty"`

	// Store is what is wrong with the online store's settings, or that it does not answer.
	Store string `json:"store,omitempty"`
	// Log is that the log does not answer. It is asked where a view is late.
	Log string `json:"log,omitempty"`
	// DamagedReads are the lookups, entity by entity, whose stored bytes did not decode.
	DamagedReads int64 `json:"damaged_reads,omitempty"`

	heldUp bool // the ingester of this process does not say anything
}

// statusWithin bounds how long a status takes, whatever hangs and however many views
// there are. What is not known by then it does without.
const statusWithin = 2 * reachWithin

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
	Refilled   int64  `json:"refilled,omitempty"`       // offsets that came from history, because the log held them no longer, or not all of them
	Trouble    string `json:"trouble,omitempty"`
}

// status gathers a status; w and predictions may be nil.
func (p *Parts) status(c *service.Catalog, w *worker.Worker, predictions *predlog.Logger) Status {
	ctx, cancel := context.WithTimeout(context.Background(), statusWithin)
	defer cancel()
	s := Status{Project: p.Settings.Project, Clock: p.Clock.Now().String(), Partitions: []PartitionStatus{}, Views: []ViewStatus{}, Sources: p.sourceStatuses(ctx)}
	said, log := &said{}, p.asksLog()
	defer log.close()
	if w != nil {
		asked := p.asks(w)
		for _, x := range p.partitions(c, w, log) {
			s.Partitions = append(s.Partitions, partitionStatus(x))
		}
		said = <-asked
		s.Store, s.Audit, s.heldUp = w.Progress().StoreTrouble(), auditStatus(said.audit), !said.answered
	}
	if c != nil {
		s.Revision = c.Revision
		s.Views = p.viewStatuses(ctx, c, looks{w, said, log})
	}
	if log.silent != nil {
		s.Log = log.silent.Error()
	}
	s.Archives = withRemoved(withMissing(p.archiveStatuses(), said.missing), said.removed)
	if predictions != nil {
		stats := predictions.Stats()
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

// StatusWithoutStore is what is known where the online store does not answer, and no
// process that has seen it before: what the registry and the files say. Why is the error
// of the store.
func (p *Parts) StatusWithoutStore(ctx context.Context, why error) (*Status, error) {
	ctx, cancel := context.WithTimeout(ctx, statusWithin)
	defer cancel()
	number, err := p.Registry.CurrentNumber(ctx)
	if err != nil {
		return nil, err
	}
	s := p.status(nil, nil, nil)
	s.Revision, s.Store = number, why.Error()
	if s.Generations, err = p.generations(ctx, nil); err != nil || number == 0 {
		return &s, err
	}
	project, err := p.project(ctx, number)
	if err != nil {
		return nil, err
	}
	for _, name := range storedViews(project) {
		v := ViewStatus{View: name, Condition: storeSilent()}
		for _, g := range s.Generations {
			if g.View == name && g.State == string(registry.Live) {
				v.Generation = g.Generation
			}
		}
		s.Views = append(s.Views, v)
	}
	return &s, nil
}

// Known reports whether anybody has said how the view is.
func (v *ViewStatus) Known() bool { return v.State != StateNotKnown }

// StateNotKnown is that of a view where nobody can say how it is: the online store does
// not answer.
const StateNotKnown = "UNKNOWN"

// storeNext leads on where the online store does not answer.
const storeNext = "freshet doctor"

// storeSilent is the condition of a view of which only the online store knows how it is,
// while that does not answer.
func storeSilent() worker.Condition {
	return worker.Condition{State: StateNotKnown, Reason: "not known: the online store does not answer, see store", Next: storeNext}
}

func partitionStatus(x worker.PartitionStatus) PartitionStatus {
	s := PartitionStatus{
		Source: x.Partition.Source, Generation: x.Partition.Generation, Partition: x.Partition.Number,
		Applied: x.Through + 1, Lag: x.Lag(), Events: x.Events, Dead: x.Dead, Tombstones: x.Silent, Invalid: x.Invalid, Refilled: x.Refilled, Trouble: x.Trouble,
	}
	if x.Events > 0 {
		s.LogTime = x.LogTime.String()
	}
	return s
}
