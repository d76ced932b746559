package worker

import (
	"context"
	"slices"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
)

// caughtUp reports whether a view has applied every partition to its end, as far
// as this arrangement knows. The caller holds w.mu.
func (w *Worker) caughtUp(r *running) bool {
	v := r.view
	for _, b := range v.view.Bindings {
		if !slices.Contains(w.sources, b.Source.Name) {
			return false
		}
	}
	if r.own == nil {
		r.own = map[online.Partition]ownEnd{}
	}
	reached, now := true, w.c.Now()
	for _, p := range w.parts {
		if _, reads := v.binding[p.source.Name]; !reads {
			continue
		}
		if !slices.Contains(p.views(), v) {
			return false
		}
		reached = r.reaches(p, w.progress, now) && reached // all are looked at
	}
	if !reached {
		return false
	}
	for _, id := range w.foreign(v) {
		if far, asked := r.far[id]; !asked || !v.passed(id, far) {
			return false
		}
	}
	return true
}

// foreign are the partitions of a view that other processes read. The caller
// holds w.mu.
func (w *Worker) foreign(v *View) []online.Partition {
	if w.share.assignment == nil {
		return nil
	}
	var out []online.Partition
	for _, b := range v.view.Bindings {
		for n := range int32(w.topics[b.Source.Topic]) {
			if !w.share.owns(b.Source.Topic, n) {
				out = append(out, online.Partition{Source: b.Source.Name, Generation: w.logs[b.Source.Name], Number: n})
			}
		}
	}
	return out
}

// farEnd is where a partition of another process ended when this one asked, and
// how fresh its watermarks were.
type farEnd struct {
	end   int64
	fetch featurestore.Instant
}

// passed reports whether every lane has applied a partition to that end, and
// whether its owner has since been at the end of the log: it has then found the
// log to be the one that the positions came from. Its clock may be behind that of
// the owner before.
func (v *View) passed(id online.Partition, far farEnd) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.lanes.lowest(id) >= far.end-1 && v.lanes.fetched(id) != far.fetch
}

// askEnds asks where the partitions of other processes end, for each generation
// that is filled and does not answer: also where its lanes are LIVE, and the registry
// does not say so yet, or no longer. Where they ended when it was asked first
// counts, unless that was cut off since: nobody reads it any more.
func (w *Worker) askEnds(ctx context.Context) error {
	type question struct {
		r     *running
		topic string
		id    online.Partition
	}
	var ask []question
	w.mu.Lock()
	for _, id := range w.sorted() {
		r := w.views[id]
		s := r.view.laneState()
		answers := s == online.StateLive && r.state != registry.Building
		if !r.full || answers || s != r.asked {
			r.far, r.own, r.asked = nil, nil, s // somebody has halted since, or goes on: what was passed before says nothing
		}
		if !r.full || answers {
			continue
		}
		for _, id := range w.foreign(r.view) {
			ask = append(ask, question{r, r.view.view.Bindings[r.view.binding[id.Source]].Source.Topic, id})
		}
	}
	w.mu.Unlock()
	for _, q := range ask {
		bounds, err := w.c.Log.Bounds(ctx, q.topic, q.id.Number)
		if err != nil {
			return err
		}
		fetch := q.r.view.fetched(q.id)
		w.mu.Lock()
		if q.r.far == nil {
			q.r.far = map[online.Partition]farEnd{}
		}
		far, asked := q.r.far[q.id]
		if !asked {
			far = farEnd{end: bounds.End, fetch: fetch}
		}
		far.end = min(far.end, bounds.End)
		q.r.far[q.id] = far
		w.mu.Unlock()
	}
	return nil
}

// fetched is lanes.fetched of the view.
func (v *View) fetched(id online.Partition) featurestore.Instant {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.lanes.fetched(id)
}

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
	switch {
	case looked && lowest < min(was.end, end)-1: // it may have been cut off since
		return false
	case looked && !passed(now, was.at, caughtWithin):
		return true
	}
	r.own[id] = ownEnd{end, now}
	return false
}
