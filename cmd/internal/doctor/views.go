package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/plan"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/worker"
)

// conditionRunning is the state of a view that is as it should be.
const conditionRunning = "RUNNING"

// checkViews is the condition of every view, as `freshet status` has it: from the
// stores, with the reasons of running processes, which know more.
func checkViews(ctx context.Context, e *exam) finding {
	f, no := e.needs(false, false)
	if no {
		return f
	}
	var own *node.Status
	if e.parts.Registry != nil && e.parts.Online != nil {
		backend, err := e.parts.Reading(ctx)
		if err != nil {
			f.add(Failed, text(err), "whether views answer is not known", "freshet status")
			return f
		}
		s := backend.Report()
		if e.Role != Serve { // a server needs no folder of events
			e.parts.NameLost(ctx, &s)
		}
		own = &s
	}
	f.keep = func(e *exam) { e.own = own }
	views := e.conditions(own)
	if views == nil {
		return skip("it needs the registry and the online store, or a server that answers")
	}
	for _, v := range views {
		of := fmt.Sprintf("%s generation %d", v.View, v.Generation)
		seen := v.State
		if v.Reason != "" {
			seen += ": " + v.Reason
		}
		if v.Watermark != "" {
			seen += "; watermark " + v.Watermark
		}
		next := onward(v.Next)
		switch v.State {
		case conditionRunning:
			f.add(OK, seen).Of = of
		case online.StateGap.String(), online.StateHalted.String(), "STALE_BINARY", "MIXED":
			f.add(Failed, seen, "it stands still until a person acts: "+lookups(v.Answers), next).Of = of
		case node.StateNotKnown:
			f.add(Warning, seen, "whether lookups get values is not known", or(next, "what has failed here")).Of = of
		case online.StateLost.String():
			f.add(Failed, seen, "lookups answer REBUILDING", or(next, "see that an ingester runs: freshetd ingest")).Of = of
		default:
			f.add(Warning, seen, lookups(v.Answers)+" until it has caught up", or(next, "freshet status shows how far it is")).Of = of
		}
	}
	if len(views) == 0 {
		f.add(OK, "no view is stored")
	}
	return f
}

// onward is a next command for whoever runs this one already.
func onward(next string) string {
	next = strings.TrimSuffix(next, "; where one runs: freshet doctor")
	rest, here := strings.CutPrefix(next, "freshet doctor")
	if !here {
		return next
	}
	return or(strings.TrimPrefix(rest, "; "), "what has failed here; else the ingester's log")
}

// lookups says what they get of a view that does not run.
func lookups(answers bool) string {
	if answers {
		return "lookups get the values of its watermark"
	}
	return "lookups answer REBUILDING"
}

// conditions are those of the store, each with the reason of a process that says
// the same state and why; without the store those that processes say.
func (e *exam) conditions(own *node.Status) []node.ViewStatus {
	if own == nil {
		for i := range e.reports {
			return e.reports[i].status.Views
		}
		return nil
	}
	views := own.Views
	for i := range views {
		for _, r := range e.reports {
			for _, said := range r.status.Views {
				if said.View == views[i].View && said.Generation == views[i].Generation && said.Next != "" && (said.State == views[i].State || views[i].State == conditionRunning || said.StandsStill() && views[i].Moves()) {
					views[i].Condition = said.Condition
				}
			}
		}
	}
	if views == nil {
		views = []node.ViewStatus{}
	}
	return views
}

// checkGenerations looks for those that will not become live by themselves.
func checkGenerations(ctx context.Context, e *exam) finding {
	f, no := e.needs(false, false)
	if no {
		return f
	}
	if e.parts.Registry == nil {
		return skip("it needs the registry")
	}
	list, err := e.parts.Registry.Generations(ctx)
	if err != nil {
		f.add(Failed, text(err), "which generations answer is not known", "restore the registry from a backup")
		return f
	}
	troubles := map[string]string{}
	for _, r := range e.reports {
		for _, g := range r.status.Generations {
			if g.Trouble != "" {
				troubles[fmt.Sprintf("%s generation %d", g.View, g.Generation)] = g.Trouble
			}
		}
	}
	n := map[string]int{}
	meanings := meanings{registry: e.parts.Registry, projects: map[int64]*definition.Project{}}
	for _, g := range list {
		n[string(g.State)]++
		other, err := meanings.differ(ctx, g)
		if err != nil {
			f.add(Failed, text(err), "what the generation means is not known", "restore the registry from a backup").Of = g.View
		}
		of := fmt.Sprintf("%s generation %d", g.View, g.Number)
		switch {
		case g.State == registry.Broken:
			f.add(Failed, "BROKEN: "+g.Reason, "its values were wrong, so that it never answers; the one before goes on", worker.BrokenNext(g)).Of = of
		case other:
			f.add(Failed, "this version of freshet computes it otherwise than the one that applied it", "an ingester of this version does not touch it, and ends", "freshet apply with this version; or run the version that applied it").Of = of
		case g.State == registry.Building && troubles[of] != "":
			f.add(Warning, "BUILDING: "+troubles[of], "it does not get on", "freshet status").Of = of
		}
	}
	if len(f.results) == 0 {
		f.add(OK, or(counted(n), "none"))
	}
	return f
}

