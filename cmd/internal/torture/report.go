package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// result is what one scenario gave.
type result struct {
	Name  string `json:"scenario"`
	Row   string `json:"row"` // of the table of failures
	Fault string `json:"fault"`
	Seed  uint64 `json:"seed"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`

	Injected   int      `json:"injected"` // faults
	Events     int64    `json:"events"`
	Compared   int64    `json:"compared"` // values, with those of sampled lookups
	Sampled    int64    `json:"sampled"`  // answers of lookups during the faults that were judged
	Lookups    int64    `json:"lookups"`  // during the faults
	Mismatches int64    `json:"mismatches"`
	Examples   []string `json:"examples,omitempty"`

	Naive *naiveResult `json:"naive,omitempty"`

	Detect  times    `json:"detect_s"` // until status or answers said so
	Repair  times    `json:"repair_s"` // until all was right again
	Silent  times    `json:"silent_s"` // while answers were older than earlier ones, and did not say so
	Took    float64  `json:"took_s"`
	Remarks []string `json:"remarks,omitempty"`
}

// naiveResult is the naive protocol's part.
type naiveResult struct {
	Compared   int64 `json:"compared"`
	Mismatches int64 `json:"mismatches"`
}

// times are seconds, one a fault.
type times []float64

func (t times) worst() string {
	if len(t) == 0 {
		return "-"
	}
	most := t[0]
	for _, x := range t {
		most = max(most, x)
	}
	return fmt.Sprintf("%.2f", most)
}

func (r *result) detected(d time.Duration) { r.Detect = append(r.Detect, d.Seconds()) }
func (r *result) repaired(d time.Duration) { r.Repair = append(r.Repair, d.Seconds()) }
func (r *result) silent(d time.Duration)   { r.Silent = append(r.Silent, d.Seconds()) }

// remark notes what a reader of the report must know.
func (r *result) remark(format string, args ...any) {
	r.Remarks = append(r.Remarks, fmt.Sprintf(format, args...))
}

// report is what a run prints and writes.
type report struct {
	Seed    uint64   `json:"seed"`
	Machine string   `json:"machine"`
	Commit  string   `json:"commit"`
	Results []result `json:"scenarios"`
	Took    float64  `json:"took_s"`
}

func newReport(seed uint64) *report {
	commit := "unknown"
	if out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output(); err == nil {
		commit = strings.TrimSpace(string(out))
	}
	return &report{Seed: seed, Commit: commit, Machine: fmt.Sprintf("%s/%s, %d cores, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())}
}

func (r *report) print(out io.Writer) {
	fmt.Fprintf(out, "\ntorture on %s, commit %s, seed %d\n", r.Machine, r.Commit, r.Seed)
	tw := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "ROW\tSCENARIO\tFAULTS\tEVENTS\tVALUES\tMISMATCHES\tNAIVE\tDETECT s\tREPAIR s\tSILENT s\tRESULT")
	for i := range r.Results {
		x := &r.Results[i]
		naive, verdict := "-", "ok"
		if x.Naive != nil {
			naive = fmt.Sprintf("%d of %d", x.Naive.Mismatches, x.Naive.Compared)
		}
		if !x.OK {
			verdict = "FAILED"
		}
		fmt.Fprintf(tw, "%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t%s\n", x.Row, x.Name, x.Injected, x.Events, x.Compared, x.Mismatches, naive, x.Detect.worst(), x.Repair.worst(), x.Silent.worst(), verdict)
	}
	tw.Flush() //nolint:errcheck // the terminal is gone: nobody reads on
	for i := range r.Results {
		r.Results[i].explain(out)
	}
	r.summary(out)
}

func (r *result) explain(out io.Writer) {
	for _, x := range r.Remarks {
		fmt.Fprintf(out, "%s: %s\n", r.Name, x)
	}
	if r.OK {
		return
	}
	fmt.Fprintf(out, "FAILED %s (row %s): %s\n", r.Name, r.Row, r.Error)
	for _, x := range r.Examples {
		fmt.Fprintf(out, "  %s\n", x)
	}
	fmt.Fprintf(out, "  again: bin/torture -only %s -seed %d\n", r.Name, r.Seed)
}

func (r *report) summary(out io.Writer) {
	var faults, failed int
	var events, values, wrong, naive int64
	for i := range r.Results {
		x := &r.Results[i]
		faults, events, values, wrong = faults+x.Injected, events+x.Events, values+x.Compared, wrong+x.Mismatches
		if x.Naive != nil {
			naive += x.Naive.Mismatches
		}
		if !x.OK {
			failed++
		}
	}
	fmt.Fprintf(out, "%d scenarios in %.0f s: %d faults, %d events, %d values compared, %d mismatches (the naive protocol: %d), %d failed\n",
		len(r.Results), r.Took, faults, events, values, wrong, naive, failed)
}

func (r *report) failed() bool {
	for i := range r.Results {
		if !r.Results[i].OK {
			return true
		}
	}
	return false
}

func (r *report) write(path string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}
