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
	waits time.Time // since when its view waits for a person; zero: it does not
}

// person says what a view, and with it its next generation, waits for a person to do:
// nothing has moved, and will, before that. "" is nothing, or not for long enough.
func (s *stillness) person(status *node.Status, g *node.GenerationStatus, at time.Time) string {
	moved := s.look(g, at)
	for _, v := range status.Views {
		if v.View != g.View || v.State == worker.ConditionMixed || !v.StandsStill() { // one that is MIXED waits for this generation
			continue
		}
		if s.waits.IsZero() || moved {
			s.waits = at
		}
		if at.Sub(s.waits) < service.LateAfter {
			return ""
		}
		out := fmt.Sprintf("generation %d is %s: %s", v.Generation, v.State, v.Reason)
		if v.Next != "" {
			out += " (next: " + v.Next + ")"
		}
		return out
	}
	s.waits = time.Time{}
	return ""
}

// look reports whether a generation has moved.
func (s *stillness) look(g *node.GenerationStatus, at time.Time) (moved bool) {
	if f := g.Fill; f != nil && (f.Phase != s.fill.Phase || f.Records != s.fill.Records || f.Reread != nil && s.fill.Reread != nil && *f.Reread != *s.fill.Reread) {
		s.fill, s.since, moved = *f, at, true
	}
	return moved
}

// text says why a generation does not get on; "" while it does. An ingester keeps
// the generation that answers at the log's end, so that one that is late says that
// there is none; why a view stands still holds for its next generation too.
func (s *stillness) text(status *node.Status, g *node.GenerationStatus, at time.Time) string {
	s.look(g, at)
	still := at.Sub(s.since)
	if still < service.LateAfter {
		return ""
	}
	out := fmt.Sprintf("; it has not moved for %s", still.Round(time.Second))
	told := false
	for _, v := range status.Views {
		if v.View == g.View && v.Reason != "" {
			told = true
			out += fmt.Sprintf("; generation %d is %s: %s", v.Generation, v.State, v.Reason)
			if v.Next != "" {
				out += " (next: " + v.Next + ")"
			}
		}
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
