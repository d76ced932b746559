//go:build unix

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
)

// report is what a run prints and writes.
type report struct {
	Workload string `json:"workload"`
	Machine  string `json:"machine"`
	Commit   string `json:"commit"`
	Rows     []row  `json:"rows"`
}

// row is one case. ratio is how many times better ours is: the median over the
// pairs; worst_pair is the least of them. Where the opponent is a limit, theirs is
// that limit.
type row struct {
	Case      string  `json:"case"`
	Opponent  string  `json:"opponent"`
	Ours      float64 `json:"ours"`
	Theirs    float64 `json:"theirs"`
	Unit      string  `json:"unit"`
	Ratio     float64 `json:"ratio"`
	WorstPair float64 `json:"worst_pair"`
	Target    float64 `json:"target"`
	Met       bool    `json:"met"`
}

func newReport(workload string, rows []row) report {
	commit := "unknown"
	if out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output(); err == nil {
		commit = strings.TrimSpace(string(out))
	}
	machine := fmt.Sprintf("%s/%s, %d cores, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	return report{Workload: workload, Machine: machine, Commit: commit, Rows: rows}
}

func (r report) print(w io.Writer) {
	fmt.Fprintf(w, "%s on %s, commit %s\n", r.Workload, r.Machine, r.Commit)
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "CASE\tOURS\tOPPONENT\tTHEIRS\tUNIT\tRATIO\tWORST PAIR\tTARGET\tMET")
	for _, x := range r.Rows {
		met := "yes"
		if !x.Met {
			met = "no"
		}
		fmt.Fprintf(tw, "%s\t%.4g\t%s\t%.4g\t%s\t%.2f\t%.2f\t%.2f\t%s\n", x.Case, x.Ours, x.Opponent, x.Theirs, x.Unit, x.Ratio, x.WorstPair, x.Target, met)
	}
	tw.Flush() //nolint:errcheck // the terminal is gone: nobody reads on
}

func (r report) write(path string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}
