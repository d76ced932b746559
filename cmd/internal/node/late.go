package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/worker"
	"github.com/freshet/freshet/serving/service"
)

// Ways on where a view is late. Nobody here knows why an ingester that runs stands still.
const (
	lateNext  = "freshet doctor; where no ingester runs: freshetd ingest"
	startNext = "start an ingester: freshetd ingest; where one runs: freshet doctor"
)

// archiveNext leads on where events at rest are damaged.
const archiveNext = "once that is mended: start the ingester again"

// late reports whether a view is not kept at the end of its log, by this process's
// clock. While a replay's stands, nothing can be late.
func (p *Parts) late(g service.Generation) bool {
	return p.Clock.Goes() && g.Late(p.Clock.Now())
}

// stateOf is the state of a generation's lanes, as people are told: lanes of which
// the store has none are still to be made, and those that are late catch up.
func (p *Parts) stateOf(g service.Generation) online.State {
	switch {
	case g.State == online.StateMissing && g.Slowest != nil && g.Slowest.Unmet:
		return online.StateBuilding
	case p.late(g):
		return online.StateCatchingUp
	}
	return g.State
}

// lateCondition says why a view that answers is not kept at the end of its log, and since
// when its slowest partition stands where that is guessed by the age of its lanes. The log
// is asked first, but where it is known to have more: whoever reads it finds out late
// that it is silent.
func (p *Parts) lateCondition(ctx context.Context, project *definition.Project, s *service.Slowest, l looks) (c worker.Condition, still string) {
	c, still = worker.Condition{State: online.StateCatchingUp.String(), Next: lateNext, Reason: p.lateReason(s)}, p.stillText(s)
	x := readHere(l.worker, s)
	if x != nil && x.Trouble == "" && x.Lag() > 0 {
		return p.here(c, x, s), still
	}
	e, asked := l.log.end(ctx, project, s)
	switch {
	case l.log.silent != nil:
		c.Reason, c.Next = fmt.Sprintf("%v; %s", l.log.silent, still), logNext
		return c, still
	case x != nil && x.Trouble != "": // whoever reads it knows why
		return p.here(c, x, s), ""
	case x != nil:
		c = p.here(c, x, s)
		if asked && e.open() {
			c.Reason, c.Next = c.Reason+"; "+openText(e), openNext
		}
		return c, still
	case asked && !s.Unmet:
		waiting(&c, e, s)
	}
	// Whoever reads it stands still where its archive is damaged, and no lane says so.
	if _, err := archive.Whole(p.Settings.Offline.Dir, s.Partition.Source); errors.Is(err, featurestore.ErrInvalid) {
		c.Reason, c.Next = c.Reason+"; "+err.Error(), archiveNext
	}
	return c, still
}

// lateReason is what the lanes say of it.
func (p *Parts) lateReason(s *service.Slowest) string {
	switch {
	case s.Unmet:
		return fmt.Sprintf("no ingester has read source %s yet", s.Partition.Source)
	case s.Fetched && s.At > featurestore.MinInstant:
		return fmt.Sprintf("no ingester has moved %s for %s", partitionText(s.Partition), age(p.Clock.Now()-s.At))
	}
	return fmt.Sprintf("%s is not at the end of its log", partitionText(s.Partition))
}

// stillText is lateReason where an ingester cannot help it.
func (p *Parts) stillText(s *service.Slowest) string {
	if s.Fetched && s.At > featurestore.MinInstant && !s.Unmet {
		return fmt.Sprintf("%s was read %s ago the last time", partitionText(s.Partition), age(p.Clock.Now()-s.At))
	}
	return p.lateReason(s)
}

// readHere is the partition as the ingester of this process has it; nil where it does
// not read it, or there is none.
func readHere(w *worker.Worker, s *service.Slowest) *worker.PartitionStatus {
	if w == nil {
		return nil
	}
	for _, x := range w.Progress().Statuses() {
		if x.Partition == s.Partition || s.Unmet && x.Partition.Source == s.Partition.Source {
			return &x
		}
	}
	return nil
}

// here is the condition as the ingester of this process, which reads the partition,
// knows it.
func (p *Parts) here(c worker.Condition, x *worker.PartitionStatus, s *service.Slowest) worker.Condition {
	at := partitionText(x.Partition)
	switch {
	case x.Trouble != "":
		c.Reason, c.Next = fmt.Sprintf("%s: %s", at, x.Trouble), "freshet doctor"
	case x.Lag() > 0:
		c.Reason, c.Next = fmt.Sprintf("%s is behind its log by %d offsets", at, x.Lag()), ""
	case s.Unmet:
		c.Reason, c.Next = at+" is read by this process, and nothing of it is applied yet", "freshet doctor"
	default:
		c.Reason, c.Next = "this process reads "+at+", and is not at the end of its log", "freshet doctor"
		if s.Fetched && s.At > featurestore.MinInstant {
			c.Reason = fmt.Sprintf("this process reads %s, and was at the end of its log %s ago the last time", at, age(p.Clock.Now()-s.At))
		}
	}
	return c
}

// openNext leads on where a transaction holds up a partition.
const openNext = "its producer ends the transaction, or the brokers do once it times out; where no ingester runs: freshetd ingest"

// waiting adds what the log has of a partition that is not applied.
func waiting(c *worker.Condition, e end, s *service.Slowest) {
	switch {
	case e.err != nil:
		c.Reason += fmt.Sprintf("; the log does not say what waits: %v", e.err)
	case e.bounds.End > s.Through+1:
		c.Reason, c.Next = c.Reason+fmt.Sprintf("; %d offsets of the log wait", e.bounds.End-s.Through-1), startNext
	case e.open(): // an ingester that runs cannot pass it, and moves nothing either
		c.Reason, c.Next = fmt.Sprintf("%s: all that is committed in its log is applied; %s", partitionText(s.Partition), openText(e)), openNext
	default:
		c.Reason, c.Next = c.Reason+"; nothing waits in the log", startNext
	}
}

// openText says what a transaction holds up.
func openText(e end) string {
	return fmt.Sprintf("a transaction is open in it: the %d offsets from %d on wait for its end", e.high-e.bounds.End, e.bounds.End)
}

func partitionText(p online.Partition) string {
	return fmt.Sprintf("partition %d of %s", p.Number, p.Source)
}

func age(d featurestore.Instant) time.Duration {
	return (time.Duration(d) * time.Microsecond).Round(time.Second)
}
