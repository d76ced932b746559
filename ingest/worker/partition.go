package worker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/deadletter"
	"github.com/freshet/freshet/ingest/decode"
	"github.com/freshet/freshet/ingest/logrecord"
)

// Archive takes the decoded events of one source, by position (ingest/history).
type Archive interface {
	Next(p offline.Partition) (offset int64, ok bool)
	Begin(p offline.Partition, offset int64) error
	Append(ev *featurestore.Event) error
	Consumed(p offline.Partition, through int64) error
	Flush() error
	Close() error
}

// Letters takes what does not decode.
type Letters interface {
	Append(letters ...deadletter.DeadLetter) error
}

// partition reads one partition of one source's topic and feeds every view.
type partition struct {
	source     *definition.StreamSource
	generation uint32
	number     int32
	log        logrecord.Log
	archive    Archive
	archiveMu  *sync.Mutex // one writer a source, for all its partitions
	letters    Letters
	decoder    *decode.Decoder
	views      []*View
	progress   *Progress
	heartbeat  time.Duration
	ticks      <-chan time.Time

	last *Chunk // what was applied last: the end of the partition as far as it is known
}

func (p *partition) id() online.Partition {
	return online.Partition{Source: p.source.Name, Generation: p.generation, Number: p.number}
}

func (p *partition) archived() offline.Partition {
	return offline.Partition{Generation: p.generation, Partition: p.number}
}

// start is the offset from which some view or the archive still needs the log.
func (p *partition) start() (int64, error) {
	p.archiveMu.Lock()
	from, ok := p.archive.Next(p.archived())
	p.archiveMu.Unlock()
	if !ok {
		from = 0
	}
	for _, v := range p.views {
		from = min(from, v.Lowest(p.id())+1)
	}
	return from, nil
}

// run reads until ctx ends. A rewind starts over from the store's watermarks;
// a part that is not available is waited for.
func (p *partition) run(ctx context.Context) error {
	wait := backoff{}
	for {
		err := p.stream(ctx)
		var rewind *rewindError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &rewind):
			wait.reset()
			continue
		case errors.Is(err, featurestore.ErrUnavailable):
			p.progress.trouble(p.id(), err)
			if wait.sleep(ctx) != nil {
				return nil
			}
			if err := p.reload(ctx); err != nil && !errors.Is(err, featurestore.ErrUnavailable) {
				return err
			}
			continue
		}
		return fmt.Errorf("source %q partition %d: %w", p.source.Name, p.number, err)
	}
}

// reload takes the store's watermarks for true: after an error nobody knows
// which of the last writes arrived.
func (p *partition) reload(ctx context.Context) error {
	for _, v := range p.views {
		if err := v.Reload(ctx); err != nil {
			return err
		}
	}
	return nil
}

