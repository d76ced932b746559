//go:build unix

// Command bench runs the project's benchmarks: each a ratio between our code and
// an opponent that does the same work another way, measured side by side in one
// run. It prints a table and writes the same as JSON. It judges nothing by
// itself: an exit code of 1 says that an answer was wrong or that it could not
// run, never that something was slow.
//
//	go run ./cmd/internal/bench engine [-out .bench/engine.json] [-pairs 7]
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	workloads := map[string]func(pairs int) ([]row, error){"engine": engine}
	if len(args) == 0 || workloads[args[0]] == nil {
		return fmt.Errorf("name a workload: engine")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	out := flags.String("out", "", "also write JSON to this file")
	pairs := flags.Int("pairs", 7, "pairs of runs, at least 5")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	rows, err := workloads[args[0]](max(5, *pairs))
	if err != nil {
		return err
	}
	report := newReport(args[0], rows)
	report.print(os.Stdout)
	if *out == "" {
		return nil
	}
	return report.write(*out)
}
