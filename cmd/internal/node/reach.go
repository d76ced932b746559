package node

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/ingest/worker"
	"github.com/freshet/freshet/serving/service"
)

// reachWithin bounds how long a status waits for the ends of logs, and for the ingester
// of this process.
const reachWithin = 800 * time.Millisecond

// reachAtOnce is of how many partitions the log is asked at the same time, and of how
// many generations the online store.
const reachAtOnce = 16

// partitions are those that the ingester of this process reads. One that cannot go
// on fetches nothing, so that it does not know how much waits: the log is asked.
func (p *Parts) partitions(c *service.Catalog, w *worker.Worker, log *logAsk) []worker.PartitionStatus {
	list := w.Progress().Statuses()
	if c == nil || p.Log == nil {
		return list
	}
	ctx, cancel := context.WithTimeout(context.Background(), reachWithin)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(reachAtOnce)
	for i := range list {
		x := &list[i]
		source := c.Project.StreamSource(x.Partition.Source)
		if x.Trouble == "" || source == nil || max(x.End, x.Seen, x.Through+1) == 0 { // of the last nobody knows how far it was applied
			continue
		}
		group.Go(func() error {
			b, err := p.Log.Bounds(ctx, source.Topic, x.Partition.Number)
			if err == nil {
				x.Seen = max(x.Seen, b.End)
			} else if unanswered(err) {
				return err
			}
			return nil // what else a log does not say is what the partition's trouble is about
		})
	}
	if err := group.Wait(); err != nil {
		log.hush(err)
	}
	return list
}
