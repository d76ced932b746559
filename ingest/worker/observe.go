package worker

import (
	"context"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/deadletter"
	"github.com/freshet/freshet/ingest/logrecord"
)

// Observer is told what a worker does, for metrics and traces. Its methods are
// called from many goroutines, and must be quick.
type Observer interface {
	// Applying is told of lane batches that go to the store; it returns what is called
	// once the answers are there.
	Applying(view string, group Group) func()

	// Served is told of a chunk that every view has applied and acknowledged:
	// lookups see it. oldest is the least log time of its events.
	Served(p online.Partition, events int, oldest featurestore.LogTime)

	// Traced is told of the records of such a chunk that carry the context of a trace.
	Traced(topic string, p online.Partition, records []Traced)
}

// Group is a group of lane batches, with the entities and bytes of their states that
// they write, and the bytes of the largest state.
type Group struct{ Batches, Entities, Bytes, Largest int }

// Traced is a record with the context of a trace, in the form of W3C.
type Traced struct {
	Offset int64
	Fetch  featurestore.Instant // when the fetch that gave it was sent
	Parent string               // the header traceparent
	State  string               // the header tracestate
	Dead   string               // the code of the dead letter that it became: lookups never see it
}

// maxTraced bounds how many records of a chunk are traced.
const maxTraced = 16

// Headers of a trace's context.
const (
	TraceParent = "traceparent"
	TraceState  = "tracestate"
)

// trace notes what a record carries of a trace.
func (c *decodedChunk) trace(rec *logrecord.Record, fetch featurestore.Instant) {
	if len(rec.Headers) == 0 || len(c.traced) == maxTraced {
		return
	}
	parent, found := rec.Headers.Get(TraceParent)
	if !found {
		return
	}
	state, _ := rec.Headers.Get(TraceState)
	c.traced = append(c.traced, Traced{Offset: rec.Offset, Fetch: fetch, Parent: string(parent), State: string(state)})
}

// served tells the observer of an applied chunk.
func (p *partition) served(c *decodedChunk) {
	if p.observer == nil {
		return
	}
	first := c.first()
	oldest := first.LogTime
	for _, t := range c.parts[0].decoded.LogTimes() {
		oldest = min(oldest, t)
	}
	if n := first.events(); n > 0 {
		p.observer.Served(first.Partition, n, oldest)
	}
	for i := range c.traced {
		if j := slices.IndexFunc(c.letters, func(l deadletter.DeadLetter) bool { return l.Offset == c.traced[i].Offset }); j >= 0 {
			c.traced[i].Dead = c.letters[j].Code
		}
	}
	if len(c.traced) > 0 {
		p.observer.Traced(p.source.Topic, first.Partition, c.traced)
	}
}

// send gives lane batches to the store.
func (v *View) send(ctx context.Context, batches []online.Batch) []online.Result {
	if v.observer == nil {
		return v.store.Apply(ctx, batches)
	}
	group := Group{Batches: len(batches)}
	for i := range batches {
		group.Entities += len(batches[i].Writes)
		for j := range batches[i].Writes {
			state := len(batches[i].Writes[j].Blob) + len(batches[i].Writes[j].Closed)
			group.Bytes, group.Largest = group.Bytes+state, max(group.Largest, state)
		}
	}
	done := v.observer.Applying(v.view.Name, group)
	defer done()
	return v.store.Apply(ctx, batches)
}
