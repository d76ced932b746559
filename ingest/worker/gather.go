package worker

import (
	"context"
	"errors"
	"io"
	"unsafe"

	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline"
)

// gatherBytes bounds the events of each of the batches that a gathered stream has:
// one is being applied while the others are being read.
const (
	gatherBytes   = 8 << 20
	gatherBatches = 4
)

// gathered reads a stream ahead, and joins its small batches.
type gathered struct {
	in      offline.Stream
	most    int // events of a batch, about
	batches chan *gatheredBatch
	spare   chan *gatheredBatch
	current *gatheredBatch // that Next gave last
	told    bool           // Next gave the error that the reading ended with
	cancel  context.CancelFunc
	group   *errgroup.Group
}

// gatheredBatch is a batch with memory of its own.
type gatheredBatch struct {
	offline.Batch
	fields []featurestore.Value
}

// eventsOf is how many events with so many fields take so many bytes, their texts
// left out; at least a thousand.
func eventsOf(bytes, fields int) int {
	event := int(unsafe.Sizeof(featurestore.Event{})) + (fields+1)*int(unsafe.Sizeof(featurestore.Value{}))
	return max(1000, bytes/event)
}

// gather starts to read a stream, which it closes.
func gather(ctx context.Context, in offline.Stream, fields int) *gathered {
	ctx, cancel := context.WithCancel(ctx)
	g := &gathered{in: in, most: eventsOf(gatherBytes, fields), batches: make(chan *gatheredBatch, gatherBatches), spare: make(chan *gatheredBatch, gatherBatches), cancel: cancel}
	for range gatherBatches {
		g.spare <- new(gatheredBatch)
	}
	g.group, ctx = errgroup.WithContext(ctx)
	g.group.Go(func() error {
		defer close(g.batches)
		return g.read(ctx)
	})
	return g
}

// Next gives the next batch, io.EOF after the last. It is valid until the next call.
func (g *gathered) Next(context.Context) (offline.Batch, error) {
	if g.current != nil {
		g.spare <- g.current
		g.current = nil
	}
	b, ok := <-g.batches
	if !ok {
		g.told = true
		return offline.Batch{}, g.group.Wait()
	}
	g.current = b
	return b.Batch, nil
}

// Close ends the reading.
func (g *gathered) Close() error {
	g.cancel()
	for range g.batches {
	}
	if err := g.group.Wait(); err != nil && !g.told && !errors.Is(err, io.EOF) && !errors.Is(err, context.Canceled) {
		return errors.Join(err, g.in.Close())
	}
	return g.in.Close()
}

// read joins batches of one partition until they are enough.
func (g *gathered) read(ctx context.Context) error {
	var open *gatheredBatch
	give := func() error {
		b := open
		open = nil
		select {
		case g.batches <- b:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for {
		b, err := g.in.Next(ctx)
		if open != nil && (err != nil || b.Partition != open.Partition || len(open.Events) >= g.most) {
			if lost := give(); lost != nil {
				return lost
			}
		}
		if err != nil {
			return err
		}
		if open == nil {
			select {
			case open = <-g.spare:
			case <-ctx.Done():
				return ctx.Err()
			}
			open.Events, open.fields = open.Events[:0], open.fields[:0]
			open.Partition = b.Partition
		}
		open.add(&b)
	}
}

// add copies a batch behind this one.
func (b *gatheredBatch) add(more *offline.Batch) {
	b.Through = more.Through
	for i := range more.Events {
		ev := more.Events[i]
		start := len(b.fields)
		// Where it moves, rows that were given out keep the old memory.
		b.fields = append(b.fields, ev.Fields...)
		ev.Fields = b.fields[start:len(b.fields):len(b.fields)]
		b.Events = append(b.Events, ev)
	}
}
