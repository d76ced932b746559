package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
	"github.com/freshet/freshet/ingest/kafka/kafkatest"
)

func (a *App) demoServicesCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "demo-services",
		Short: "The demo against a real Kafka broker and a real redis-server, which it starts and ends",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.demoServices(cmd.Context(), dir)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", ".freshet-demo", "the demo's own folder; it is made anew")
	return cmd
}

func (a *App) demoServices(ctx context.Context, dir string) (err error) {
	work, err := os.MkdirTemp("", "freshet-services-")
	if err != nil {
		return err
	}
	defer func() { err = first(err, os.RemoveAll(work)) }()
	kafkaDir, redisDir := filepath.Join(work, "kafka"), filepath.Join(work, "redis")
	if err := first(os.Mkdir(kafkaDir, 0o755), os.Mkdir(redisDir, 0o755)); err != nil {
		return err
	}
	cache, err := kafkatest.CacheDir()
	if err != nil {
		return err
	}
	a.Note("0/6  Starting Apache Kafka and redis-server (the first time, Kafka's jars are fetched through Maven).")
	broker, err := kafkatest.Start(ctx, kafkatest.Config{Dir: kafkaDir, Cache: cache})
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	defer func() { err = first(err, broker.Stop()) }()
	server, err := redistest.Start(ctx, redistest.Options{Dir: redisDir})
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	defer func() { err = first(err, server.Stop()) }()
	return a.demo(ctx, dir, false, func(s *settings.Settings) error {
		s.Log = settings.Log{Kafka: &settings.Kafka{Brokers: []string{broker.Addr()}}}
		s.Online = settings.Online{Redis: &settings.Redis{Addrs: []string{server.Addr()}}}
		return nil
	})
}
