package node

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/logrecord"
	"github.com/freshet/freshet/serving/service"
)

// logNext leads on where the log does not answer.
const logNext = "look at the brokers, and at log.kafka: brokers, tls, sasl"

// logAsk is what one status asks of the log: of each partition once, and nothing more
// once it was silent. Where this process has none open, and it is a Kafka, it is opened
// for the time of the status.
type logAsk struct {
	parts  *Parts
	opened *Parts // nil: not by this one
	silent error  // why it does not answer
	known  map[online.Partition]end
}

// end is what the log said of where a partition ends.
type end struct {
	bounds logrecord.Bounds
	err    error

	high   int64 // where it ends with what is not committed; 0 where that was not asked
	looked bool  // it was, or need not be
}

// open reports whether a transaction is open there: it holds up what comes behind.
func (e *end) open() bool { return e.err == nil && e.high > e.bounds.End }

func (p *Parts) asksLog() *logAsk {
	a := &logAsk{parts: p, known: map[online.Partition]end{}}
	if p.LogSilent != nil {
		a.hush(p.LogSilent)
	}
	return a
}

func (a *logAsk) close() {
	if a.opened == nil {
		return
	}
	if err := a.opened.Close(); err != nil {
		a.parts.Logger.Warn("the log could not be closed in order", "error", err)
	}
}

// hush notes that the log does not answer.
func (a *logAsk) hush(err error) {
	name := "the log"
	if k := a.parts.Settings.Log.Kafka; k != nil {
		name = "the log, Kafka at " + strings.Join(k.Brokers, ", ") + ","
	}
	switch {
	case errors.Is(err, featurestore.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded): // it says what was tried
		a.silent = fmt.Errorf("%s does not answer: %w", name, err)
	default:
		a.silent = fmt.Errorf("%s does not answer: nothing within %s", name, reachWithin)
	}
}

// unanswered reports whether an error of the log is that it does not answer.
func unanswered(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, featurestore.ErrUnavailable)
}

// log is the log to ask; nil where there is none, or it is silent.
func (a *logAsk) log(ctx context.Context) logrecord.Log {
	switch {
	case a.silent != nil:
		return nil
	case a.parts.Log != nil:
		return a.parts.Log
	case a.opened != nil:
		return a.opened.Log
	case a.parts.Settings.Log.Kafka == nil:
		return nil // it is open in the process that ingests
	}
	a.opened = Closed(a.parts.Settings, a.parts.Clock, a.parts.Logger)
	a.opened.Patience = reachWithin
	if err := a.opened.OpenLog(ctx); err != nil {
		a.hush(err)
		return nil
	}
	return a.opened.Log
}

// end is where the slowest partition of a view ends; false where there is no log to ask,
// or it is silent.
func (a *logAsk) end(ctx context.Context, project *definition.Project, s *service.Slowest) (end, bool) {
	source := project.StreamSource(s.Partition.Source)
	if source == nil {
		return end{err: errors.New("its source is no longer defined")}, true
	}
	ctx, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	e, known := a.known[s.Partition]
	if !known {
		log := a.log(ctx)
		if log == nil {
			return end{}, false
		}
		e.bounds, e.err = log.Bounds(ctx, source.Topic, s.Partition.Number)
	}
	if a.silent == nil && e.err == nil && !e.looked && e.bounds.End <= s.Through+1 {
		e.looked = true
		e.err = a.high(ctx, source.Topic, s.Partition.Number, &e)
	}
	a.known[s.Partition] = e
	if e.err != nil && unanswered(e.err) {
		a.hush(e.err)
	}
	return e, a.silent == nil
}

// high asks where a partition ends with what is not committed, and again where what is
// committed ends: the two are of one moment. Who may not read the topic is not told.
func (a *logAsk) high(ctx context.Context, topic string, partition int32, e *end) error {
	batch, err := a.log(ctx).Peek(ctx, topic, partition, e.bounds.End)
	if err != nil {
		if unanswered(err) {
			return err
		}
		return nil
	}
	defer batch.Release()
	e.bounds.End, e.high = max(e.bounds.End, batch.LastStable), batch.HighWatermark
	return nil
}
