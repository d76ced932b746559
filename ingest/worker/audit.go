package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/registry"
)

// Audit says how often stored entities are compared with history.
type Audit struct {
	Every time.Duration // 0 is never
}

const (
	auditSlots = 1000   // one entity in so many is looked at in one audit
	auditLeast = 50     // of a small view, so many
	auditMost  = 20_000 // of a large one, no more
	auditFirst = 5 * time.Minute
)

// AuditStatus is what the audits of this process have found.
type AuditStatus struct {
	Runs     int64
	Started  featurestore.Instant // the last one, or the one under way; 0 where there was none
	Ended    featurestore.Instant // the last one that ended
	Running  bool
	Views    int    // of the last one
	Entities int64  // of the last one
	TooHot   int64  // of the last one: entities with too many records to be looked at
	Trouble  string // why a view could not be audited; "" for nothing

	// Of all of them.
	Compared, Findings, Repaired int64
}

// AuditStatus is what the audits of this process have found so far. Only the
// process that leads audits.
func (w *Worker) AuditStatus() AuditStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.audited
}

func (w *Worker) auditing(do func(*AuditStatus)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	do(&w.audited)
}

// auditDue reports whether the next audit is to begin. The first one comes soon
// after a process has begun to lead, so that often restarted ones audit too.
func (w *Worker) auditDue() bool {
	if w.c.Audit.Every <= 0 {
		return false
	}
	now := w.c.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.nextAudit == 0 {
		w.nextAudit = after(now, min(auditFirst, w.c.Audit.Every))
	}
	return now >= w.nextAudit
}

// audit compares a sample of every live view with history, and mends what
// differs. Which entities it takes changes from one audit to the next, by the
// clock alone, so that all have their turn whoever leads.
func (w *Worker) audit(ctx context.Context) {
	now := w.c.Now()
	slot := uint64(int64(now)/w.c.Audit.Every.Microseconds()) % auditSlots
	views := w.live()
	w.auditing(func(s *AuditStatus) {
		s.Started, s.Running, s.Views, s.Entities, s.TooHot, s.Trouble = now, true, len(views), 0, 0, ""
	})
	for _, v := range views {
		if err := w.auditView(ctx, v, slot); err != nil && ctx.Err() == nil {
			w.c.Logger.Warn("a view could not be audited", "view", v.Name(), "generation", v.ID().Number, "error", err)
			w.auditing(func(s *AuditStatus) { s.Trouble = err.Error() })
		}
	}
	w.auditing(func(s *AuditStatus) {
		s.Running = false
		if ctx.Err() == nil { // one that was interrupted begins again
			s.Runs++
			s.Ended = w.c.Now()
			w.nextAudit = after(now, w.c.Audit.Every)
		}
	})
}

// live are the views that answer.
func (w *Worker) live() []*View {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []*View
	for _, id := range w.sorted() {
		if r := w.views[id]; r.state == registry.Live && r.full && r.view.isLive() {
			out = append(out, r.view)
		}
	}
	return out
}

// auditSampling takes the entities of a slot, and of a small view those that come
// next.
func auditSampling(slot uint64) sampling {
	return sampling{
		rank: func(hash uint64) uint64 {
			distance := (hash%auditSlots + auditSlots - slot) % auditSlots
			return distance<<48 | hash>>16
		},
		whole: 1 << 48, least: auditLeast, most: auditMost,
	}
}

func (w *Worker) auditView(ctx context.Context, v *View, slot uint64) error {
	x, err := w.examine(ctx, v, auditSampling(slot))
	if err != nil {
		return err
	}
	w.auditing(func(s *AuditStatus) {
		s.Entities += int64(x.Entities)
		s.Compared += int64(x.Entities)
		s.TooHot += int64(x.Hot)
		s.Findings += int64(len(x.Findings))
	})
	var mend []damage
	for _, f := range x.Findings {
		w.c.Logger.Error("the audit has found an entity that is not what its records say", "view", v.Name(), "generation", v.ID().Number,
			"lane", f.lane, "key_hash", fmt.Sprintf("%016x", xxh3.HashString(f.key)), "error", f.reason)
		if !f.byOracle {
			mend = append(mend, f.damage)
		}
	}
	if len(x.Findings) > len(mend) {
		err = errors.New("values differ from the oracle's though the bytes are right: this binary computes wrongly, see the log")
	}
	if len(mend) == 0 {
		return err
	}
	n, mendErr := v.mend(ctx, mend, w.replayOf(v))
	w.auditing(func(s *AuditStatus) { s.Repaired += int64(n) })
	if n > 0 {
		w.c.Logger.Warn("entities were made anew from history", "view", v.Name(), "generation", v.ID().Number, "entities", n)
	}
	return errors.Join(err, mendErr)
}
