package kafka

import (
	"context"
	"errors"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/freshet/freshet/featurestore"
)

// balancer shares partitions out by ranges: the same partition number of every topic goes
// to one member, so that topics with the same keys meet in one process. It remembers what
// there was to share out, where this member leads its group.
type balancer struct {
	kafkago.RangeGroupBalancer
	made func() // called when partitions were shared out; nil for nothing

	mu     sync.Mutex
	counts map[string]int // partitions of each topic; nil where this member has shared out none since take
}

// AssignGroups is part of kafkago.GroupBalancer.
func (b *balancer) AssignGroups(members []kafkago.GroupMember, partitions []kafkago.Partition) kafkago.GroupMemberAssignments {
	counts := map[string]int{}
	for _, m := range members {
		for _, topic := range m.Topics {
			counts[topic] = 0
		}
	}
	for _, p := range partitions {
		counts[p.Topic]++
	}
	b.mu.Lock()
	b.counts = counts
	b.mu.Unlock()
	if b.made != nil {
		b.made()
	}
	return b.RangeGroupBalancer.AssignGroups(members, partitions)
}

// take gives what this member has shared out, once.
func (b *balancer) take() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	counts := b.counts
	b.counts = nil
	return counts
}

// awaitMore waits until a topic has more partitions than were shared out, or the context
// ends. The library compares with what there was when its own look began, which is after
// that: what is added in between would have no reader until the next rebalance. It has
// looked by the time that it is looked here, so that once is enough.
func (g *group) awaitMore(ctx context.Context, counts map[string]int) {
	timer := time.NewTimer(g.settled)
	defer timer.Stop()
	for len(counts) > 0 {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		for topic, shared := range counts {
			switch n, err := g.partitions(ctx, topic); {
			case err != nil && !errors.Is(err, featurestore.ErrNotFound): // asked again
			case n > shared:
				return
			default:
				delete(counts, topic)
			}
		}
		timer.Reset(groupWatch)
	}
	<-ctx.Done()
}
