package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/logrecord"
)

var _ logrecord.Joiner = (*Client)(nil)

// The beats of a membership. A process that stands still for longer than
// groupSession has lost its partitions to the others.
const (
	groupSession   = 10 * time.Second
	groupHeartbeat = 2 * time.Second
	groupBackoff   = 500 * time.Millisecond
	groupWatch     = 2 * time.Second  // for partitions that were added
	groupSettled   = 15 * time.Second // after an assignment: every member looks for them
)

// group is a membership in a consumer group of Kafka's classic protocol.
type group struct {
	members *kafkago.ConsumerGroup
	what    string
	release func() // of the assignment that was given last

	balancer   *balancer
	settled    time.Duration
	partitions func(ctx context.Context, topic string) (int, error)

	once  sync.Once
	ended error
}

// Join is part of logrecord.Joiner.
func (c *Client) Join(name string, topics []string) (logrecord.Group, error) {
	return c.join(name, topics, &balancer{}, groupSettled)
}

func (c *Client) join(name string, topics []string, by *balancer, settled time.Duration) (*group, error) {
	members, err := kafkago.NewConsumerGroup(kafkago.ConsumerGroupConfig{
		ID: name, Brokers: c.cfg.Brokers, Topics: topics,
		Dialer:            &kafkago.Dialer{ClientID: c.cfg.ClientID, Timeout: 5 * time.Second, DualStack: true, TLS: c.cfg.TLS, SASLMechanism: c.mechanism},
		GroupBalancers:    []kafkago.GroupBalancer{by},
		SessionTimeout:    groupSession,
		HeartbeatInterval: groupHeartbeat,
		JoinGroupBackoff:  groupBackoff,
		Timeout:           c.cfg.Timeout,

		WatchPartitionChanges:  true,
		PartitionWatchInterval: groupWatch,
	})
	if err != nil {
		return nil, featurestore.Invalidf("kafka: group %q: %w", name, err)
	}
	return &group{members: members, what: name, release: func() {}, balancer: by, settled: settled, partitions: c.Partitions}, nil
}

// Next is part of logrecord.Group.
func (g *group) Next(ctx context.Context) (*logrecord.Assignment, error) {
	g.release()
	generation, err := g.members.Next(ctx)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, kafkago.ErrGroupClosed):
		return nil, featurestore.Invalidf("kafka: group %q was left", g.what)
	case !passes(err):
		return nil, refused(fmt.Sprintf("group %q", g.what), err)
	default:
		return nil, featurestore.Unavailablef("kafka: group %q: %w", g.what, err)
	}
	a := &logrecord.Assignment{Owned: map[string][]int32{}, Commit: generation.CommitOffsets}
	for topic, list := range generation.Assignments {
		for _, p := range list {
			a.Owned[topic] = append(a.Owned[topic], int32(p.ID))
		}
		slices.Sort(a.Owned[topic])
	}
	lost, released := make(chan struct{}), make(chan struct{})
	a.Lost, a.Release = lost, sync.OnceFunc(func() { close(released) })
	g.release = a.Release
	// The library lets the next assignment begin when this function has returned.
	generation.Start(func(ctx context.Context) {
		<-ctx.Done()
		close(lost)
		<-released
	})
	if counts := g.balancer.take(); counts != nil {
		generation.Start(func(ctx context.Context) { g.awaitMore(ctx, counts) }) // which ends the assignment when it returns
	}
	return a, nil
}

// Close is part of logrecord.Group.
func (g *group) Close() error {
	g.once.Do(func() {
		g.release()
		g.ended = g.members.Close()
	})
	return g.ended
}
