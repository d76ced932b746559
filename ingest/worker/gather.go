package worker

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
)

// gatherBytes bounds the events of each of the batches that a gathered stream has, but
// for their texts: one is being applied while the others are being read.
const (
	gatherBytes   = 1 << 20
	gatherBatches = 4
)

// gathered reads a stream ahead, by column.
type gathered struct {
	in      offline.ColumnStream
	most    int // events of a batch, about
	batches chan *gatheredBatch
	spare   chan *gatheredBatch
	current *gatheredBatch // that Next gave last
	told    bool           // Next gave the error that the reading ended with
	cancel  context.CancelFunc
	group   *errgroup.Group
}

// gatheredBatch is a batch whose events stand in columns.
type gatheredBatch struct {
	offline.Batch
	events *columnar.Events
}

// eventsOf is how many events of a source take so many bytes, their texts left out; at
// least a thousand.
func eventsOf(bytes int, s *definition.StreamSource) int {
	return max(1000, bytes/columnar.EventBytes(s))
}

// batchOf is how many events of a source are read at once for a view.
func (v *View) batchOf(s *definition.StreamSource) int {
	if v.stepwise {
		return 1
	}
	return eventsOf(gatherBytes, s)
}

// gather starts to read a stream of a source, which it closes, so many events at once,
// about.
func gather(ctx context.Context, in offline.Stream, s *definition.StreamSource, most int) *gathered {
	ctx, cancel := context.WithCancel(ctx)
	g := &gathered{in: offline.ByColumn(in), most: most, batches: make(chan *gatheredBatch, gatherBatches), spare: make(chan *gatheredBatch, gatherBatches), cancel: cancel}
	for range gatherBatches {
		g.spare <- &gatheredBatch{events: columnar.New(s)}
	}
	g.group, ctx = errgroup.WithContext(ctx)
	g.group.Go(func() error {
		defer close(g.batches)
		return g.read(ctx)
	})
	return g
}

// Next gives the next batch, io.EOF after the last. It is valid until the next call.
func (g *gathered) Next(context.Context) (*gatheredBatch, error) {
	if g.current != nil {
		g.spare <- g.current
		g.current = nil
	}
	b, ok := <-g.batches
	if !ok {
		g.told = true
		return nil, g.group.Wait()
	}
	g.current = b
	return b, nil
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

func (g *gathered) read(ctx context.Context) (err error) {
	for {
		var b *gatheredBatch
		select {
		case b = <-g.spare:
		case <-ctx.Done():
			return ctx.Err()
		}
		if b.Batch, err = g.in.NextColumns(ctx, b.events, g.most); err != nil {
			return err
		}
		select {
		case g.batches <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
