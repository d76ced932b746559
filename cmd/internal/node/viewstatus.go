package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/worker"
	"github.com/freshet/freshet/serving/service"
)

// ViewStatus is one generation of a view: the one that answers, and those that
// the ingester of this process keeps beside it.
type ViewStatus struct {
	View       string `json:"view"`
	Generation uint32 `json:"generation"`
	worker.Condition
	Answers   bool           `json:"answers"` // lookups get its values, not REBUILDING
	Watermark string         `json:"watermark,omitempty"`
	Counts    *worker.Counts `json:"counts,omitempty"`

	// still is since when its slowest partition stands, of a view whose condition is what
	// the age of its lanes lets guess: that nobody moves them.
	still string
}

// unanswered says that how a view is that is late nobody knows: the online store, which
// would show it, does not answer.
func (v *ViewStatus) unanswered() {
	if v.still == "" {
		return
	}
	v.Condition, v.Answers = storeSilent(), false
	v.Reason += "; as it said last, " + v.still
}

// SourceStatus is a source whose topic was accepted as a new log.
type SourceStatus struct {
	Source     string `json:"source"`
	Generation uint32 `json:"generation"`
	Accepted   string `json:"accepted"`
	Reason     string `json:"reason"` // also what of the log before is nowhere any more
}

// Moves reports whether the lanes of a view say nothing that would keep it from going on.
func (v *ViewStatus) Moves() bool {
	return v.State == worker.ConditionOf(v.View, online.StateLive).State || v.State == online.StateCatchingUp.String()
}

// IsBuilt reports whether lanes say that the view is being built, or is to be.
func (v *ViewStatus) IsBuilt() bool {
	return v.State == online.StateBuilding.String() || v.State == online.StateLost.String()
}

// inspectWithin bounds how long it may take to look at the logs of a view in a GAP,
// where nothing else does.
const inspectWithin = 5 * time.Second

// looks are what a status goes by beside the lanes: the ingester of this process, nil for
// none, what it said, and the log.
type looks struct {
	worker *worker.Worker
	said   *said
	log    *logAsk
}

// viewStatuses gives every view that answers, and what the ingester runs beside.
// Those of many wait for a log or a store that does not answer no longer than one.
func (p *Parts) viewStatuses(ctx context.Context, c *service.Catalog, l looks) []ViewStatus {
	counts, conditions := l.said.counts, l.said.conditions
	out := []ViewStatus{}
	answering := map[online.Generation]bool{}
	for _, name := range storedViews(c.Project) {
		g := c.Generations[name]
		answering[g.ID] = true
		v := ViewStatus{View: name, Generation: g.ID.Number, Answers: g.Ready}
		v.Condition = p.condition(ctx, c.Project, name, g, l)
		if p.late(g) && v.State == worker.ConditionOf(name, g.State).State {
			v.Condition, v.still = p.lateCondition(ctx, c.Project, g.Slowest, l)
		}
		if n, runs := counts[g.ID]; runs {
			v.Counts = &n
		}
		if g.HasWatermark {
			v.Watermark = g.Watermark.String()
		}
		out = append(out, v)
	}
	for id, condition := range conditions {
		if !answering[id] {
			n := counts[id]
			out = append(out, ViewStatus{View: id.View, Generation: id.Number, Condition: condition, Counts: &n})
		}
	}
	sortViews(out)
	return out
}

func sortViews(list []ViewStatus) {
	slices.SortStableFunc(list, func(a, b ViewStatus) int {
		if d := strings.Compare(a.View, b.View); d != 0 {
			return d
		}
		return int(a.Generation) - int(b.Generation)
	})
}

func storedViews(p *definition.Project) []string {
	var names []string
	for _, v := range p.StreamViews {
		names = append(names, v.Name)
	}
	for _, v := range p.BatchViews {
		names = append(names, v.Name)
	}
	return names
}

// condition is how a view is: as its lanes say now, and why, as the ingester of
// this process knows, or as the log itself shows where there is none.
func (p *Parts) condition(ctx context.Context, project *definition.Project, view string, g service.Generation, l looks) worker.Condition {
	if g.ID == (online.Generation{}) {
		return p.unanswered(ctx, project, view)
	}
	c := worker.ConditionOf(view, g.State)
	if k, runs := l.said.conditions[g.ID]; runs && (k.State == c.State || k.Next != "") {
		return k // who says why knows more
	}
	if g.State == online.StateUnknown {
		return p.unknownState(ctx, view, g, c)
	}
	if g.State == online.StateMissing && p.stateOf(g) == online.StateBuilding {
		return worker.Condition{
			State: online.StateBuilding.String(), Reason: "the online store has nothing of it: an ingester makes it, from history and the log",
			Next: "where no ingester runs: freshetd ingest",
		}
	}
	if g.State == online.StateGap && p.Log != nil && l.log.silent == nil {
		return p.gap(ctx, project, view, c)
	}
	return c
}

// unknownState says which lane of a view has a state that this version does not know.
func (p *Parts) unknownState(ctx context.Context, view string, g service.Generation, c worker.Condition) worker.Condition {
	lanes, err := p.Online.Lanes(ctx, g.ID, g.Lanes)
	if err == nil {
		err = online.Unknown(lanes)
	}
	if err == nil || errors.Is(err, featurestore.ErrUnavailable) {
		return c // it is another by now
	}
	return worker.UnknownCondition(view, err)
}

// gap says why a view is in a GAP, where the log still shows it.
func (p *Parts) gap(ctx context.Context, project *definition.Project, view string, c worker.Condition) worker.Condition {
	ctx, cancel := context.WithTimeout(ctx, inspectWithin)
	defer cancel()
	for _, b := range project.StreamView(view).Bindings {
		t, err := p.InspectTopic(ctx, project, b.Source)
		if err != nil {
			p.Logger.Warn("the log of a source could not be looked at", "source", b.Source.Name, "error", err)
			continue
		}
		if found := t.Gap(); found != nil {
			c.Reason = fmt.Sprintf("source %s, partition %d: %s", t.Source, found.Partition, found.Gap)
			c.Next = "freshet accept-new-topic " + t.Source
			return c
		}
	}
	return c
}

// sourceStatuses are the logs that were accepted.
func (p *Parts) sourceStatuses(ctx context.Context) []SourceStatus {
	logs, err := p.Registry.Sources(ctx)
	if err != nil {
		p.Logger.Warn("the registry could not be read", "error", err)
	}
	var out []SourceStatus
	for _, l := range logs {
		out = append(out, SourceStatus{Source: l.Source, Generation: l.Generation, Accepted: l.Accepted.String(), Reason: l.Reason})
	}
	return out
}
