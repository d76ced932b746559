// Command testneeds finds, or installs where it may, the services that tests
// run: redis-server and Kafka's jars. `make test` calls it first, so that
// packages that are tested beside each other do not install the same at once,
// and so that what is missing is said at the beginning.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/freshet/freshet/featurestore/online/redis/redistest"
	"github.com/freshet/freshet/ingest/kafka/kafkatest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := find(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "missing:", err)
		os.Exit(1)
	}
}

// find reports every missing part, not the first alone.
func find(ctx context.Context, out io.Writer) error {
	server, redisErr := redistest.Find(ctx)
	if redisErr == nil {
		fmt.Fprintln(out, "redis-server:", server)
	}
	jars, kafkaErr := kafkaJars(ctx)
	if kafkaErr == nil {
		fmt.Fprintf(out, "Kafka %s: %s\n", kafkatest.Version, jars)
	}
	return errors.Join(redisErr, kafkaErr)
}

func kafkaJars(ctx context.Context) (string, error) {
	cache, err := kafkatest.CacheDir()
	if err != nil {
		return "", err
	}
	return kafkatest.Jars(ctx, cache)
}
