package node

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/history"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/worker"
)

// GenerationStatus is where one generation of a view is in its life.
type GenerationStatus struct {
	View       string      `json:"view"`
	Generation uint32      `json:"generation"`
	State      string      `json:"state"`
	Revision   int64       `json:"revision"` // that made it
	Since      string      `json:"since,omitempty"`
	Reason     string      `json:"reason,omitempty"`
	Fill       *FillStatus `json:"fill,omitempty"`    // of one that is being built
	Trouble    string      `json:"trouble,omitempty"` // why it does not get on, as far as this process knows
	Next       string      `json:"next,omitempty"`    // the command that leads on, of one that is BROKEN and wanted

	store error // the online store does not say how far it is
}

// FillStatus is how far the filling of a generation from history is. Records are
// counted by their offsets.
type FillStatus struct {
	Phase     string  `json:"phase"` // "filling", before it perhaps "reading fields again", or "catching up": with the log, and then it is checked
	Records   int64   `json:"records"`
	Of        int64   `json:"of"`                   // -1: there are files, which nobody has counted
	PerSecond float64 `json:"per_second,omitempty"` // since it was ordered
	Left      string  `json:"left,omitempty"`

	// Reread is how far fields that history lacks are read again from the log, while they
	// are: the phase says so.
	Reread *RereadStatus `json:"reread,omitempty"`
}

// RereadStatus counts rows at rest.
type RereadStatus struct {
	Rows int64 `json:"rows"`
	Of   int64 `json:"of"`
}

// Phases of a generation that is being built.
const (
	PhaseRereading  = "reading fields again" // which history lacks, from the log
	PhaseFilling    = "filling"
	PhaseCatchingUp = "catching up"
)

