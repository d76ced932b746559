// Command withservices starts a real Kafka broker and a real redis-server in a
// folder of their own, runs a command whose settings point to them, and ends
// both. It is for `make`: the demonstration on services, and finding or
// installing what the tests need before they run beside each other.
//
//	withservices COMMAND [ARG...]   run a command with both
//	withservices -prepare           find or install what both need, and say so
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/freshet/freshet/featurestore/online/redis/redistest"
	"github.com/freshet/freshet/ingest/kafka/kafkatest"
)

// stopWithin is how long the command has to end after an interrupt.
const stopWithin = 20 * time.Second

func main() {
	prepareOnly := flag.Bool("prepare", false, "find or install what the services need, and end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *prepareOnly, flag.Args())
	stop()
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		os.Exit(exit.ExitCode()) // the command has said why
	default:
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, prepareOnly bool, command []string) error {
	if prepareOnly {
		return prepare(ctx, os.Stdout)
	}
	if len(command) == 0 {
		return errors.New("name the command to run, as in `withservices bin/freshet demo`")
	}
	return withServices(ctx, command)
}

// prepare reports every missing part, not the first alone.
func prepare(ctx context.Context, out io.Writer) error {
	redis, redisErr := redistest.Find(ctx)
	if redisErr == nil {
		fmt.Fprintln(out, "redis-server:", redis)
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

func withServices(ctx context.Context, command []string) (err error) {
	dir, err := os.MkdirTemp("", "freshet-services-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	redisDir := filepath.Join(dir, "redis")
	if err := os.Mkdir(redisDir, 0o750); err != nil {
		return err
	}
	redis, err := redistest.Start(ctx, redistest.Options{Dir: redisDir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, redis.Stop()) }()

	cache, err := kafkatest.CacheDir()
	if err != nil {
		return err
	}
	broker, err := kafkatest.Start(ctx, kafkatest.Config{Dir: filepath.Join(dir, "kafka"), Cache: cache})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, broker.Stop()) }()

	fmt.Fprintf(os.Stderr, "Kafka %s at %s, redis-server at %s\n", kafkatest.Version, broker.Addr(), redis.Addr())
	return child(ctx, command, "FRESHET_LOG_KAFKA_BROKERS="+broker.Addr(), "FRESHET_ONLINE_REDIS_ADDRS="+redis.Addr())
}

// child runs the command on our own streams. An interrupt is passed on, so that
// the command ends in order while its services still answer.
func child(ctx context.Context, command []string, env ...string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopWithin
	return cmd.Run()
}
