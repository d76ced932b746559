// Command torture breaks a running Freshet in every way that its failure table
// names, and compares every value with the oracle's: a real Kafka broker, real
// redis-servers and the built programs as processes of their own, killed and
// starved for real. It prints a table and writes the same as JSON; an exit code
// of 1 says that a value was wrong or a scenario could not be run.
//
//	go run ./cmd/internal/torture [-seed N] [-only NAME,NAME] [-short] [-rounds N] [-list] [-keep] [-bin bin] [-out .bench/torture.json]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshet/freshet/cmd/internal/torture/plant"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}

// flags are what a person chooses.
type flags struct {
	seed   uint64
	only   string
	out    string
	bin    string
	rounds int
	short  bool
	keep   bool
	list   bool
}

func parse(args []string) (*flags, error) {
	f := &flags{}
	set := flag.NewFlagSet("torture", flag.ContinueOnError)
	set.Uint64Var(&f.seed, "seed", 0, "repeats a run; 0 draws one")
	set.StringVar(&f.only, "only", "", "scenarios, by name or row, separated by commas")
	set.StringVar(&f.out, "out", "", "also write JSON to this file")
	set.StringVar(&f.bin, "bin", "bin", "the folder of the built programs")
	set.IntVar(&f.rounds, "rounds", 1, "how often each scenario's faults are repeated, as a factor")
	set.BoolVar(&f.short, "short", false, "the scenarios that take a few minutes together")
	set.BoolVar(&f.keep, "keep", false, "keep the folder of data and logs")
	set.BoolVar(&f.list, "list", false, "list the scenarios")
	return f, set.Parse(args)
}

// errFailed says that the report holds a failure.
var errFailed = errors.New("something failed: see above")

func run(ctx context.Context, args []string) error {
	f, err := parse(args)
	if err != nil {
		return err
	}
	chosen, err := choose(f)
	if err != nil {
		return err
	}
	if f.list {
		for _, s := range chosen {
			fmt.Printf("%-6s %-18s %s\n", s.row, s.name, s.fault)
		}
		return nil
	}
	if f.seed == 0 {
		f.seed = rand.Uint64N(1 << 32)
	}
	return torture(ctx, f, chosen)
}

func choose(f *flags) ([]scenario, error) {
	var out []scenario
	names := strings.Split(f.only, ",")
	for _, s := range scenarios() {
		if f.only != "" && !slices.Contains(names, s.name) && !slices.Contains(names, s.row) || f.short && !s.short {
			continue
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("there is no scenario %q: see -list", f.only)
	}
	return out, nil
}

// silence says nothing.
type silence struct{}

// Printf implements the logger of the Redis client.
func (silence) Printf(context.Context, string, ...any) {}

// torture runs scenarios one after the other on one broker.
func torture(ctx context.Context, f *flags, chosen []scenario) (err error) {
	begin := time.Now()
	redis.SetLogger(silence{}) // its servers are killed on purpose
	dir, err := os.MkdirTemp("", "freshet-torture-")
	if err != nil {
		return err
	}
	if f.keep {
		fmt.Printf("data and logs: %s\n", dir)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	bin, err := filepath.Abs(f.bin)
	if err != nil {
		return err
	}
	fmt.Printf("seed %d: %d scenarios\nstarting Apache Kafka\n", f.seed, len(chosen))
	kafka, err := plant.StartKafka(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kafka.Stop()) }()
	r := newReport(f.seed)
	b := bench{kafka: kafka, dir: dir, seed: f.seed, rounds: max(1, f.rounds), bin: plant.Programs{Freshet: filepath.Join(bin, "freshet"), Freshetd: filepath.Join(bin, "freshetd")}}
	for i, s := range chosen {
		fmt.Printf("%s %d/%d %s (row %s): %s\n", time.Now().Format("15:04:05"), i+1, len(chosen), s.name, s.row, s.fault)
		r.Results = append(r.Results, b.run(ctx, s))
		if ctx.Err() != nil {
			break
		}
	}
	r.Took = time.Since(begin).Seconds()
	r.print(os.Stdout)
	if f.out != "" {
		if err := r.write(f.out); err != nil {
			return err
		}
	}
	if r.failed() {
		return errFailed
	}
	return ctx.Err()
}
