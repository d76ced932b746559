//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
	"github.com/freshet/freshet/ingest/kafka"
	"github.com/freshet/freshet/ingest/kafka/kafkatest"
	"github.com/freshet/freshet/ingest/logrecord"
)

// services are a real Kafka broker and a real redis-server of one run.
type services struct {
	dir    string
	broker *kafkatest.Broker
	server *redistest.Server
	log    *kafka.Client
	redis  *redis.Client
	admin  string // the address at which the next ingester is profiled; "" for none
}

func startServices(ctx context.Context) (_ *services, err error) {
	s := &services{}
	if s.dir, err = os.MkdirTemp("", "freshet-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	cache, err := kafkatest.CacheDir()
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"kafka", "redis"} {
		if err := os.Mkdir(filepath.Join(s.dir, name), 0o755); err != nil {
			return nil, err
		}
	}
	if s.broker, err = kafkatest.Start(ctx, kafkatest.Config{Dir: filepath.Join(s.dir, "kafka"), Cache: cache, Seasoned: true}); err != nil {
		return nil, err
	}
	if s.server, err = redistest.Start(ctx, redistest.Options{Dir: filepath.Join(s.dir, "redis"), Args: []string{"--auto-aof-rewrite-min-size", "1gb"}}); err != nil {
		return nil, err
	}
	s.redis = redis.NewClient(&redis.Options{Addr: s.server.Addr(), ReadTimeout: time.Minute})
	s.log, err = kafka.Open(ctx, kafka.Config{Brokers: []string{s.broker.Addr()}, Clock: func() featurestore.Instant { return featurestore.InstantOf(time.Now()) }})
	return s, err
}

func (s *services) stop() error {
	var errs []error
	if s.log != nil {
		errs = append(errs, s.log.Close())
	}
	if s.redis != nil {
		errs = append(errs, s.redis.Close())
	}
	if s.server != nil {
		errs = append(errs, s.server.Stop())
	}
	if s.broker != nil {
		errs = append(errs, s.broker.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

// topic makes a topic for events.
func (s *services) topic(ctx context.Context, name string, partitions int) error {
	return s.log.CreateTopic(ctx, logrecord.TopicSpec{Name: name, Partitions: partitions, Retention: logrecord.Forever})
}

// wipe empties Redis and waits until its append-only file is small again, so that
// nothing of one run is paid by the next.
func (s *services) wipe(ctx context.Context) error {
	if err := s.redis.ConfigResetStat(ctx).Err(); err != nil {
		return err
	}
	if err := s.redis.FlushAll(ctx).Err(); err != nil {
		return err
	}
	if err := s.settled(ctx); err != nil { // one that the server began by itself
		return err
	}
	if err := s.redis.BgRewriteAOF(ctx).Err(); err != nil {
		return err
	}
	return s.settled(ctx)
}

func (s *services) settled(ctx context.Context) error {
	for ctx.Err() == nil {
		info, err := s.redis.InfoMap(ctx, "persistence").Result()
		if err != nil {
			return err
		}
		p := info["Persistence"]
		if p["aof_rewrite_in_progress"] == "0" && p["aof_rewrite_scheduled"] == "0" {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return ctx.Err()
}

// usage is processor time of the services.
type usage struct{ kafka, redis time.Duration }

func (u usage) since(before usage) usage {
	return usage{kafka: u.kafka - before.kafka, redis: u.redis - before.redis}
}

func (s *services) usage(ctx context.Context) (usage, error) {
	info, err := s.redis.InfoMap(ctx, "cpu").Result()
	if err != nil {
		return usage{}, err
	}
	var user, system float64
	if _, err := fmt.Sscan(info["CPU"]["used_cpu_user"]+" "+info["CPU"]["used_cpu_sys"], &user, &system); err != nil {
		return usage{}, fmt.Errorf("redis-server says no processor time: %w", err)
	}
	broker, err := processUsage(s.broker.PID())
	return usage{kafka: broker.cpu, redis: time.Duration((user + system) * float64(time.Second))}, err
}

// commandTimes says how often Redis ran the commands that write, and for how long.
func (s *services) commandTimes(ctx context.Context) string {
	info, err := s.redis.InfoMap(ctx, "commandstats").Result()
	if err != nil {
		return err.Error()
	}
	var out []string
	for name, text := range info["Commandstats"] {
		out = append(out, strings.TrimPrefix(name, "cmdstat_")+" "+strings.SplitN(text, ",rejected", 2)[0])
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}
