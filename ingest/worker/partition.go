package worker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/deadletter"
	"github.com/freshet/freshet/ingest/logrecord"
)

// Letters takes what does not decode.
type Letters interface {
	Append(letters ...deadletter.DeadLetter) error
}

// noLogTime is the log time of no record.
const noLogTime = featurestore.LogTime(math.MinInt64)

// partition reads one partition of one source's topic and feeds every view.
type partition struct {
	source      *definition.StreamSource // the newest definition
	generation  uint32
	number      int32
	replayed    bool
	shared      *sourceLog
	log         logrecord.Log
	history     offline.History
	archive     *openArchive
	letters     Letters
	readings    []reading
	progress    *Progress
	rebuild     func(context.Context, *damagedError) error
	wasAtRest   func(context.Context, offline.Range) (bool, error)            // whether offsets are known to have been at rest
	noteRemoved func(context.Context, []offline.Range, []appliedBefore) error // that offsets were applied, and are nowhere
	spent       *spending
	chunk       chunkSize
	turn        *turns             // to apply a chunk, among the partitions of the source
	spare       chan *decodedChunk // an applied chunk of the source, for its memory
	observer    Observer
	ticks       <-chan time.Time

	halted error // in this arrangement; guarded by the worker's states

	ends ends // of the goroutine that decodes

	begun      atomic.Bool // its place in the log is known
	held       bool        // its archive is this process's
	compaction compaction
	last       *Chunk // what was applied last: the end of the partition as far as it is known
	moved      bool   // since the last wait
}

func (p *partition) id() online.Partition {
	return online.Partition{Source: p.source.Name, Generation: p.generation, Number: p.number}
}

func (p *partition) archived() offline.Partition {
	return offline.Partition{Generation: p.generation, Partition: p.number}
}

func (p *partition) views() []*View {
	var out []*View
	for i := range p.readings {
		out = append(out, p.readings[i].views...)
	}
	return out
}

// run reads until ctx ends. A rewind starts over from the store's watermarks; a
// part that is not available is waited for.
func (p *partition) run(ctx context.Context) error {
	wait := backoff{}
	defer func() {
		for _, v := range p.views() {
			v.Detach(p.id())
		}
	}()
	for {
		err := p.stream(ctx)
		if p.moved {
			wait.reset()
			p.moved = false
		}
		err = p.resume(ctx, err, wait.sleep)
		switch {
		case ctx.Err() != nil:
			return haltedBy(ctx)
		case err != nil:
			return fmt.Errorf("source %q partition %d: %w", p.source.Name, p.number, err)
		}
	}
}

// resume is nil where the stream goes on after an error, from the store's
// watermarks. A part that is not available is given a pause.
func (p *partition) resume(ctx context.Context, err error, pause func(context.Context) error) error {
	var rewind *rewindError
	var damaged *damagedError
	if errors.As(err, &damaged) && ctx.Err() == nil {
		if err = p.rebuild(ctx, damaged); err == nil {
			return nil // read again, on the rebuilt entities
		}
	}
	switch {
	case errors.Is(err, errArchive), errors.Is(err, errLost), errors.As(err, new(*HaltedError)):
	case errors.As(err, &rewind):
		return nil
	case errors.Is(err, featurestore.ErrUnavailable), errors.Is(err, featurestore.ErrNotFound):
		if ctx.Err() != nil { // who ended it knows
			return err
		}
		p.progress.trouble(p.id(), err)
		if paused := pause(ctx); paused != nil {
			return paused
		}
		if err = p.reload(ctx); errors.Is(err, featurestore.ErrUnavailable) {
			return nil
		}
	}
	return err
}

// reload takes the store's watermarks for true: after an error nobody knows
// which of the last writes arrived.
func (p *partition) reload(ctx context.Context) error {
	for _, v := range p.views() {
		if err := v.Reload(ctx); err != nil {
			return err
		}
	}
	return nil
}

// begin finds its place in the log, and opens the log there.
func (p *partition) begin(ctx context.Context) (reader logrecord.Reader, from int64, err error) {
	from, bounds, err := p.identify(ctx)
	if err != nil {
		return nil, 0, err
	}
	if reader, err = p.log.Open(ctx, p.source.Topic, p.number, from); err != nil {
		return nil, 0, err
	}
	p.last = &Chunk{Partition: p.id(), Through: from - 1, LogTime: noLogTime}
	p.spent.begin(p.number, from)
	p.progress.begin(p.id(), from-1, bounds.End)
	p.begun.Store(true)
	return reader, from, nil
}

