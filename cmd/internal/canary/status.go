package canary

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// States of a canary.
const (
	StateStarting = "STARTING" // nothing was served yet
	StateRunning  = "RUNNING"  // every record is served, once
	StateIdle     = "IDLE"     // other ingesters have all partitions of the topic
	StateDelayed  = "DELAYED"  // records are not served for longer than ten seconds
	StateWrong    = "WRONG"    // a record is lost, or counts twice, at this moment
	StateStopped  = "STOPPED"  // it cannot write or read; Reason says why
)

// Status is what the canary of a process has seen.
type Status struct {
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	Next   string `json:"next,omitempty"` // what a person can do
	Topic  string `json:"topic"`
	Every  string `json:"every"`

	// Since the process began, in records and in keys.
	Written int64 `json:"written"`
	Served  int64 `json:"served"`
	Losses  int64 `json:"losses"`
	Doubles int64 `json:"doubles"`
	Foreign int64 `json:"foreign,omitempty"` // records of others in the topic

	Wrong   int     `json:"wrong,omitempty"`           // keys that are wrong now
	Delay   float64 `json:"delay_seconds"`             // event to served, of the last round; the longest of its partitions
	Waiting float64 `json:"waiting_seconds,omitempty"` // of the oldest record that is not served

	Partitions []PartitionStatus `json:"partitions,omitempty"` // of this process
}

// PartitionStatus is one partition that this process writes.
type PartitionStatus struct {
	Partition int32   `json:"partition"`
	Series    string  `json:"series,omitempty"` // when it began
	Number    int64   `json:"number"`           // of the newest round
	Offset    int64   `json:"offset"`           // of its last record
	Delay     float64 `json:"delay_seconds"`
	Waiting   float64 `json:"waiting_seconds,omitempty"`
}

// Status is what was seen so far.
func (c *Canary) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.status
	s.Partitions = slices.Clone(s.Partitions)
	var refused *refusedError
	switch {
	case c.stood != nil:
		s.State, s.Reason = StateStopped, c.stood.Error()
		if errors.As(c.stood, &refused) {
			s.Next = refused.next
		}
	case s.Wrong > 0:
		s.State, s.Reason, s.Next = StateWrong, c.wrong, wrongNext
	case s.Waiting > slowAfter.Seconds():
		s.State, s.Reason, s.Next = StateDelayed, c.late, "freshet status"
	case len(s.Partitions) == 0 && c.rounds > startRounds:
		s.State, s.Reason = StateIdle, "other ingesters have every partition of the topic"
	case s.Served == 0:
		s.State = StateStarting
	default:
		s.State = StateRunning
	}
	return s
}

// startRounds is how many rounds a process may take to get partitions.
const startRounds = 3

func (c *Canary) change(do func(*Status)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do(&c.status)
}

// served counts a round that lookups see.
func (c *Canary) served(took time.Duration) {
	c.change(func(s *Status) { s.Served += probes })
	if c.c.Served != nil {
		c.c.Served(took)
	}
}

// stands says why the canary does not go on, each reason once, and how long to
// wait; nil says that it does.
func (c *Canary) stands(err error) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stood = err
	if err == nil {
		c.said = ""
		return 0
	}
	var refused *refusedError
	wait := againAfter
	again := c.said == err.Error()
	c.said = err.Error()
	switch {
	case errors.Is(err, errAnew):
		wait = 0
		c.c.Logger.Warn(err.Error())
	case errors.As(err, &refused):
		wait = refusedAfter
		if !again {
			c.c.Logger.Warn("the canary stands still; no view is concerned", "error", err, "next", refused.next)
		}
	case !again:
		c.c.Logger.Warn("the canary waits", "error", err)
	}
	return wait
}

// maxTold is how many findings of one look are logged each for itself.
const maxTold = 8

// found takes the findings of one look at everything.
func (c *Canary) found(list []Finding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tell(list)
	if c.status.Wrong > 0 && len(list) == 0 {
		c.c.Logger.Info("the canary's keys are right again")
	}
	c.status.Wrong, c.wrong = len(list), ""
	if len(list) > 0 {
		c.wrong = fmt.Sprintf("%s: partition %d, lane %d: %s", list[0].Kind, list[0].Partition, list[0].Lane, list[0].Text)
	}
}

// lost tells that a partition of the topic has lost records that were acknowledged.
func (c *Canary) lost(partition int32, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tell([]Finding{{Kind: Loss, Partition: partition, Text: "the topic has lost records: " + reason}})
}

// tell counts findings that are new, and logs them. The caller holds c.mu.
func (c *Canary) tell(list []Finding) {
	told := 0
	for _, f := range list {
		if _, known := c.seen[f.name()]; known {
			continue
		}
		c.seen[f.name()] = f
		words := "the canary has found that a record is lost"
		if f.Kind == Double {
			words = "the canary has found that a record counts twice"
			c.status.Doubles++
		} else {
			c.status.Losses++
		}
		if told++; told <= maxTold {
			c.c.Logger.Error(words, "partition", f.Partition, "lane", f.Lane, "series", f.Series, "probe", f.Probe, "seen", f.Text)
		}
	}
	if told > maxTold {
		c.c.Logger.Error("the canary has found more keys that are wrong", "keys", told-maxTold)
	}
}

// wrongNext is what leads on where a key is wrong.
const wrongNext = "compare your own views: freshet verify; then freshet backfill VIEW for what differs"

// report takes how far the partitions are, which series are looked at, and why
// records are late.
func (c *Canary) report(parts []PartitionStatus, watched map[int64]bool, late string) {
	slices.SortFunc(parts, func(a, b PartitionStatus) int { return cmp.Compare(a.Partition, b.Partition) })
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, f := range c.seen {
		if !watched[f.Series] {
			delete(c.seen, name)
		}
	}
	c.rounds++
	c.late = late
	s := &c.status
	s.Partitions, s.Delay, s.Waiting = parts, 0, 0
	for _, p := range parts {
		s.Delay, s.Waiting = max(s.Delay, p.Delay), max(s.Waiting, p.Waiting)
	}
}
