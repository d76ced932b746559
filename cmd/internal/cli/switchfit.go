package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/worker"
)

// running is the state of a generation whose values are whole and go on.
const running = "RUNNING"

// fitWithin bounds how long a switch looks at the store, the log and a process.
const fitWithin = 10 * time.Second

// unfit says which generations would not answer, or stand still: lookups would get
// REBUILDING, or values that get older, where they get better ones now; "" for none.
// What is not known is said as well: who switches in need has --force.
func (p *switching) unfit(ctx context.Context, s *settings.Settings, addr string) string {
	x := &fitness{settings: s, addr: addr}
	defer x.close()
	var bad []string
	for _, c := range p.choices {
		g := p.live[c.View]
		if g.State == registry.Live {
			continue // it answers already
		}
		found, err := x.condition(ctx, p.registry, g)
		switch {
		case err != nil:
			bad = append(bad, fmt.Sprintf("how generation %d of view %q is cannot be seen: %v (next: freshet doctor)", g.Number, g.View, err))
		case found.State != running:
			text := fmt.Sprintf("generation %d of view %q is %s: %s; %s", g.Number, g.View, found.State, found.Reason, answersOf(found.State))
			if found.Next != "" {
				text += " (next: " + found.Next + ")"
			}
			bad = append(bad, text)
		}
	}
	return strings.Join(bad, "; ")
}

// answersOf says what lookups would get of a generation that does not run.
func answersOf(state string) string {
	if state == online.StateHalted.String() || state == "STALE_BINARY" {
		return "lookups would get the values of its watermark"
	}
	return "lookups would get REBUILDING"
}

// fitness looks at generations: in the online store, and, where another process has
// an embedded one, or knows why a generation stands still, by asking that process.
type fitness struct {
	settings *settings.Settings
	addr     string
	parts    *node.Parts // nil until it was tried
	err      error       // why the store could not be opened
	said     []*node.Status
	asked    bool
}

func (x *fitness) condition(ctx context.Context, r registry.Store, g registry.Generation) (worker.Condition, error) {
	ctx, cancel := context.WithTimeout(ctx, fitWithin)
	defer cancel()
	if x.parts == nil {
		x.parts = node.Closed(x.settings, node.StoredClock(), slog.New(slog.DiscardHandler))
		x.parts.Registry, x.parts.Patience = r, fitWithin/2
		x.err = x.parts.OpenOnline()
	}
	if x.err != nil {
		if known, ok := x.known(ctx, g, ""); ok {
			return known, nil
		}
		return worker.Condition{}, x.err
	}
	c, err := x.parts.ConditionOf(ctx, g)
	if err != nil || c.State == running {
		return c, err
	}
	if known, ok := x.known(ctx, g, c.State); ok {
		return known, nil
	}
	if c.State == online.StateGap.String() && x.parts.Log == nil && x.parts.OpenLog(ctx) == nil {
		return x.parts.ConditionOf(ctx, g)
	}
	return c, nil // without the log the reason says less, and is true
}

// known is what running processes say of a generation that is in a state; "" is any.
func (x *fitness) known(ctx context.Context, g registry.Generation, state string) (worker.Condition, bool) {
	if !x.asked {
		x.asked = true
		for _, addr := range []string{x.addr, x.settings.Serve.Listen, x.settings.Admin.Listen} {
			if addr == "" {
				continue
			}
			api := &API{client: &http.Client{Timeout: fitWithin / 2}, base: "http://" + reachable(addr)}
			if s, err := api.Status(ctx); err == nil && s.Project == x.settings.Project {
				x.said = append(x.said, s)
			}
		}
	}
	for _, s := range x.said {
		for _, v := range s.Views {
			if v.View == g.View && v.Generation == g.Number && (state == "" || v.State == state && v.Reason != "") {
				return v.Condition, true
			}
		}
	}
	return worker.Condition{}, false
}

func (x *fitness) close() {
	if x.parts != nil {
		// It was only read: what goes wrong at its end changes no answer.
		_ = x.parts.Close()
	}
}
