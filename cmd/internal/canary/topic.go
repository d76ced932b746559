package canary

import (
	"context"
	"errors"
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/logrecord"
)

// retention is that of the topic, where the canary makes it: longer than a series is
// looked at, so that a store that has lost everything is filled from it.
const (
	retention = 6 * featurestore.Hour
	roll      = featurestore.Hour
)

// refusedError says that a person must change something before the canary can go on.
type refusedError struct {
	doing string
	next  string
	err   error
}

func (e *refusedError) Error() string { return e.doing + ": " + e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

// openTopic makes the topic where there is none.
func (c *Canary) openTopic(ctx context.Context) error {
	_, err := c.c.Log.Partitions(ctx, c.c.Topic)
	if errors.Is(err, featurestore.ErrNotFound) {
		err = c.c.Log.CreateTopic(ctx, logrecord.TopicSpec{Name: c.c.Topic, Partitions: c.c.Partitions, Retention: retention, Roll: roll})
		if err == nil {
			c.c.Logger.Info("the canary's topic is made", "partitions", c.c.Partitions)
		}
	}
	if err == nil || errors.Is(err, featurestore.ErrUnavailable) || ctx.Err() != nil {
		return err
	}
	if _, again := c.c.Log.Partitions(ctx, c.c.Topic); again == nil {
		return nil // another ingester has made it, also where the settings differ
	}
	return c.refused("the canary's topic can be neither found nor made", err)
}

// isGone reports whether there is no topic any more: its group has then taken back all
// partitions, as where others read them.
func (c *Canary) isGone(ctx context.Context) bool {
	_, err := c.c.Log.Partitions(ctx, c.c.Topic)
	return errors.Is(err, featurestore.ErrNotFound)
}

// refused says what a person can do.
func (c *Canary) refused(doing string, err error) error {
	return &refusedError{doing: doing, err: err, next: fmt.Sprintf(
		"create the topic (kafka-topics.sh --create --topic %s --partitions %d --config retention.ms=%d --config segment.ms=%d --config cleanup.policy=delete), and let the ingester's user describe, read and write it and read the group %s; or set ingest.canary: {every: 0s}",
		c.c.Topic, c.c.Partitions, retention.Std().Milliseconds(), roll.Std().Milliseconds(), GroupOf(c.c.Project))}
}