// generations says where each generation is; w may be nil.
func (p *Parts) generations(ctx context.Context, w *worker.Worker) ([]GenerationStatus, error) {
	list, err := p.Registry.Generations(ctx)
	if err != nil {
		return nil, err
	}
	asked, waits, wanted := p.asks(w), p.waits(ctx, list), p.meanings(ctx)
	stands, err := p.standings(ctx, list)
	if err != nil {
		return nil, err
	}
	said := <-asked
	out := []GenerationStatus{}
	for i, g := range list {
		s := GenerationStatus{View: g.View, Generation: g.Number, Revision: g.Revision, State: string(g.State), Reason: g.Reason}
		id := online.Generation{Project: p.Settings.Project, View: g.View, Number: g.Number}
		s.Trouble = said.troubles[id]
		if g.State == registry.Broken && (wanted[g.View] == g.Hash || registry.LiveOf(list)[g.View].Hash == g.Hash) {
			s.Next = worker.BrokenNext(g)
		}
		if g.Since != 0 {
			s.Since = g.Since.String()
		}
		if p.moving(g) {
			if s.store = stands[i].err; s.store != nil {
				s.Trouble = cmp.Or(s.Trouble, s.store.Error())
			} else if s.Fill, err = p.fill(ctx, g, &stands[i]); err != nil {
				return nil, err
			}
			s.Fill.reread(said.rereading, id)
			s.Reason = fillReason(&s)
			if wait := waits[g.View]; wait != "" && g.State == registry.Building && s.Fill != nil && s.Fill.Phase == PhaseCatchingUp {
				s.Trouble = cmp.Or(s.Trouble, wait)
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// fillReason is what a generation waits for; its reason otherwise.
func fillReason(s *GenerationStatus) string {
	switch {
	case s.State != string(registry.Building) || s.Trouble != "":
		return s.Reason
	case s.Fill == nil: // a batch view: nobody fills it but the next run
		return "no run of its meaning is online yet: " + materializeNext(s.View)
	case s.Fill.Phase == PhaseCatchingUp:
		return "filled from history; it catches up with the log, and is checked then"
	case s.Fill.Phase == PhaseRereading:
		return "fields that history lacks are read again from the log"
	case s.Fill.Records > 0:
		return "being filled from history"
	}
	return s.Reason
}

// materializeNext is the command that brings a batch view online.
func materializeNext(view string) string { return "freshet materialize " + view }

// standing is how far a generation is, as its lanes say.
type standing struct {
	view  *definition.StreamView // nil: it has no lanes
	lanes []online.Lane
	err   error // of a store that does not say
}

// moving reports whether lanes say how far a generation is.
func (p *Parts) moving(g registry.Generation) bool {
	return p.Online != nil && (g.State == registry.Building || g.State == registry.Live)
}

// standings asks the store of all generations at once: where it does not answer, many
// of them wait no longer than one.
func (p *Parts) standings(ctx context.Context, list []registry.Generation) ([]standing, error) {
	out := make([]standing, len(list))
	for i, g := range list {
		if !p.moving(g) {
			continue
		}
		project, err := p.project(ctx, g.Revision)
		if err != nil {
			return nil, err
		}
		out[i].view = project.StreamView(g.View)
	}
	ctx, cancel := partOf(ctx)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(reachAtOnce)
	for i := range out {
		if s, g := &out[i], list[i]; s.view != nil {
			group.Go(func() error {
				var err error
				if s.lanes, err = p.Online.Lanes(ctx, online.Generation{Project: p.Settings.Project, View: g.View, Number: g.Number}, g.Lanes); err != nil {
					s.err = fmt.Errorf("the online store does not say how far it is: %w", err)
				}
				return nil
			})
		}
	}
	_ = group.Wait() // none gives an error
	return out, nil
}

// partOf leaves a part of the time that ctx has for what comes after a store that does
// not answer.
func partOf(ctx context.Context) (context.Context, context.CancelFunc) {
	end, bounded := ctx.Deadline()
	if !bounded {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, time.Until(end)*3/4)
}

// fill is how far a generation is filled, by the watermarks of its lanes; nil for
// one of a batch view, and for one that was live and is not being filled again.
func (p *Parts) fill(ctx context.Context, g registry.Generation, at *standing) (*FillStatus, error) {
	v, lanes := at.view, at.lanes
	if v == nil {
		return nil, nil
	}
	s, again := &FillStatus{Phase: PhaseCatchingUp}, online.Worst(lanes)
	if g.State == registry.Live && again != online.StateLost && again != online.StateMissing && again != online.StateBuilding {
		return nil, nil
	}
	if len(lanes) == 0 || lanes[0].Meta.State <= online.StateBuilding {
		s.Phase = PhaseFilling
	}
	for i := range v.Bindings {
		segments, err := p.History(history.JoinedFiles).Segments(ctx, v.Bindings[i].Source)
		if err != nil {
			return nil, err
		}
		for _, segment := range segments {
			s.add(v.Bindings[i].Source.Name, segment, lanes)
		}
	}
	if g.State == registry.Building {
		s.pace(wall() - g.Since)
	}
	return s, nil
}

// add adds a range of history, and how much of it is applied.
func (s *FillStatus) add(source string, g offline.Segment, lanes []online.Lane) {
	id := online.Partition{Source: source, Generation: g.Partition.Generation, Number: g.Partition.Partition}
	next := g.Offsets.From
	for i := range lanes {
		if w, met := lanes[i].Watermarks[id]; met {
			next = max(next, w.Offset+1)
		}
	}
	if g.Offsets.To == offline.MaxOffset || s.Of < 0 {
		s.Of = -1
	} else {
		s.Of += g.Offsets.To - g.Offsets.From
	}
	s.Records += min(next, g.Offsets.To) - g.Offsets.From
}

// reread says where fields are read again for a generation that is filled, also for
// one that was not begun yet.
func (s *FillStatus) reread(by map[online.Generation]worker.Rereading, id online.Generation) {
	if at, some := by[id]; some && s != nil && s.Phase == PhaseFilling {
		s.Phase, s.Reread, s.PerSecond, s.Left = PhaseRereading, &RereadStatus{Rows: at.Rows, Of: at.OfRows}, 0, ""
	}
}

// pace says how fast it went so far, and what that leaves.
func (s *FillStatus) pace(took featurestore.Instant) {
	if s.Phase != PhaseFilling || s.Records == 0 || took <= 0 {
		return
	}
	s.PerSecond = float64(s.Records) / (float64(took) / 1e6)
	if s.Of < 0 {
		return
	}
	s.Left = time.Duration(float64(s.Of-s.Records) / s.PerSecond * float64(time.Second)).Round(time.Second).String()
}

// AuditStatus is what the audits of this process have found. Findings are
// entities that were stored otherwise than their records say.
type AuditStatus struct {
	Runs     int64  `json:"runs"`
	Running  bool   `json:"running,omitempty"`
	Started  string `json:"started,omitempty"`
	Ended    string `json:"ended,omitempty"`
	Entities int64  `json:"entities"`          // of the last one
	Skipped  int64  `json:"skipped,omitempty"` // of the last one: they could not be compared
	Compared int64  `json:"compared"`          // of all
	Findings int64  `json:"findings"`          // of all
	Repaired int64  `json:"repaired"`          // of all
	Trouble  string `json:"trouble,omitempty"` // why a view could not be audited
}

// auditStatus is nil where this process has never audited.
func auditStatus(a worker.AuditStatus) *AuditStatus {
	if a.Started == 0 {
		return nil
	}
	s := &AuditStatus{
		Runs: a.Runs, Running: a.Running, Started: a.Started.String(), Entities: a.Entities, Skipped: a.Skipped,
		Compared: a.Compared, Findings: a.Findings, Repaired: a.Repaired, Trouble: a.Trouble,
	}
	if a.Ended != 0 {
		s.Ended = a.Ended.String()
	}
	return s
}
