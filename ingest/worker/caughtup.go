package worker

import (
	"time"

	"github.com/freshet/freshet/featurestore"
)

// caughtWithin is how long the lanes of a generation may take to pass where its log has
// ended for it to have caught up: some heartbeats, by which those move that no record does.
const caughtWithin = 5 * time.Second

// ownEnd is where a partition of this process ended, and when this one looked.
type ownEnd struct {
	end int64
	at  featurestore.Instant
}

// reaches reports whether a generation follows a partition that this process reads. While
// records come in, some lane is always behind the newest of them, for only those that a
// record touches move at once: so what counts is that all have passed where the log has
// ended a few seconds ago. One that takes longer is compared with its end anew.
func (r *running) reaches(p *partition, progress *Progress, now featurestore.Instant) bool {
	id := p.id()
	lowest, highest := r.view.Lowest(id), r.view.Highest(id) // before what the log says, which goes on
	s, known := progress.status(id)
	end := max(s.End, s.Seen)
	if !known || !p.begun.Load() || highest >= end { // it has applied what this process does not know of
		return false
	}
	if s.Through >= s.End-1 && lowest >= s.Through {
		return true
	}
	was, looked := r.own[id]
	if was.end = min(was.end, end); looked && lowest < was.end-1 {
		return false
	}
	if looked && !passed(now, was.at, caughtWithin) {
		return true
	}
	r.own[id] = ownEnd{end, now}
	return false
}