// stream reads from where the store stands until something ends it.
func (p *partition) stream(ctx context.Context) error {
	reader, from, err := p.begin(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	decoded := make(chan *decodedChunk)
	var group errgroup.Group
	group.Go(func() error {
		defer close(decoded)
		return errors.Join(p.read(ctx, reader, from, decoded), reader.Close())
	})
	applyErr := p.applyAll(ctx, decoded)
	cancel()
	for range decoded { // let the reader see that it is over
		p.turn.give()
	}
	return errors.Join(applyErr, ignoreCanceled(group.Wait()))
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// applyAll feeds chunks to the views and the archive, and beats the heart.
func (p *partition) applyAll(ctx context.Context, in <-chan *decodedChunk) error {
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
			err := p.apply(ctx, c)
			p.turn.give()
			if err != nil {
				return err
			}
			select {
			case p.spare <- c:
			default:
			}
		}
	}
}

// apply gives a chunk to everybody and reports progress once all have it.
func (p *partition) apply(ctx context.Context, c *decodedChunk) error {
	if p.empty(c) {
		return nil
	}
	if err := p.accept(ctx, c); err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	for i := range p.readings {
		for _, v := range p.readings[i].views {
			group.Go(func() error { return v.Apply(groupCtx, &c.parts[i].Chunk) })
		}
	}
	group.Go(func() error { return p.keep(&c.parts[0]) })
	if err := group.Wait(); err != nil {
		return err
	}
	p.applied(c)
	return nil
}

// empty reports whether a chunk only says how long there was nothing new.
func (p *partition) empty(c *decodedChunk) bool {
	first := c.first()
	if first.Through >= first.From {
		return false
	}
	p.last.FetchTime = max(p.last.FetchTime, first.FetchTime)
	p.progress.idle(p.id(), c.end)
	return true
}

// accept keeps a chunk's dead letters, where they are not too many. They come
// first: once the watermarks have passed a bad record, nobody reads it again.
func (p *partition) accept(ctx context.Context, c *decodedChunk) error {
	if err := p.spent.spend(ctx, p.number, c); err != nil || len(c.letters) == 0 {
		return err
	}
	if err := p.letters.Append(c.letters...); err != nil {
		return featurestore.Unavailablef("the dead letters cannot be kept: %w", err)
	}
	return nil
}

// applied notes that everybody has a chunk.
func (p *partition) applied(c *decodedChunk) {
	first := c.first()
	p.moved = true
	prints := slices.Clone(first.Prints)
	if len(prints) == 0 && p.last != nil { // it has no record that is seen: a lane that is moved along carries what was before
		prints = p.last.Prints
	}
	p.last = &Chunk{
		Partition: first.Partition, Through: first.Through, LogTime: first.LogTime, FetchTime: first.FetchTime, Prints: prints,
	}
	p.progress.applied(p.id(), c)
	p.served(c)
}

// keep archives a chunk's events. The archive may lag: it has its own place in
// the log, from which it is fed again.
func (p *partition) keep(c *decodedPart) error {
	if !p.held {
		return nil
	}
	return p.archive.take(p.archived(), c)
}

// beat moves idle lanes along and compares the store with what it acknowledged.
// Of an empty partition there is only the time to say at which it was empty.
func (p *partition) beat(ctx context.Context) error {
	if !p.held {
		if err := p.hold(); err != nil || p.held {
			return errors.Join(err, &rewindError{Offset: -1}) // it is fed from where it ends
		}
	}
	for _, v := range p.views() {
		if err := v.Beat(ctx, p.last); err != nil {
			return err
		}
		if !v.isFilled() { // the store has gone back, or another process makes it anew
			return errLost
		}
		if v.inGap() { // another process may have seen what this one did not
			if err := p.shared.verify(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// outOfRange turns the log's answer into the state that a person must see. What has
// expired since the log was opened may be at rest: that is looked for anew.
func (p *partition) outOfRange(err error) error {
	var gone *logrecord.OutOfRangeError
	if errors.As(err, &gone) {
		if gone.Offset < gone.Start {
			return &rewindError{Offset: gone.Offset - 1}
		}
		had, _ := appliedBy(p.views(), p.id())
		if had.high < gone.Offset-1 { // what was read and not applied has left no fingerprint, but may be at rest
			had = applied{}
		}
		return p.shared.another(p.number, gone.Error(), had)
	}
	return err
}