// or is a text, or another where it is empty.
func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// meanings are the definitions of revisions, as this program reads them.
type meanings struct {
	registry registry.Store
	projects map[int64]*definition.Project
}

// differ reports whether this program computes a generation otherwise than it was
// applied: an ingester then refuses it.
func (m *meanings) differ(ctx context.Context, g registry.Generation) (bool, error) {
	p, known := m.projects[g.Revision]
	if !known {
		r, err := m.registry.Revision(ctx, g.Revision)
		if err != nil {
			return false, err
		}
		p, _ = definition.Load(r.Files)
		m.projects[g.Revision] = p
	}
	if p == nil {
		return true, nil
	}
	hash, stored := plan.Targets(p)[g.View]
	return stored && hash != g.Hash, nil
}

// beatWithin is how fresh a watermark's fetch time is where an ingester is at the
// log's end: it moves them each second.
const beatWithin = 10 * time.Second

// secondLook is how long the watermarks of an ingester that is not at the end are
// given to move.
const secondLook = 2 * time.Second

// checkIngester looks whether somebody moves the watermarks.
func checkIngester(ctx context.Context, e *exam) finding {
	f, no := e.needs(true, false)
	if no {
		return f
	}
	if e.parts.Online == nil {
		return e.saidIngester()
	}
	if e.parts.Clock.Replay() {
		f.add(OK, "the store holds a replay up to "+e.parts.Clock.Now().String()+"; no ingester runs here")
		return f
	}
	before, err := e.beats(ctx)
	if err != nil {
		f.add(Failed, text(err), "whether an ingester is at work is not known", "freshet status")
		return f
	}
	if before == nil {
		f.add(OK, "no stream view is live")
		return f
	}
	for of, b := range before {
		if e.Now()-b.fetch < featurestore.Instant(beatWithin.Microseconds()) {
			delete(before, of)
			f.add(OK, fmt.Sprintf("the watermarks moved %s ago", featurestore.Duration(max(0, e.Now()-b.fetch)).Std().Round(time.Millisecond))).Of = of
		}
	}
	if len(before) == 0 {
		return f
	}
	timer := time.NewTimer(min(secondLook, e.Timeout/2))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	after, err := e.beats(ctx)
	if err != nil {
		f.add(Failed, text(err), "whether an ingester is at work is not known", "freshet status")
		return f
	}
	for of, b := range before {
		switch {
		case after[of] != b:
			f.add(OK, "the watermarks move; it is not at the end of the log yet").Of = of
		case b.fetch == 0:
			f.add(Failed, "nothing was ever applied, and nothing moves", "no event reaches a value", "start an ingester: freshetd ingest").Of = of
		default:
			f.add(Failed, fmt.Sprintf("the watermarks have not moved since %s", b.fetch), "values get older, and no event reaches them", "start an ingester: freshetd ingest; or see why it stands: freshet status").Of = of
		}
	}
	return f
}

// saidIngester is what the process that has the store says.
func (e *exam) saidIngester() finding {
	f := finding{}
	for _, r := range e.reports {
		for _, p := range r.status.Partitions {
			if p.Trouble != "" {
				f.add(Failed, p.Trouble, "no event of this partition reaches a value", "freshet status").Of = fmt.Sprintf("%s partition %d", p.Source, p.Partition)
			}
		}
		if len(r.status.Partitions) > 0 && len(f.results) == 0 {
			f.add(OK, fmt.Sprintf("%d partitions are read", len(r.status.Partitions))).Of = r.addr
		}
	}
	if len(f.results) == 0 {
		return skip("it needs the online store, or an ingester that answers")
	}
	return f
}

// beat is how far a view's lanes are: the newest fetch time, and all offsets
// together.
type beat struct {
	fetch   featurestore.Instant
	offsets int64
}

// beats are those of the live stream views that answer, by view.
func (e *exam) beats(ctx context.Context) (map[string]beat, error) {
	list, err := e.parts.Registry.Generations(ctx)
	if err != nil {
		return nil, err
	}
	var out map[string]beat
	for _, g := range list {
		if g.State != registry.Live || e.project.StreamView(g.View) == nil {
			continue
		}
		lanes, err := e.parts.Online.Lanes(ctx, online.Generation{Project: e.settings.Project, View: g.View, Number: g.Number}, g.Lanes)
		if err != nil {
			return nil, err
		}
		if s := online.Worst(lanes); s == online.StateGap || s == online.StateHalted || s == online.StateUnknown {
			continue // the view says so itself
		}
		b := beat{}
		for i := range lanes {
			for _, w := range lanes[i].Watermarks {
				b.fetch = max(b.fetch, w.FetchTime)
				b.offsets += w.Offset
			}
		}
		if out == nil {
			out = map[string]beat{}
		}
		out[g.View] = b
	}
	return out, nil
}
