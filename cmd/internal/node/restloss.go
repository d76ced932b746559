package node

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/worker"
)

// RestLoss is what was at rest of a source and is not any more, as one process sees it
// from its folder, the notes of the online store, and the log where that answers.
type RestLoss struct {
	Source  string
	Missing []worker.Missing // none where nothing is, and where that is not known
	Folder  string           // that was looked into; "" is the ingesters' own
	Unasked string           // why the log was not asked whether it still has them; "": it has not
	Err     error            // why whether something is missing is not known
}

// Text says in words what is lost.
func (l *RestLoss) Text() string {
	out := worker.MissingText(l.Missing)
	if l.Unasked != "" {
		out = worker.NotHeldText(l.Missing)
	}
	if l.Folder != "" {
		out += "; looked for in " + l.Folder + ", which has to be the ingesters' own"
	}
	if l.Unasked != "" {
		out += "; whether its log is without them, too, is not known: " + l.Unasked
	}
	return out
}

// Why is Text, and the way on.
func (l *RestLoss) Why() string { return l.Text() + "; " + worker.MissingNext(l.Source) }

// RestLosses looks at the sources of a project: those of which something is lost, and those
// of which that is not known. It needs the registry and the online store; the log it asks
// only where a folder lacks something, by the one that is open, else it opens a Kafka.
func (p *Parts) RestLosses(ctx context.Context, project *definition.Project) []RestLoss {
	log := p.asksLog()
	defer log.close()
	return p.restLosses(ctx, project, log)
}

func (p *Parts) restLosses(ctx context.Context, project *definition.Project, log *logAsk) (out []RestLoss) {
	logs, err := p.Registry.Sources(ctx)
	for _, s := range project.StreamSources {
		l := RestLoss{Source: s.Name, Folder: p.Settings.Offline.Dir, Err: err}
		if err == nil {
			p.look(ctx, s, registry.Newest(logs, s.Name), log, &l)
		}
		if l.Err != nil || len(l.Missing) > 0 {
			out = append(out, l)
		}
	}
	return out
}

// look looks at one source, of whose logs one is read now.
func (p *Parts) look(ctx context.Context, s *definition.StreamSource, generation uint32, log *logAsk, l *RestLoss) {
	x := p.restInspector()
	l.Missing, l.Err = x.NotHeld(ctx, s)
	if l.Err != nil || len(l.Missing) == 0 {
		return
	}
	if x.Log = log.log(ctx); x.Log != nil {
		asked, cancel := context.WithTimeout(ctx, reachWithin)
		defer cancel()
		missing, err := x.Missing(asked, s, generation)
		switch {
		case err == nil:
			l.Missing = missing
		case unanswered(err):
			log.hush(err)
			l.Unasked = log.silent.Error()
		default:
			l.Err = err
		}
		return
	}
	if log.silent != nil {
		l.Unasked = log.silent.Error()
		return
	}
	// An embedded log keeps all of it: it goes on behind what the folder has.
	l.Unasked = "an embedded log is looked at by the process that has it"
	l.Missing, l.Err = x.Missing(ctx, s, generation)
}

// NameLost adds to the status of processes that do not know it, or cannot be asked, what
// was at rest and is not any more, as these parts see it. What would be built from less
// says so, as the ingester's own status does.
func (p *Parts) NameLost(ctx context.Context, s *Status) {
	number, err := p.Registry.CurrentNumber(ctx)
	if err != nil || number == 0 {
		return // the status says so, or there is nothing yet
	}
	project, err := p.project(ctx, number)
	if err != nil {
		return
	}
	log := p.asksLog()
	defer log.close()
	if s.Log != "" {
		log.silent = errors.New(s.Log) // it need not be found out again
	}
	lost := map[string]*RestLoss{}
	for _, l := range p.restLosses(ctx, project, log) {
		switch {
		case l.Err == nil:
			lost[l.Source] = &l
			s.Archives = withLoss(s.Archives, &l)
		case s.Store == "" && errors.Is(l.Err, featurestore.ErrUnavailable): // why nothing is known of anything
			s.Store = l.Err.Error()
		case s.Store == "" && !slices.ContainsFunc(s.Archives, func(a ArchiveStatus) bool { return a.Source == l.Source && a.Trouble != "" }):
			p.Logger.Warn("whether all that was at rest still is, is not known", "source", l.Source, "error", l.Err)
		}
	}
	if len(lost) > 0 {
		p.nameLacking(ctx, s, lost)
	}
}

// nameLacking says of views and generations that are to be built that they wait.
func (p *Parts) nameLacking(ctx context.Context, s *Status, lost map[string]*RestLoss) {
	for i := range s.Views {
		if v := &s.Views[i]; v.IsBuilt() && v.Generation != 0 {
			v.Condition = p.lacking(ctx, v.View, s.Revision, lost, v.Condition)
		}
	}
	for i := range s.Generations {
		g := &s.Generations[i]
		if g.Fill == nil || g.Fill.Phase == PhaseCatchingUp { // what was at rest is in it
			continue
		}
		c := p.lacking(ctx, g.View, g.Revision, lost, worker.Condition{})
		g.Trouble = cmp.Or(g.Trouble, c.Reason)
		if c.StandsStill() {
			s.Waits(ViewStatus{View: g.View, Generation: g.Generation, Condition: c})
		}
	}
}

// lacking is the condition of a view of a revision that is to be built, where something
// of its sources is lost. Where the log may still have it, whether it can be built is
// not known.
func (p *Parts) lacking(ctx context.Context, view string, revision int64, lost map[string]*RestLoss, c worker.Condition) worker.Condition {
	project, err := p.project(ctx, revision)
	if err != nil || project.StreamView(view) == nil {
		return c
	}
	for _, b := range project.StreamView(view).Bindings {
		l := lost[b.Source.Name]
		switch {
		case l == nil:
		case l.Unasked == "":
			return worker.LackingCondition(l.Why(), worker.AcceptLossCommand(l.Source))
		default:
			c.Reason = strings.TrimPrefix(c.Reason+"; "+l.Text(), "; ")
			c.Next = cmp.Or(c.Next, "freshet doctor")
		}
	}
	return c
}

// Waits adds a generation that does not get on, where the status does not show it yet. A
// view of which none answers is as the one that it waits for.
func (s *Status) Waits(v ViewStatus) {
	for i := range s.Views {
		x := &s.Views[i]
		if x.View == v.View && x.Generation == 0 && x.IsBuilt() {
			x.Condition = v.Condition
			return
		}
		if x.View == v.View && x.Generation == v.Generation {
			return
		}
	}
	s.Views = append(s.Views, v)
	sortViews(s.Views)
}
