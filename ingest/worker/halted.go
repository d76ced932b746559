package worker

import (
	"context"
	"errors"
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// haltState is the state of lanes whose partition has ended with an error; false
// where the error is not about the stream.
func haltState(err error) (online.State, bool) {
	switch {
	case errors.As(err, new(*HaltedError)):
		return online.StateHalted, true
	case errors.As(err, new(*GapError)):
		return online.StateGap, true
	}
	return online.StateMissing, false
}

// filledStates are those of lanes that were filled, the worst first.
var filledStates = []online.State{online.StateHalted, online.StateGap, online.StateCatchingUp, online.StateLive}

// upTo are the states from which lanes become LIVE where s was the worst of them
// when this was decided: a worse one was said since, and stays.
func upTo(s online.State) []online.State {
	switch s {
	case online.StateHalted:
		return filledStates
	case online.StateGap:
		return filledStates[1:]
	}
	return filledStates[2:]
}

// halted says what the end of a partition means for its views. It is an error
// where that cannot be stored: the partition then halts anew, until lookups know.
func (w *Worker) halted(ctx context.Context, p *partition, err error) error {
	if errors.As(err, new(*GapError)) {
		p.shared.end(err)
		// What was applied of a log that is gone is nowhere else.
		err = errors.Join(err, p.archive.seal())
	}
	p.progress.trouble(p.id(), err)
	if errors.Is(err, errLost) || errors.Is(err, errArchive) && errors.Is(err, featurestore.ErrUnavailable) {
		w.c.Logger.Warn("a partition must be arranged anew", "source", p.source.Name, "partition", p.number, "error", err)
		return err
	}
	w.c.Logger.Error("a partition has halted", "source", p.source.Name, "partition", p.number, "error", err)
	p.progress.halt(p.id(), err)
	w.states.Lock()
	defer w.states.Unlock()
	p.halted = err
	state, stream := haltState(err)
	if !stream {
		return nil
	}
	p.begun.Store(false) // nobody may take the views for ready any more
	var errs []error
	for _, v := range p.views() {
		if err := v.setState(ctx, state, filledStates...); err != nil {
			errs = append(errs, fmt.Errorf("view %q: its state %s could not be stored: %w", v.Name(), state, err))
		}
	}
	return errors.Join(errs...)
}

// sayHalted looks at the lanes of what has halted: whoever has halted beats no heart.
// The rule is that a partition stays halted only over lanes that are there and say
// so. Where they are gone, are made anew, or have forgotten a GAP, it is an errLost:
// the next arrangement makes them, and finds out anew what the log is. That bad
// records were too many is said again where a failover has taken it back: of lanes
// it does not depend.
func (w *Worker) sayHalted(ctx context.Context) error {
	w.mu.Lock()
	parts := w.parts
	w.mu.Unlock()
	w.states.Lock()
	defer w.states.Unlock()
	for _, p := range parts {
		if p.halted == nil || errors.Is(p.halted, errStale) { // one that is out of date makes nothing anew
			continue
		}
		for _, v := range p.views() {
			stored, err := storedLanes(ctx, w.c.Online, v.id, v.laneCount())
			if err != nil {
				return err
			}
			if err := v.stillHalted(ctx, p.halted, stored); err != nil {
				return fmt.Errorf("view %q, which has halted and says %s: %w", v.Name(), online.Worst(stored), err)
			}
		}
		if errors.As(p.halted, new(*HaltedError)) {
			if err := p.spent.sayAgain(ctx, p.number); err != nil {
				return err
			}
		}
	}
	return nil
}

// stillHalted is nil where lanes still say that a partition has halted.
func (v *View) stillHalted(ctx context.Context, why error, stored []online.Lane) error {
	if whole, _ := intact(stored); !whole || !filled(stored) {
		return errLost
	}
	state, stream := haltState(why)
	switch online.Worst(stored) {
	case online.StateCatchingUp, online.StateLive:
		if state == online.StateGap {
			return errLost
		}
		if stream {
			return v.setState(ctx, state, filledStates...)
		}
	}
	return nil
}
