package canary

import (
	"context"
	"io"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/deadletter"
	"github.com/freshet/freshet/ingest/logrecord"
)

// fixed is a registry with one revision and one generation, for ever: every
// ingester of a project has the same without asking anybody.
type fixed struct {
	revision   registry.Revision
	generation registry.Generation
}

func fixedRegistry(files []definition.File, project *definition.Project) *fixed {
	v := project.StreamView(View)
	return &fixed{
		revision:   registry.Revision{Number: 1, Author: "freshet", Message: "the canary", Files: files},
		generation: registry.Generation{View: View, Number: generationOf(v), Hash: v.Hash, State: registry.Live, Revision: 1, Lanes: probes},
	}
}

func errFixed() error { return featurestore.Invalidf("the canary's registry does not change") }

func (f *fixed) Current(context.Context) (*registry.Revision, error)   { return &f.revision, nil }
func (f *fixed) CurrentNumber(context.Context) (int64, error)          { return f.revision.Number, nil }
func (f *fixed) Changes(context.Context) (int64, error)                { return 1, nil }
func (f *fixed) Sources(context.Context) ([]registry.SourceLog, error) { return nil, nil }
func (f *fixed) Close() error                                          { return nil }

func (f *fixed) Revision(_ context.Context, n int64) (*registry.Revision, error) {
	if n != f.revision.Number {
		return nil, featurestore.NotFoundf("there is no revision %d", n)
	}
	return &f.revision, nil
}

func (f *fixed) Generations(context.Context) ([]registry.Generation, error) {
	return []registry.Generation{f.generation}, nil
}

func (f *fixed) Retired(context.Context) ([]registry.Generation, error) { return nil, nil }

func (f *fixed) Apply(context.Context, int64, registry.Revision, []registry.Target) (*registry.Revision, error) {
	return nil, errFixed()
}

func (f *fixed) Rebuild(context.Context, registry.Order) (registry.Generation, error) {
	return registry.Generation{}, errFixed()
}

func (f *fixed) SetState(context.Context, ...registry.Step) error { return errFixed() }

func (f *fixed) Switch(context.Context, []registry.Choice, string, featurestore.Instant) error {
	return errFixed()
}

func (f *fixed) AcceptTopic(context.Context, string, uint32, string, featurestore.Instant) (registry.SourceLog, error) {
	return registry.SourceLog{}, errFixed()
}

// unwatched is the online store without the question for its settings: that
// evicted keys are told once, to who asks first, and the ingester must hear of it.
type unwatched struct{ online.Store }

func (unwatched) Check(context.Context) error { return nil }

// nothing is an archive that keeps nothing: the canary's records are of no use
// beyond their topic.
type nothing struct{}

func (nothing) Hold(offline.Partition) error            { return nil }
func (nothing) Release(offline.Partition) error         { return nil }
func (nothing) Next(offline.Partition) (int64, bool)    { return 0, false }
func (nothing) First(offline.Partition) int64           { return 0 }
func (nothing) Begin(offline.Partition, int64) error    { return nil }
func (nothing) Append(*columnar.Events) error           { return nil }
func (nothing) Consumed(offline.Partition, int64) error { return nil }
func (n nothing) Seal() (durable func() error)          { return n.Close }
func (nothing) Close() error                            { return nil }

// expired is the canary's history: what its topic no longer holds. Those records
// are of series that nobody looks at any more, so that they are passed by as if
// they had been read, and had been no events.
type expired struct {
	log   logrecord.Log
	topic string
}

// Segments implements offline.History.
func (e expired) Segments(ctx context.Context, _ *definition.StreamSource) ([]offline.Segment, error) {
	n, err := e.log.Partitions(ctx, e.topic)
	if err != nil {
		return nil, err
	}
	var out []offline.Segment
	for number := range int32(n) {
		bounds, err := e.log.Bounds(ctx, e.topic, number)
		if err != nil {
			return nil, err
		}
		if bounds.Start > 0 {
			p := offline.Partition{Generation: registry.FirstLog, Partition: number}
			out = append(out, offline.Segment{Partition: p, Offsets: offline.Range{To: bounds.Start}})
		}
	}
	return out, nil
}

// Dropped implements offline.History: nothing was at rest.
func (e expired) Dropped(context.Context, *definition.StreamSource) (map[offline.Partition]offline.Dropped, error) {
	return nil, nil
}

// Scan implements offline.History: no events, and how far that goes.
func (e expired) Scan(ctx context.Context, spec offline.Spec) (offline.Stream, error) {
	segments, err := e.Segments(ctx, spec.Source)
	if err != nil {
		return nil, err
	}
	s := &silence{}
	for _, g := range segments {
		want, limited := spec.Bounds[g.Partition]
		if !limited && spec.Only {
			continue
		}
		to := g.Offsets.To
		if limited {
			to = min(to, want.To)
		}
		if to > want.From {
			s.batches = append(s.batches, offline.Batch{Partition: g.Partition.Of(spec.Index), Through: to - 1})
		}
	}
	return s, nil
}

// silence is a stream of batches without events.
type silence struct{ batches []offline.Batch }

func (s *silence) Next(context.Context) (offline.Batch, error) {
	if len(s.batches) == 0 {
		return offline.Batch{}, io.EOF
	}
	b := s.batches[0]
	s.batches = s.batches[1:]
	return b, nil
}

func (s *silence) Stats() offline.Stats { return offline.Stats{} }
func (s *silence) Close() error         { return nil }

// foreign takes the records of the topic that are not the canary's.
type foreign struct{ met func(deadletter.DeadLetter) }

func (f foreign) Append(letters ...deadletter.DeadLetter) error {
	for i := range letters {
		f.met(letters[i])
	}
	return nil
}
