//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/cmd/internal/cli"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/decode"
	"github.com/freshet/freshet/ingest/kafka"
)

// The bare consumer of B6: the floor with Kafka on the way. It reads a topic with our
// client, decodes, and sets for each user of a fetch how many events that one has had.
// It has one thing to do, and nothing of it is right after a crash.
const (
	relayCommand = "relay"
	relaySuffix  = "-relayed"
)

func relayKey(user string) string { return "relay:" + user }

// startRelay makes the topic and starts the process that reads it.
func startRelay(ctx context.Context, s *services, topic string, partitions int) (*child, error) {
	if err := s.topic(ctx, topic, partitions); err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return startChild(program, relayCommand, s.broker.Addr(), s.server.Addr(), topic, strconv.Itoa(partitions))
}

// runRelay is that process. It ends on SIGTERM.
func runRelay(ctx context.Context, args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("the bare consumer takes broker, redis, topic and partitions")
	}
	partitions, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	cli.TuneGC()
	log, source, err := openTopic(ctx, args[0], args[2])
	if err != nil {
		return err
	}
	client := redis.NewClient(&redis.Options{Addr: args[1]})
	group, groupCtx := errgroup.WithContext(ctx)
	for number := range partitions {
		r := &relay{log: log, redis: client, source: source, number: int32(number), counts: map[string]int64{}}
		group.Go(func() error { return r.run(groupCtx) })
	}
	if err := group.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	return first(client.Close(), log.Close())
}

// relay is one partition of it.
type relay struct {
	log    *kafka.Client
	redis  *redis.Client
	source *definition.StreamSource
	number int32
	counts map[string]int64
}

func (r *relay) run(ctx context.Context) (err error) {
	decoder, err := decode.New(r.source, decode.Options{})
	if err != nil {
		return err
	}
	reader, err := r.log.Open(ctx, r.source.Topic, r.number, 0)
	if err != nil {
		return err
	}
	defer func() { err = first(err, reader.Close()) }()
	var events decode.Batch
	for {
		batch, err := reader.Next(ctx)
		if err != nil {
			return err
		}
		events.Reset()
		for i := range batch.Records {
			if err := decoder.Append(&events, &batch.Records[i], featurestore.PartitionID{Partition: r.number}); err != nil {
				return err
			}
		}
		if err := r.set(ctx, events.Events); err != nil {
			return err
		}
		batch.Release()
	}
}

// set writes each user that events touch, in one pipeline.
func (r *relay) set(ctx context.Context, events []featurestore.Event) error {
	if len(events) == 0 {
		return nil
	}
	touched := map[string]bool{}
	for i := range events {
		user := strings.Clone(events[i].Fields[0].Str()) // the batch's memory is used again
		r.counts[user]++
		touched[user] = true
	}
	pipe := r.redis.Pipeline()
	for user := range touched {
		pipe.Set(ctx, relayKey(user), floorValue(r.counts[user]), 0)
	}
	_, err := pipe.Exec(ctx)
	return err
}
