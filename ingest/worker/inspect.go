package worker

import (
	"context"
	"fmt"
	"math"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/logrecord"
)

// LogState is what a partition of a topic is now, against what was applied of it.
type LogState struct {
	Partition  int32  `json:"partition"`
	Applied    int64  `json:"applied_through"` // the last offset that some lane of some view has; -1: none
	Next       int64  `json:"next"`            // the first offset that some lane still needs
	AtRest     int64  `json:"at_rest_through"` // the last offset of the archive; -1: none
	Start      int64  `json:"log_start"`
	End        int64  `json:"log_end"`
	Records    string `json:"records"`       // what the fingerprints say: same, another or unknown
	Gap        string `json:"gap,omitempty"` // why the views cannot go on; "": they can
	Expired    bool   `json:"-"`             // of a gap: the log begins behind what is missing, which is not at rest either
	Unarchived int64  `json:"not_at_rest"`   // offsets that were applied and are not at rest
}

// What fingerprints say of a log.
const (
	RecordsSame    = "same"
	RecordsAnother = "another"
	RecordsUnknown = "unknown" // none is left to compare
)

// Inspector looks at a log without an ingester.
type Inspector struct {
	Project string
	Log     logrecord.Log
	Online  online.Store
	History offline.History
}

// Inspect compares every partition of a source's log with what the generations of
// its views have applied of it.
func (x Inspector) Inspect(ctx context.Context, s *definition.StreamSource, generation uint32, views []registry.Generation) ([]LogState, error) {
	count, err := x.Log.Partitions(ctx, s.Topic)
	if err != nil {
		return nil, fmt.Errorf("topic %q of source %q: %w", s.Topic, s.Name, err)
	}
	n := count
	pictures := make([]lanes, len(views))
	for i, g := range views {
		stored, err := x.Online.Lanes(ctx, online.Generation{Project: x.Project, View: g.View, Number: g.Number}, g.Lanes)
		if err != nil {
			return nil, err
		}
		pictures[i].load(stored)
		for j := range stored {
			for p := range stored[j].Watermarks {
				if p.Source == s.Name && p.Generation == generation {
					n = max(n, int(p.Number)+1)
				}
			}
		}
	}
	out := make([]LogState, n)
	for number := range int32(n) {
		if out[number], err = x.partition(ctx, s, online.Partition{Source: s.Name, Generation: generation, Number: number}, pictures, int(number) < count); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// partition inspects one; there says that the topic still has it.
func (x Inspector) partition(ctx context.Context, s *definition.StreamSource, id online.Partition, pictures []lanes, there bool) (LogState, error) {
	state := LogState{Partition: id.Number, Applied: -1, Records: RecordsUnknown}
	var bounds logrecord.Bounds
	var err error
	if there {
		if bounds, err = x.Log.Bounds(ctx, s.Topic, id.Number); err != nil {
			return state, err
		}
	}
	state.Start, state.End = bounds.Start, bounds.End
	ranges, err := completeRanges(ctx, x.History, s, offline.Partition{Generation: id.Generation, Partition: id.Number})
	if err != nil {
		return state, err
	}
	state.AtRest, state.Next = endOf(ranges)-1, math.MaxInt64
	met := false
	for i := range pictures {
		have := pictures[i].applied(id)
		if !have.met {
			continue
		}
		met = true
		state.Applied, state.Next = max(state.Applied, have.high), min(state.Next, have.low+1)
		if err := x.judge(ctx, s.Topic, &state, bounds, have); err != nil {
			return state, err
		}
	}
	if there && state.Gap == "" {
		if err := x.judgeRest(ctx, s, id, &state); err != nil {
			return state, err
		}
	}
	if !met {
		state.Next = bounds.Start
	}
	state.Unarchived = max(0, state.Applied-state.AtRest)
	lost := true // what expired before it was archived again was at rest before: Missing says so
	if len(ranges) > 0 && state.AtRest+1 < bounds.Start {
		behind := offline.Range{From: state.AtRest + 1, To: bounds.Start}
		if lost, err = x.wasAtRest(ctx, s.Name, offline.Partition{Generation: id.Generation, Partition: id.Number}, behind); err != nil {
			return state, err
		}
	}
	switch {
	case state.Gap != "":
	case met && !there:
		state.Gap = "the topic no longer has this partition: it was made anew"
	case !lost:
		state.Gap, state.Expired = fmt.Sprintf("the log begins at %d, but %d is the next to be archived: records have expired", bounds.Start, state.AtRest+1), true
	case met && reach(ranges, state.Next) < bounds.Start:
		state.Gap, state.Expired = expired(bounds, state.Next), true
	}
	return state, nil
}

func (x Inspector) judge(ctx context.Context, topic string, state *LogState, bounds logrecord.Bounds, have applied) error {
	found, err := agree(ctx, x.Log, topicPartition{topic, state.Partition}, bounds, have.prints)
	if err != nil {
		return err
	}
	switch {
	case found.differs >= 0:
		state.Records = RecordsAnother
	case found.same >= 0 && state.Records == RecordsUnknown:
		state.Records = RecordsSame
	}
	if reason := madeAnew(bounds, have, found); reason != "" {
		state.Gap = reason
	}
	return nil
}

// judgeRest compares the log with what is at rest, as lanes that stand before its end do.
func (x Inspector) judgeRest(ctx context.Context, s *definition.StreamSource, id online.Partition, state *LogState) error {
	ends, err := endsAtRest(ctx, x.History, s)
	if err != nil {
		return err
	}
	end := ends[offline.Partition{Generation: id.Generation, Partition: id.Number}]
	if id.Generation == offline.FilesGeneration || end.to <= state.Next && state.Next != math.MaxInt64 {
		return nil
	}
	bounds, err := x.Log.Bounds(ctx, s.Topic, id.Number) // by now, the log holds what is at rest
	if err != nil {
		return err
	}
	if state.Gap, err = end.unlike(ctx, x.Log, topicPartition{s.Topic, id.Number}, bounds); state.Gap != "" {
		state.Records = RecordsAnother
	}
	return err
}
