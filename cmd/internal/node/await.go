package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online/redis"
)

// startPatience is how long an online store that does not answer is waited for at the
// start, as the log is.
const startPatience = 30 * time.Second

// Between two attempts there is a pause, longer after each.
const (
	leastWait = 50 * time.Millisecond
	mostWait  = time.Second
)

// awaitStore asks something of the online store until it is answered. What may pass,
// as while a server is started again, is waited for and told once; what a server has
// refused, and settings that are wrong, do not pass. The error of a store that was
// waited for in vain says what to look at where that may be the reason.
func (p *Parts) awaitStore(ctx context.Context, ask func(context.Context) error) error {
	if p.storePatience == 0 {
		return nextRedis(ask(ctx), p.Settings.Online.Redis)
	}
	patience, cancel := context.WithTimeout(ctx, p.storePatience)
	defer cancel()
	var last error
	cut := true // each time: a server that is only started again also refuses, or says so
	for pause := leastWait; ; pause = min(2*pause, mostWait) {
		err := ask(patience)
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case last != nil && patience.Err() != nil:
			return p.inVain(last, cut)
		case !mayPass(err):
			return nextRedis(err, p.Settings.Online.Redis)
		case last == nil:
			p.Logger.Warn("waiting for the online store", "for", p.storePatience, "error", err)
		}
		why := refusalOf(err)
		last, cut = err, cut && (why == cutOff || why == silent)
		select {
		case <-time.After(pause):
		case <-patience.Done():
			return p.inVain(last, cut)
		}
	}
}

// inVain is the error of a store that was waited for; cut says that it closed each
// connection, or said nothing.
func (p *Parts) inVain(err error, cut bool) error {
	err = fmt.Errorf("gave up after %s: %w", p.storePatience, err)
	if !cut {
		return err
	}
	return nextRedis(err, p.Settings.Online.Redis)
}

// mayPass reports whether an error of the online store may be gone the next time.
func mayPass(err error) bool {
	switch refusalOf(err) {
	case badCertificate, ownCertificate, badPassword, otherProtocol:
		return false
	default:
	}
	return errors.Is(err, featurestore.ErrUnavailable) && !errors.Is(err, featurestore.ErrInvalid) && redis.Passes(err)
}
