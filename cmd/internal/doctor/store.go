package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/redis"
)

// checkStore asks the store what the ingester asks it at its start and every second
// after: role, version, eviction, persistence, memory.
func checkStore(ctx context.Context, e *exam) finding {
	f, no := e.needs(false, false)
	if no {
		return f
	}
	if dir := e.settings.Online.Embedded; dir != "" {
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			f.add(OK, "embedded, not made yet: "+dir)
			return f
		}
	}
	opened := node.Closed(e.settings, e.parts.Clock, e.Logger)
	err := opened.OpenOnline()
	if err != nil && e.settings.Online.Embedded != "" && errors.Is(err, featurestore.ErrUnavailable) {
		if len(e.reports) > 0 {
			f.add(OK, "embedded, in "+e.settings.Online.Embedded+"; the process that answers has it")
		} else {
			f.add(Failed, text(err), "another process has the folder, and does not answer", "freshet serve; or end that process")
		}
		return f
	}
	if err != nil {
		f.add(Failed, text(err), "no feature can be read or written", "correct online in "+e.settings.Root+"/freshet.yaml")
		return f
	}
	keep := func(e *exam) {
		e.parts.Online = opened.Online // and its clock: the parts share it
		e.closers = append(e.closers, opened.Close)
	}
	seen := "embedded, in " + e.settings.Online.Embedded
	if r, ok := opened.Online.(*redis.Store); ok {
		servers, err := r.Servers(ctx, e.Now)
		if err != nil {
			next := "look at the servers, and at online.redis: addrs, mode, username, password, tls"
			if node.Silent(err) {
				next = "see that redis-server is not stopped or overloaded: something listens there and does not answer; then look at online.redis: addrs, mode, tls"
			}
			f.add(Failed, text(err), "lookups are not answered, and nothing is applied; the stream waits and loses nothing", next)
			f.keep = func(e *exam) { e.closers = append(e.closers, opened.Close) }
			return f
		}
		seen = described(servers)
	}
	if err = opened.Online.Check(ctx); err == nil {
		err = opened.AdoptClock(ctx)
	}
	switch {
	case errors.Is(err, online.ErrNearlyFull):
		f.add(Warning, seen+"; "+text(err), "a store that is full refuses every write, and the stream waits", "raise maxmemory, or drop views")
	case errors.Is(err, online.ErrEvicted) && !errors.Is(err, featurestore.ErrInvalid):
		f.add(Failed, text(err), "entities are missing, nobody knows which: lookups may answer with less than there was", "freshet ingest: it builds every view anew")
	case errors.Is(err, featurestore.ErrInvalid):
		f.add(Failed, text(err), "state would be lost in silence: ingesters and servers do not start on such a store, and those that run say so", "the command that stands with each problem; then freshet doctor again")
	case err != nil:
		f.add(Failed, text(err), "lookups are not answered, and nothing is applied", "look at the servers")
	default:
		f.add(OK, seen)
	}
	f.keep = keep
	return f
}

func described(servers []redis.Server) string {
	var out []string
	for _, s := range servers {
		memory := fmt.Sprintf("%d MiB used, no maxmemory", s.Used>>20)
		if s.Most > 0 {
			memory = fmt.Sprintf("%d of %d MiB used", s.Used>>20, s.Most>>20)
		}
		file := "snapshots or none"
		if s.AppendOnly {
			file = "append-only file"
		}
		out = append(out, fmt.Sprintf("Redis %s on port %s: %s, %s, %s, %s, %d replicas", s.Version, s.Port, s.Role, s.Policy, file, memory, s.Replicas))
	}
	return strings.Join(out, "; ")
}

// Differences of clocks that are told.
const (
	clockWarning = time.Second
	clockFailed  = time.Minute
)

// checkClock compares this machine's clock with those that can be asked: the
// store's servers, the server, and what ingesters have written.
func checkClock(ctx context.Context, e *exam) finding {
	f, no := e.needs(false, false)
	if no {
		return f
	}
	if r, ok := e.parts.Online.(*redis.Store); ok {
		servers, err := r.Servers(ctx, e.Now)
		if err != nil {
			f.add(Warning, text(err), "the store's clock is not known", "").Of = "store"
		}
		for _, s := range servers {
			if !s.HasClock {
				f.add(OK, "this user may not ask for the time").Of = "store"
				continue
			}
			f.clock("store, port "+s.Port, s.Ahead, s.Within)
		}
	}
	for _, r := range e.reports {
		at, err := featurestore.ParseInstant(r.status.Clock)
		if err != nil || r.status.Replaying {
			continue
		}
		// It was asked at some time within the checks before: only what lies ahead is certain.
		if ahead := featurestore.Duration(at - e.Now()).Std(); ahead > 0 {
			f.clock(r.addr, ahead, 0)
		}
	}
	if len(f.results) == 0 {
		f.add(OK, "no other clock is ahead of this machine's")
	}
	return f
}

func (f *finding) clock(of string, ahead, within time.Duration) {
	off := max(ahead.Abs()-within, 0)
	where := "before"
	if ahead < 0 {
		where = "behind"
	}
	seen := fmt.Sprintf("its clock is %s %s this machine's, give or take %s", ahead.Abs().Round(time.Microsecond), where, within.Round(time.Microsecond))
	const why = "read times and time to live are those of different clocks: a lookup may lack events of the last moments, or see none at all"
	switch {
	case off > clockFailed:
		f.add(Failed, seen, why, "synchronize the clocks (NTP)").Of = of
	case off > clockWarning:
		f.add(Warning, seen, why, "synchronize the clocks (NTP)").Of = of
	default:
		f.add(OK, seen).Of = of
	}
}
