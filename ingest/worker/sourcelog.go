package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/logrecord"
)

// GapError halts the views of a source: the log is not the log that their
// positions came from, or no longer holds what they need. Nobody may jump over
// that silently.
type GapError struct {
	Source     string
	Generation uint32
	Partition  int32
	Reason     string

	had applied // of what the log no longer holds; without fingerprints nobody can say whether it comes back
}

func (e *GapError) Error() string {
	return fmt.Sprintf("GAP: source %q partition %d: %s; %s, or go on with what it holds now: `freshet accept-new-topic %s`", e.Source, e.Partition, e.Reason, e.restore(), e.Source)
}

// restore says what to do where the topic can be brought back.
func (e *GapError) restore() string {
	if len(e.had.prints) == 0 {
		return "restore the topic and start the ingester again"
	}
	return "restore the topic, and it goes on by itself"
}

// sourceLog is what the partitions of a source share: the log that they read. A
// partition that nothing was applied of has nothing to compare, so that one
// alone cannot say whether the topic is still the same: they are compared
// together, and what one finds halts all.
type sourceLog struct {
	source     string
	topic      string
	generation uint32
	partitions int
	log        logrecord.Log
	views      []*View
	halt       context.CancelCauseFunc
	rest       atRest

	gone  atomic.Pointer[GapError] // why they have halted
	asked atomic.Int64

	mu      sync.Mutex
	covered int64 // the last demand that the comparison before has answered
	err     error
}

// verify compares every partition of the source, own or not, with the log. Of
// demands that come at once, one comparison that begins after them answers all.
func (s *sourceLog) verify(ctx context.Context) error {
	demand := s.asked.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.covered >= demand {
		return s.err
	}
	covers := s.asked.Load()
	err := s.refresh(ctx)
	if err == nil {
		err = s.compare(ctx, nil)
	}
	if ctx.Err() == nil { // who gave up answers for nobody else
		s.covered, s.err = covers, err
	}
	return err
}

// refresh reads what was applied, also by others. It comes before the bounds: by
// their time, the log holds what the watermarks say. Lanes that are being made anew
// say nothing: a log that took another's place would be taken for it, and archived
// behind it.
func (s *sourceLog) refresh(ctx context.Context) error {
	for _, v := range s.views {
		if err := v.refresh(ctx); err != nil {
			return err
		}
		if !v.isFilled() {
			return errLost
		}
	}
	return nil
}

// compare compares partitions with the log: those given, or all that some view
// has met.
func (s *sourceLog) compare(ctx context.Context, only []int32) error {
	for number := range int32(s.partitions) {
		if only != nil && !slices.Contains(only, number) {
			continue
		}
		if err := s.comparePartition(ctx, number); err != nil {
			return err
		}
	}
	for _, v := range s.views {
		if id, beyond := v.metBeyond(s.source, s.generation, int32(s.partitions)); beyond {
			return s.gap(id.Number, fmt.Sprintf("the topic has %d partitions, but one more was applied before: it was made anew", s.partitions))
		}
	}
	return nil
}

func (s *sourceLog) comparePartition(ctx context.Context, number int32) error {
	id := online.Partition{Source: s.source, Generation: s.generation, Number: number}
	var have []applied
	for _, v := range s.views {
		if a := v.applied(id); a.high >= 0 && !slices.ContainsFunc(have, func(b applied) bool { return a.high == b.high && slices.Equal(a.prints, b.prints) }) {
			have = append(have, a)
		}
	}
	if len(have) == 0 {
		return nil
	}
	bounds, err := s.log.Bounds(ctx, s.topic, number)
	if err != nil {
		return err
	}
	for _, a := range have {
		found, err := agree(ctx, s.log, topicPartition{s.topic, number}, bounds, a.prints)
		if err != nil {
			return err
		}
		if reason := madeAnew(bounds, a, found); reason != "" {
			return s.another(number, reason, a)
		}
	}
	return nil
}

// another is a GAP because the log does not hold what was applied of it.
func (s *sourceLog) another(number int32, reason string, had applied) error {
	return &GapError{Source: s.source, Generation: s.generation, Partition: number, Reason: reason, had: had}
}

func (s *sourceLog) gap(number int32, reason string) error {
	return &GapError{Source: s.source, Generation: s.generation, Partition: number, Reason: reason}
}

// metBeyond gives a partition that the topic no longer has and the view has met.
func (v *View) metBeyond(source string, generation uint32, count int32) (online.Partition, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range v.lanes.marks {
		for p, m := range v.lanes.marks[i] {
			if p.Source == source && p.Generation == generation && p.Number >= count && m.logTime != noLogTime {
				return p, true
			}
		}
	}
	return online.Partition{}, false
}

// haltedBy is why the partitions of a source were stopped together, nil where it
// was for another reason.
func haltedBy(ctx context.Context) error {
	var gap *GapError
	if errors.As(context.Cause(ctx), &gap) {
		return gap
	}
	return nil
}

// watchLogs compares the partitions of this process with the log every few
// seconds, also those that are idle: a topic that was deleted and made anew may
// give no error to whoever waits for its next record. Where one that has halted is the
// old one again, the arrangement ends.
func (w *Worker) watchLogs(ctx context.Context, cancel context.CancelFunc, parts []*partition) error {
	own := map[*sourceLog][]int32{}
	for _, p := range parts {
		own[p.shared] = append(own[p.shared], p.number)
	}
	ticker := time.NewTicker(w.c.Recheck)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for s, numbers := range own {
			again, err := s.look(ctx, numbers)
			switch {
			case again:
				w.c.Logger.Info("a topic that was in a GAP holds again what was applied of it: its views go on", "source", s.source, "topic", s.topic)
				cancel()
				return nil
			case err == nil, ctx.Err() != nil, errors.Is(err, featurestore.ErrUnavailable), errors.Is(err, featurestore.ErrNotFound):
				// The partitions say what is away.
			default:
				w.c.Logger.Warn("a log could not be compared with what was applied of it", "source", s.source, "error", err)
			}
		}
	}
}
