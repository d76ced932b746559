//go:build unix

// Command bench runs the project's benchmarks: each a ratio between our code and
// an opponent that does the same work another way, measured side by side in one
// run. It prints a table and writes the same as JSON. It judges nothing by
// itself: an exit code of 1 says that an answer was wrong or that it could not
// run, never that something was slow.
//
//	go run ./cmd/internal/bench engine [-out .bench/engine.json] [-pairs 7]
//	go run ./cmd/internal/bench B5 [-freshetd bin/freshetd] [-events 3000000]
//	go run ./cmd/internal/bench B6 [-slice 5s]
//	go run ./cmd/internal/bench rebuild [-events 3000000]
package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	// What was started is ended also where the run is broken off.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// loadGC lets the heap of who makes the load grow far: it has the processors together
// with what is measured, and nearly all that it allocates is gone at once.
const loadGC = 1500

// options are the flags of all workloads.
type options struct {
	out        string
	pairs      int
	freshetd   string
	events     int
	partitions int
	verbose    bool
	profile    string
	profiled   time.Duration
	sustained  time.Duration
	share      float64
	slice      time.Duration
	rates      rates
}

// rates are events a second, in a flag.
type rates []float64

func (r *rates) String() string { return fmt.Sprint([]float64(*r)) }

// Set reads a list with commas.
func (r *rates) Set(text string) error {
	*r = nil
	for part := range strings.SplitSeq(text, ",") {
		x, err := strconv.ParseFloat(part, 64)
		if err != nil || x <= 0 {
			return fmt.Errorf("%q is no rate", part)
		}
		*r = append(*r, x)
	}
	return nil
}

func run(ctx context.Context, args []string) error {
	workloads := map[string]func(context.Context, *options) ([]row, error){"engine": engine, "B5": b5, "B6": b6, "rebuild": rebuild}
	if len(args) > 0 && args[0] == layoutCommand {
		return runLayout(ctx, args[1:])
	}
	if len(args) > 0 && args[0] == relayCommand {
		return runRelay(ctx, args[1:])
	}
	if len(args) == 0 || workloads[args[0]] == nil {
		return fmt.Errorf("name a workload: %s", strings.Join(slices.Sorted(maps.Keys(workloads)), ", "))
	}
	var o options
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.StringVar(&o.out, "out", "", "also write JSON to this file")
	flags.IntVar(&o.pairs, "pairs", 7, "pairs of runs; at least 5 to judge by")
	flags.StringVar(&o.freshetd, "freshetd", "bin/freshetd", "the program that is measured")
	flags.IntVar(&o.events, "events", 3_000_000, "events of the stream")
	flags.IntVar(&o.partitions, "partitions", 4, "of the topic")
	flags.DurationVar(&o.sustained, "sustained", time.Minute, "how long B5 holds a share of its rate; 0: not at all")
	flags.Float64Var(&o.share, "share", 0.8, "which share of its rate B5 holds: whoever sends the events, and Kafka, which takes them, need the same cores")
	flags.DurationVar(&o.slice, "slice", 5*time.Second, "how long B6 measures one rate, a side and pair")
	flags.Var(&o.rates, "rates", "events/s that B6 measures, as in 1000,10000; those of the benchmark where none is given")
	flags.BoolVar(&o.verbose, "v", false, "say what Redis did")
	flags.StringVar(&o.profile, "profile", "", "write a processor profile of the ingester while it warms up (B6: while it is measured; rebuild: while it fills) to this file")
	flags.DurationVar(&o.profiled, "profiled", 4*time.Second, "how long that is, from the ingester's start (B6: a slice)")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if args[0] != "engine" { // which measures this very process
		debug.SetGCPercent(loadGC)
	}
	rows, err := workloads[args[0]](ctx, &o)
	if err != nil {
		return err
	}
	report := newReport(args[0], rows)
	report.print(os.Stdout)
	if o.out == "" {
		return nil
	}
	return report.write(o.out)
}
