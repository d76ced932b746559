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

// halted says what the end of a partition means for its views. It is an error
// where that cannot be stored: the partition then halts anew, until lookups know.
func (w *Worker) halted(ctx context.Context, p *partition, err error) error {
	if errors.As(err, new(*GapError)) {
		p.shared.halt(err)
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
	state, stream := haltState(err)
	if !stream {
		return nil
	}
	w.states.Lock()
	defer w.states.Unlock()
	p.begun.Store(false) // nobody may take the views for ready any more
	var errs []error
	for _, v := range p.views() {
		if err := v.setState(ctx, state); err != nil {
			errs = append(errs, fmt.Errorf("view %q: its state %s could not be stored: %w", v.Name(), state, err))
		}
	}
	return errors.Join(errs...)
}

// sayHalted says GAP and HALTED again where the store has forgotten it: one that
// failed over since answers as if the view were LIVE. Lanes that are gone stay so:
// with their fingerprints nobody knows any more whether the log is the same.
func (w *Worker) sayHalted(ctx context.Context) error {
	halted := w.progress.Halted()
	if len(halted) == 0 {
		return nil
	}
	w.mu.Lock()
	parts := w.parts
	w.mu.Unlock()
	w.states.Lock()
	defer w.states.Unlock()
	for _, p := range parts {
		state, stream := haltState(halted[p.id()])
		if !stream {
			continue
		}
		for _, v := range p.views() {
			stored, err := w.c.Online.Lanes(ctx, v.id, v.laneCount())
			if err != nil {
				return err
			}
			switch online.Worst(stored) {
			case online.StateBuilding, online.StateCatchingUp, online.StateLive:
				if err := v.setState(ctx, state); err != nil {
					return fmt.Errorf("view %q: its state %s could not be stored: %w", v.Name(), state, err)
				}
			}
		}
	}
	return nil
}
