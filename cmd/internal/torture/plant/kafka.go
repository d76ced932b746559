package plant

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/kafka"
	"github.com/freshet/freshet/ingest/kafka/kafkatest"
	"github.com/freshet/freshet/ingest/logrecord"
)

// Kafka is a real broker with a client that produces to it.
type Kafka struct {
	Broker *kafkatest.Broker
	Client *kafka.Client
	dir    string
	admin  *kafkago.Client
	move   *kafkago.Transport
}

// StartKafka starts a broker in a folder below dir.
func StartKafka(ctx context.Context, dir string) (*Kafka, error) {
	cache, err := kafkatest.CacheDir()
	if err != nil {
		return nil, err
	}
	k := &Kafka{dir: filepath.Join(dir, "kafka")}
	if k.Broker, err = kafkatest.Start(ctx, kafkatest.Config{Dir: k.dir, Cache: cache}); err != nil {
		return nil, err
	}
	return k, k.connect(ctx)
}

func (k *Kafka) connect(ctx context.Context) (err error) {
	k.Client, err = kafka.Open(ctx, kafka.Config{Brokers: []string{k.Broker.Addr()}, Clock: func() featurestore.Instant { return featurestore.InstantOf(time.Now()) }, MaxWait: 50 * time.Millisecond})
	k.move = &kafkago.Transport{MetadataTTL: time.Second}
	k.admin = &kafkago.Client{Addr: kafkago.TCP(k.Broker.Addr()), Transport: k.move, Timeout: 20 * time.Second}
	return err
}

func (k *Kafka) disconnect() error {
	if k.Client == nil {
		return nil
	}
	k.move.CloseIdleConnections()
	err := k.Client.Close()
	k.Client = nil
	return err
}

// Stop ends the broker.
func (k *Kafka) Stop() error { return errors.Join(k.disconnect(), k.Broker.Stop()) }

// Create makes a topic that keeps everything.
func (k *Kafka) Create(ctx context.Context, topic string, partitions int) error {
	return k.Client.CreateTopic(ctx, logrecord.TopicSpec{Name: topic, Partitions: partitions, Retention: logrecord.Forever})
}

// Grow gives a topic more partitions.
func (k *Kafka) Grow(ctx context.Context, topic string, partitions int) error {
	res, err := k.admin.CreatePartitions(ctx, &kafkago.CreatePartitionsRequest{Topics: []kafkago.TopicPartitionsConfig{{Name: topic, Count: int32(partitions)}}})
	if err == nil {
		err = res.Errors[topic]
	}
	if err != nil {
		return fmt.Errorf("more partitions for %s: %w", topic, err)
	}
	return poll(ctx, 10*time.Second, func() (bool, error) {
		n, err := k.Client.Partitions(ctx, topic)
		return n == partitions, err
	})
}

// Delete removes a topic and waits until it is gone.
func (k *Kafka) Delete(ctx context.Context, topic string) error {
	res, err := k.admin.DeleteTopics(ctx, &kafkago.DeleteTopicsRequest{Topics: []string{topic}})
	if err == nil {
		err = res.Errors[topic]
	}
	if err != nil {
		return fmt.Errorf("deleting %s: %w", topic, err)
	}
	return poll(ctx, 20*time.Second, func() (bool, error) {
		_, err := k.Client.Partitions(ctx, topic)
		return errors.Is(err, featurestore.ErrNotFound), nil
	})
}

// poll waits for a state of the world that no channel tells of.
func poll(ctx context.Context, within time.Duration, reached func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := reached()
		if err != nil || done {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
