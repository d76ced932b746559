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
	Entities int64  // that the last one that ended has compared
	Skipped  int64  // that it could not compare
	Trouble  string // why it could not audit a view; "" for nothing

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
	w.auditing(func(s *AuditStatus) { s.Started, s.Running = now, true })
	var entities, skipped int64
	trouble := ""
	for _, v := range w.live() {
		source, err := w.readOtherwise(ctx, v)
		if err == nil && source != "" {
			trouble = fmt.Sprintf("view %q, generation %d: not audited: the newest definition reads records of source %q otherwise, and may refuse what this one counts, or count what it refuses", v.Name(), v.ID().Number, source)
			continue
		}
		var x *examined
		if err == nil {
			x, err = w.auditView(ctx, v, slot)
		}
		if err != nil && ctx.Err() == nil {
			w.c.Logger.Warn("a view could not be audited, or not be mended", "view", v.Name(), "generation", v.ID().Number, "error", err)
			trouble = err.Error()
		}
		if x != nil {
			entities += int64(x.Entities)
			skipped += int64(x.Skipped)
		}
	}
	w.auditing(func(s *AuditStatus) {
		s.Running = false
		if ctx.Err() == nil { // one that was interrupted begins again
			s.Runs++
			s.Ended, s.Entities, s.Skipped, s.Trouble = w.c.Now(), entities, skipped, trouble
			w.nextAudit = after(now, w.c.Audit.Every)
		}
	})
}

// readOtherwise names a source of which a generation, as one that a person has gone back
// to, reads records otherwise than the newest definition, by which they come to rest:
// what is at rest says nothing of it then. It is "" where there is none.
func (w *Worker) readOtherwise(ctx context.Context, v *View) (source string, err error) {
	w.mu.Lock()
	revision := w.revision
	w.mu.Unlock()
	project, err := w.project(ctx, revision)
	if err != nil {
		return "", err
	}
	for i := range v.view.Bindings {
		s := v.view.Bindings[i].Source
		if newest := project.StreamSource(s.Name); newest == nil || !sameRecords(s, newest) {
			return s.Name, nil
		}
	}
	return "", nil
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
		whole: 1 << 48, least: auditLeast, most: auditMost, before: true,
	}
}

func (w *Worker) auditView(ctx context.Context, v *View, slot uint64) (*examined, error) {
	x, err := w.examine(ctx, v, auditSampling(slot))
	if err != nil {
		return nil, err
	}
	if len(x.Findings) > 0 && len(x.Otherwise) > 0 {
		return x, fmt.Errorf("view %q, generation %d: %d of %d compared entities are not what history says, and were left as they are: %s (next: freshet backfill %s)",
			v.Name(), v.ID().Number, len(x.Findings), x.Entities, x.otherwiseText(), v.Name())
	}
	w.auditing(func(s *AuditStatus) {
		s.Compared += int64(x.Entities)
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
		return x, err
	}
	n, mendErr := v.mend(ctx, mend, w.replayOf(v))
	w.auditing(func(s *AuditStatus) { s.Repaired += int64(n) })
	if n > 0 {
		w.c.Logger.Warn("entities were made anew from history", "view", v.Name(), "generation", v.ID().Number, "entities", n)
	}
	return x, errors.Join(err, mendErr)
}
