package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/torture/load"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
)

// patience bounds every wait for the system.
const patience = 90 * time.Second

// statusForm is the part of a status that is waited for.
type statusForm struct {
	states      map[string]string // of the generations that answer
	generations map[string]uint32
	next        map[string]string // what a person can do
}

// running is the state of a view that answers and is fed.
const running = "RUNNING"

func (w *world) status() (*statusForm, error) {
	s, err := w.api.status(w.ctx, "/v1/status")
	if err != nil {
		return nil, err
	}
	out := &statusForm{states: map[string]string{}, generations: map[string]uint32{}, next: map[string]string{}}
	for _, v := range s.Views {
		out.states[v.View], out.generations[v.View], out.next[v.View] = v.State, v.Generation, v.Next
	}
	return out, nil
}

// troubled reports whether an ingester says on the operators' address that
// something is wrong.
func (w *world) troubled(ctx context.Context) bool {
	for _, a := range w.admins {
		s, err := a.status(ctx, "/status")
		if err != nil {
			continue // it may have been killed
		}
		if s.Store != "" || slices.ContainsFunc(s.Partitions, func(p node.PartitionStatus) bool { return p.Trouble != "" }) ||
			slices.ContainsFunc(s.Views, func(v node.ViewStatus) bool { return v.State != running }) {
			return true
		}
	}
	return false
}

// until waits for what no channel tells of; its last reason is the error's.
func (w *world) until(what string, within time.Duration, reached func() (bool, string)) error {
	ctx, cancel := context.WithTimeout(w.ctx, within)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		done, reason := reached()
		if done {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("it never came to this within %s: %s: %s", within, what, reason)
		}
	}
}

// settled waits until the system says that every view is live and every lane
// stands at the end of what was produced.
func (w *world) settled() error {
	return w.until("live and caught up", patience, func() (bool, string) {
		s, err := w.status()
		if err != nil {
			return false, err.Error()
		}
		for _, v := range w.defs.StreamViews {
			if s.states[v.Name] != running {
				return false, fmt.Sprintf("%s is %s", v.Name, s.states[v.Name])
			}
			if reason := w.behind(w.generation(s, v.Name), v); reason != "" {
				return false, reason
			}
		}
		return true, ""
	})
}

// behind says which lane is not whole or not at the end; "" for none. Of a lane that
// lost the end of a batch with redis-server's file, the watermark can stand at the
// end, and the system says so a second later.
func (w *world) behind(g online.Generation, view *definition.StreamView) string {
	lanes, err := w.store.Lanes(w.ctx, g, w.lanes)
	if err != nil {
		return err.Error()
	}
	for i := range lanes {
		if state := lanes[i].Meta.State; state != online.StateLive {
			return fmt.Sprintf("%s lane %d is %s", view.Name, i, state)
		}
	}
	for _, p := range w.ledger.Partitions() {
		if !slices.ContainsFunc(view.Bindings, func(b definition.Binding) bool { return b.Source.Name == p.Source }) || p.Generation != w.lives[p.Source] {
			continue
		}
		end := w.ledger.End(p)
		for i := range lanes {
			if m, met := lanes[i].Watermarks[online.Partition(p)]; end > 0 && (!met || m.Offset != end-1) {
				return fmt.Sprintf("%s lane %d stands at %d of %v, which ends at %d", view.Name, i, m.Offset, p, end)
			}
		}
	}
	return ""
}

// laneState is the state of a view's lanes as the store has it; "mixed" where
// they differ, "?" where it cannot be read.
func (w *world) laneState(g online.Generation) string {
	lanes, err := w.store.Lanes(w.ctx, g, w.lanes)
	if err != nil {
		return "?"
	}
	for i := range lanes {
		if lanes[i].Meta.State != lanes[0].Meta.State {
			return "mixed"
		}
	}
	return lanes[0].Meta.State.String()
}

// repaired waits for the system after a fault, and takes the times.
func (w *world) repaired() error {
	if err := w.settled(); err != nil {
		return err
	}
	w.mended()
	return nil
}

// repairedRight is repaired, and compares everything.
func (w *world) repairedRight() error {
	if err := w.repaired(); err != nil {
		return err
	}
	return w.right()
}

// right waits for the system and compares everything; it is how a round ends.
func (w *world) right() error {
	if err := w.settled(); err != nil {
		return err
	}
	w.result.Events = w.ledger.Records()
	return errors.Join(w.compare(), w.verifySeen())
}

// partition0 is a partition of a topic's first life.
func partition0(source string, number int32) load.Partition {
	return load.Partition{Source: source, Generation: 1, Number: number}
}
