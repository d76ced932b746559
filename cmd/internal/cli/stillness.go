package cli

import (
	"fmt"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/ingest/worker"
	"github.com/freshet/freshet/serving/service"
)

// stillness is since when a generation that is being built has not moved.
type stillness struct {
	fill  node.FillStatus // phase and records that were last seen
	since time.Time
	waits time.Time // since when it does not get on; zero: it does
}

// waitsFor is how long a generation may not get on before nobody waits for it any more: a
// store may be away for some seconds, and an ingester may be started just then that finds
// that what a view waits for was done.
const waitsFor = 30 * time.Second

// stuck says why a generation does not get on by itself: it says so, or its view waits for
// a person. "" is that it does, or that it has not lasted for long enough.
func (s *stillness) stuck(status *node.Status, g *node.GenerationStatus, at time.Time) string {
	why := g.Trouble
	for _, v := range status.Views {
		if why == "" && v.View == g.View && v.State != worker.ConditionMixed && v.StandsStill() { // one that is MIXED waits for this generation
			why = isText(&v)
		}
	}
	switch {
	case why == "":
		s.waits = time.Time{}
	case s.waits.IsZero():
		s.waits = at
	}
	if at.Sub(s.waits) < waitsFor || at.Sub(s.since) < waitsFor {
		return ""
	}
	return why
}

// isText is how a view is, and what leads on.
func isText(v *node.ViewStatus) string {
	out := fmt.Sprintf("generation %d is %s: %s", v.Generation, v.State, v.Reason)
	if v.Next != "" {
		out += " (next: " + v.Next + ")"
	}
	return out
}

// look notes whether a generation has moved: it comes before what is said of it.
func (s *stillness) look(g *node.GenerationStatus, at time.Time) {
	if f := g.Fill; f != nil && (f.Phase != s.fill.Phase || f.Records != s.fill.Records || f.Reread != nil && s.fill.Reread != nil && *f.Reread != *s.fill.Reread) {
		s.fill, s.since = *f, at
	}
}

// text says why a generation does not get on; "" while it does. An ingester keeps
// the generation that answers at the log's end, so that one that is late says that
// there is none; why a view stands still holds for its next generation too.
func (s *stillness) text(status *node.Status, g *node.GenerationStatus, at time.Time) string {
	still := at.Sub(s.since)
	if still < service.LateAfter {
		return ""
	}
	out := fmt.Sprintf("; it has not moved for %s", still.Round(time.Second))
	told := false
	for _, v := range status.Views {
		if v.View == g.View && v.Reason != "" {
			told = true
			out += "; " + isText(&v)
		}
	}
	if g.Trouble != "" {
		told = true
		out += "; " + g.Trouble
	}
	for _, p := range status.Partitions {
		if p.Trouble != "" {
			told = true
			out += fmt.Sprintf("; source %s, partition %d: %s", p.Source, p.Partition, p.Trouble)
		}
	}
	if status.Store != "" {
		told = true
		out += "; the online store: " + status.Store
	}
	if !told {
		out += "; see that an ingester runs: freshet doctor"
	}
	return out
}
