//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// costs says how much of the processors each process takes while something runs.
type costs struct {
	s                *services
	consumer, server *child

	wall  time.Duration
	taken [5]time.Duration
}

// costNames are the processes: the consumer is ours or the bare one, the load the
// benchmark itself.
var costNames = [5]string{"consumer", "Redis", "server", "Kafka", "load"}

// of runs f, and takes its measure.
func (c *costs) of(ctx context.Context, f func() (*delays, error)) (*delays, error) {
	before, err := c.now(ctx)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	d, err := f()
	if err != nil {
		return nil, err
	}
	c.wall = time.Since(begin)
	after, err := c.now(ctx)
	for i := range after {
		c.taken[i] = after[i] - before[i]
	}
	return d, err
}

func (c *costs) now(ctx context.Context) (now [5]time.Duration, err error) {
	consumer, err1 := c.consumer.usage()
	server, err2 := c.server.usage()
	load, err3 := processUsage(os.Getpid())
	services, err4 := c.s.usage(ctx)
	return [5]time.Duration{consumer.cpu, services.redis, server.cpu, services.kafka, load.cpu}, first(err1, err2, err3, err4)
}

// String gives each process's part of one core.
func (c *costs) String() string {
	text := ""
	for i, name := range costNames {
		text += fmt.Sprintf(" %s %.2f", name, c.taken[i].Seconds()/c.wall.Seconds())
	}
	return text
}
