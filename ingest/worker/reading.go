package worker

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/deadletter"
	"github.com/freshet/freshet/ingest/decode"
	"github.com/freshet/freshet/ingest/logrecord"
)

// reading is one definition of a source and the views that read by it. While a
// changed view is built beside the old, a source may have two definitions: each
// view keeps its own, field by field.
type reading struct {
	source  *definition.StreamSource
	decoder *decode.Decoder
	views   []*View
}

// decodedChunk is a chunk as each reading sees it, with the memory behind it.
// The first is of the newest definition: it is archived, and what it cannot
// decode is a dead letter.
type decodedChunk struct {
	parts   []decodedPart
	end     int64 // of what was committed when it was fetched
	records int   // in it
	letters []deadletter.DeadLetter
	badAt   []int    // of each letter, which of the records it was
	traced  []Traced // of an observer's interest
}

type decodedPart struct {
	Chunk
	decoded *columnar.Events
	batch   decode.Batch // the record that is being decoded, and counts
}

func (c *decodedChunk) first() *Chunk { return &c.parts[0].Chunk }

// read fetches and decodes ahead of what is applied, until an error.
func (p *partition) read(ctx context.Context, r logrecord.Reader, from int64, out chan<- *decodedChunk) error {
	fetched := make(chan *logrecord.Batch)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		for first := true; ; first = false {
			batch, err := r.Next(ctx)
			if err == nil {
				err = p.sameLog(ctx, batch, first)
			}
			if err == nil {
				err = p.removed(ctx, batch)
			}
			if err != nil {
				return p.outOfRange(err)
			}
			p.progress.saw(p.id(), batch.LastStable)
			select {
			case fetched <- batch:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	group.Go(func() error { return p.fillChunks(ctx, fetched, from, out) })
	return group.Wait()
}

// fillChunks decodes. A chunk goes out as soon as it is the partition's turn;
// while chunks of this partition or of another are being applied, it grows. So it
// holds little when little comes, and under load a key that many of its events
// touch is written once.
func (p *partition) fillChunks(ctx context.Context, fetched <-chan *logrecord.Batch, from int64, out chan<- *decodedChunk) error {
	reached := noLogTime
	p.ends = ends{}
	var c *decodedChunk
	var turn <-chan struct{} // that is waited for
	defer func() { p.turn.leave(turn) }()
	for {
		receive := fetched
		switch {
		case c == nil:
		case c.full(p.chunk):
			receive = nil
		}
		if c != nil && turn == nil {
			turn = p.turn.ask()
		}
		mine := false
		select { // a chunk that can go does not grow
		case <-turn:
			mine = true
		default:
			select {
			case <-turn:
				mine = true
			case batch := <-receive:
				if c == nil {
					c = p.newChunk(from)
				}
				var err error
				reached, err = p.decode(c, batch, from, reached)
				from = batch.Next
				batch.Release()
				if err != nil {
					return err // what could not be decoded yet is read again
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if !mine {
			continue
		}
		turn = nil
		select {
		case out <- c: // who takes it gives the turn back
			c = nil
		case <-ctx.Done():
			p.turn.give()
			return ctx.Err()
		}
	}
}

// mostLetters bounds the dead letters of a chunk, about.
const mostLetters = 1000

func (c *decodedChunk) full(size chunkSize) bool {
	if c.records >= size.events || len(c.letters) >= mostLetters {
		return true
	}
	bytes := size.bytes
	for i := range c.parts {
		bytes -= c.parts[i].decoded.Bytes()
	}
	return bytes <= 0
}

// newChunk is an empty chunk, with the memory of an applied one where there is one.
func (p *partition) newChunk(from int64) *decodedChunk {
	var c *decodedChunk
	select {
	case c = <-p.spare:
	default:
		c = &decodedChunk{parts: make([]decodedPart, len(p.readings))}
		for i := range c.parts {
			c.parts[i].decoded = columnar.New(p.readings[i].source)
			c.parts[i].decoded.Expect(p.chunk.events + p.chunk.events/8) // it grows by whole fetches
		}
	}
	c.letters, c.badAt, c.traced, c.records = c.letters[:0], c.badAt[:0], c.traced[:0], 0
	prints := c.first().Prints[:0]
	for i := range c.parts {
		c.parts[i].batch.Reset()
		c.parts[i].decoded.Reset()
		c.parts[i].Chunk = Chunk{Partition: p.id(), From: from, Events: c.parts[i].decoded, Through: from - 1, Prints: prints}
	}
	return c
}

// decode adds to a chunk what a batch holds at from and behind. reached is the
// largest log time of the stream so far; the new one is returned. An error says
// that the schema of some record cannot be asked for.
func (p *partition) decode(c *decodedChunk, batch *logrecord.Batch, from int64, reached featurestore.LogTime) (featurestore.LogTime, error) {
	c.end = batch.LastStable
	chunk := *c.first()
	chunk.Through, chunk.FetchTime, chunk.ReadTime = batch.Next-1, 0, batch.FetchTime
	p.ends.saw(batch.FetchTime, max(batch.HighWatermark, batch.LastStable))
	if batch.AtEnd() {
		chunk.FetchTime = p.ends.through(batch.Next)
	}
	if n := len(batch.Records); n > 0 {
		last := &batch.Records[n-1]
		chunk.Prints = append(chunk.Prints[:0], online.Fingerprint{Offset: last.Offset, LogTime: last.LogTime, Hash: logrecord.Fingerprint(last)})
	}
	for i := range c.parts {
		high, err := p.decodePart(c, &c.parts[i], batch, from, &p.readings[i])
		if err != nil {
			return reached, err
		}
		reached = max(reached, high)
	}
	chunk.LogTime = reached
	for i := range c.parts {
		c.parts[i].Chunk = chunk
		c.parts[i].Events = c.parts[i].decoded
	}
	return reached, nil
}

// decodePart decodes by one definition and gives the largest log time.
func (p *partition) decodePart(c *decodedChunk, part *decodedPart, batch *logrecord.Batch, from int64, r *reading) (featurestore.LogTime, error) {
	reached := noLogTime
	at := featurestore.PartitionID{Generation: p.generation, Partition: p.number}
	for i := range batch.Records {
		rec := &batch.Records[i]
		if rec.Offset < from {
			continue
		}
		if r == &p.readings[0] {
			c.records++
			if p.observer != nil {
				c.trace(rec, batch.FetchTime)
			}
		}
		part.batch.Recycle()
		err := r.decoder.Append(&part.batch, rec, at)
		if err == nil && len(part.batch.Events) > 0 {
			reached = max(reached, part.batch.Events[0].LogTime)
			for j := range part.batch.Events {
				if err := part.decoded.Append(&part.batch.Events[j]); err != nil {
					return reached, err
				}
			}
			continue
		}
		if err != nil { // else it is a tombstone
			bad := (*decode.Error)(nil)
			switch {
			case !errors.As(err, &bad):
				return reached, fmt.Errorf("source %q partition %d offset %d: %w", p.source.Name, p.number, rec.Offset, err)
			case r == &p.readings[0]:
				c.letters, c.badAt = append(c.letters, p.letter(rec, bad)), append(c.badAt, c.records-1)
			}
		}
		reached = max(reached, p.logTime(rec))
	}
	return reached, nil
}

// logTime is the log time of a record that is no event.
func (p *partition) logTime(rec *logrecord.Record) featurestore.LogTime {
	if p.replayed {
		if r, ok := rec.Headers.ReplayOf(); ok {
			return r.LogTime
		}
	}
	return rec.LogTime
}

func (p *partition) letter(rec *logrecord.Record, bad *decode.Error) deadletter.DeadLetter {
	letter := deadletter.Of(p.source.Name, p.generation, rec)
	letter.Code, letter.Message = string(bad.Code), bad.Error()
	return letter
}