// stream reads from where the store stands until something ends it.
func (p *partition) stream(ctx context.Context) error {
	from, err := p.start()
	if err != nil {
		return err
	}
	if from, err = p.identify(ctx, from); err != nil {
		return err
	}
	reader, err := p.log.Open(ctx, p.source.Topic, p.number, from)
	if err != nil {
		return err
	}
	p.last = nil
	if from > 0 {
		p.last = &Chunk{Partition: p.id(), Through: from - 1, LogTime: math.MinInt64}
	}
	p.progress.begin(p.id(), from-1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	decoded := make(chan *decodedChunk, 1)
	spare := make(chan *decodedChunk, 3)
	var group errgroup.Group
	group.Go(func() error {
		defer close(decoded)
		return errors.Join(p.read(ctx, reader, from, decoded, spare), reader.Close())
	})
	applyErr := p.applyAll(ctx, decoded, spare)
	cancel()
	for range decoded { // let the reader see that it is over
	}
	return errors.Join(applyErr, ignoreCanceled(group.Wait()))
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// decodedChunk is a chunk with the memory behind it and its dead letters.
type decodedChunk struct {
	Chunk
	from    int64 // the first offset that the chunk accounts for
	end     int64 // of what was committed when it was fetched
	batch   decode.Batch
	letters []deadletter.DeadLetter
}

// read fetches and decodes ahead of what is applied.
func (p *partition) read(ctx context.Context, r logrecord.Reader, from int64, out chan<- *decodedChunk, spare <-chan *decodedChunk) error {
	for {
		batch, err := r.Next(ctx)
		if err != nil {
			return p.outOfRange(err)
		}
		var c *decodedChunk
		select {
		case c = <-spare:
		default:
			c = new(decodedChunk)
		}
		p.decode(c, batch, from)
		from = batch.Next
		batch.Release()
		select {
		case out <- c:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// decode fills a chunk; what does not decode becomes a dead letter.
func (p *partition) decode(c *decodedChunk, batch *logrecord.Batch, from int64) {
	c.batch.Reset()
	c.letters = c.letters[:0]
	c.from, c.end = from, batch.LastStable
	c.Chunk = Chunk{Partition: p.id(), Through: batch.Next - 1, Prints: c.Prints[:0]}
	if batch.AtEnd() {
		c.FetchTime = batch.FetchTime
	}
	at := featurestore.PartitionID{Generation: p.generation, Partition: p.number}
	for i := range batch.Records {
		rec := &batch.Records[i]
		if rec.Offset < from {
			continue
		}
		if err := p.decoder.Append(&c.batch, rec, at); err != nil {
			c.letters = append(c.letters, p.letter(rec, err))
			c.LogTime = max(c.LogTime, rec.LogTime)
			continue
		}
		c.LogTime = max(c.LogTime, c.batch.Events[len(c.batch.Events)-1].LogTime)
	}
	if n := len(batch.Records); n > 0 {
		last := &batch.Records[n-1]
		c.Prints = append(c.Prints, online.Fingerprint{Offset: last.Offset, LogTime: last.LogTime, Hash: logrecord.Fingerprint(last)})
	}
	c.Events = c.batch.Events
}

func (p *partition) letter(rec *logrecord.Record, err error) deadletter.DeadLetter {
	letter := deadletter.Of(p.source.Name, p.generation, rec)
	var bad *decode.Error
	if errors.As(err, &bad) {
		letter.Code = string(bad.Code)
	}
	letter.Message = err.Error()
	return letter
}

// applyAll feeds chunks to the views and the archive, and beats the heart.
func (p *partition) applyAll(ctx context.Context, in <-chan *decodedChunk, spare chan<- *decodedChunk) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.ticks:
			if err := p.beat(ctx); err != nil {
				return err
			}
		case c, ok := <-in:
			if !ok {
				return nil // the reader's own error says why
			}
			if err := p.apply(ctx, c); err != nil {
				return err
			}
			select {
			case spare <- c:
			default:
			}
		}
	}
}

// apply gives a chunk to everybody and reports progress once all have it.
func (p *partition) apply(ctx context.Context, c *decodedChunk) error {
	if c.Through < c.from {
		if p.last != nil {
			p.last.FetchTime = max(p.last.FetchTime, c.FetchTime)
		}
		p.progress.idle(p.id(), c.end)
		return nil
	}
	// Letters come first: once the watermarks have passed a bad record, nobody reads it again.
	if len(c.letters) > 0 {
		if err := p.letters.Append(c.letters...); err != nil {
			return fmt.Errorf("dead letters: %w", err)
		}
	}
	group, groupCtx := errgroup.WithContext(ctx)
	for _, v := range p.views {
		group.Go(func() error { return v.Apply(groupCtx, &c.Chunk) })
	}
	group.Go(func() error { return p.keep(c) })
	if err := group.Wait(); err != nil {
		return err
	}
	p.last = &Chunk{
		Partition: c.Partition, Through: c.Through, LogTime: c.LogTime, FetchTime: c.FetchTime,
		Prints: append([]online.Fingerprint(nil), c.Prints...),
	}
	p.progress.applied(p.id(), c)
	return nil
}

// keep archives a chunk's events. The archive may lag: it has its own place in
// the log, from which it is fed again.
func (p *partition) keep(c *decodedChunk) error {
	p.archiveMu.Lock()
	defer p.archiveMu.Unlock()
	for i := range c.Events {
		if err := p.archive.Append(&c.Events[i]); err != nil {
			return fmt.Errorf("archive: %w", err)
		}
	}
	if err := p.archive.Consumed(p.archived(), c.Through); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	return nil
}

// beat moves idle lanes along and compares the store with what it acknowledged.
func (p *partition) beat(ctx context.Context) error {
	if p.last == nil {
		return nil
	}
	for _, v := range p.views {
		if err := v.Advance(ctx, p.last); err != nil {
			return err
		}
		if err := v.Audit(ctx); err != nil {
			return err
		}
	}
	return nil
}

// outOfRange turns the log's answer into the state that a person must see.
func (p *partition) outOfRange(err error) error {
	var gone *logrecord.OutOfRangeError
	if errors.As(err, &gone) {
		return &GapError{Source: p.source.Name, Partition: p.number, Reason: gone.Error()}
	}
	return err
}
