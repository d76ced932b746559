package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online/redis"
)

// lookEvery is how often a server looks at the settings of the online store: an ingester
// looks each second, and a server only says what a person must change.
const lookEvery = 30 * time.Second

// lookWithin bounds one look.
const lookWithin = 5 * time.Second

// storeLook is what a server says of the settings of a Redis, where no ingester runs in
// its process. What its user may not ask, it does not say.
type storeLook struct {
	parts *Parts
	store *redis.Store
	stop  context.CancelFunc
	done  chan struct{}

	mu    sync.Mutex
	asked bool  // the last server that answered has said how it is set
	wrong error // with that
}

// startLooking begins to look, at once and then again and again; nil where there is
// nothing to look at.
func (p *Parts) startLooking(every time.Duration) *storeLook {
	store, ok := p.Online.(*redis.Store)
	if !ok {
		return nil
	}
	if every == 0 {
		every = lookEvery
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &storeLook{parts: p, store: store, stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			l.look(ctx)
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}()
	return l
}

// look looks once. A store that does not answer has the settings that it had.
func (l *storeLook) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	asked, wrong := l.store.Look(ctx)
	if errors.Is(wrong, featurestore.ErrUnavailable) || ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	before := l.wrong
	l.asked, l.wrong = asked, wrong
	l.mu.Unlock()
	switch {
	case wrong != nil && (before == nil || before.Error() != wrong.Error()):
		l.parts.Logger.Error("the online store is not as it must be", "error", wrong)
	case wrong == nil && before != nil:
		l.parts.Logger.Info("the online store is as it must be again")
	}
}

// says is what is wrong, "" for nothing; asked is false where nobody may say.
func (l *storeLook) says() (wrong string, asked bool) {
	if l == nil {
		return "", false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wrong != nil {
		wrong = l.wrong.Error()
	}
	return wrong, l.asked
}

// end ends it, and is idempotent.
func (l *storeLook) end() {
	if l != nil {
		l.stop()
		<-l.done
	}
}
