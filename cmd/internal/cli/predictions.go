package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
	"github.com/freshet/freshet/featurestore/predictions"
)

// PredictionsCommand is `predictions`. It reads files only: a server may run
// beside it, and what that has written ahead is seen.
func (a *App) PredictionsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "predictions", Short: "The prediction log: what was served to whom, from which state"}
	cmd.AddCommand(a.predictionsListCommand(), a.predictionsExportCommand())
	return cmd
}

// ParseRange reads --from and --to; "" leaves a side open.
func ParseRange(from, to string) (predictions.Range, error) {
	var r predictions.Range
	for _, f := range []struct {
		flag, text string
		at         **featurestore.Instant
	}{{"--from", from, &r.From}, {"--to", to, &r.To}} {
		if f.text == "" {
			continue
		}
		t, err := featurestore.ParseInstant(f.text)
		if err != nil {
			return predictions.Range{}, featurestore.Invalidf("%s: %w", f.flag, err)
		}
		*f.at = &t
	}
	if r.From != nil && r.To != nil && *r.From >= *r.To {
		return predictions.Range{}, featurestore.Invalidf("--from %s is not before --to %s", *r.From, *r.To)
	}
	return r, nil
}

func (a *App) predictionsListCommand() *cobra.Command {
	var from, to string
	var limit int
	cmd := &cobra.Command{
		Use: "ls [SERVICE]", Short: "What the log holds; with a service, its newest rows", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.Settings()
			if err != nil {
				return err
			}
			within, err := ParseRange(from, to)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return a.listPredictions(cmd.Context(), s.Offline.Dir)
			}
			if limit < 1 {
				return featurestore.Invalidf("--limit %d: ask for at least one row", limit)
			}
			return a.listRows(cmd.Context(), predictions.Query{Dir: s.Offline.Dir, Service: args[0], Within: within, Outputs: true}, limit)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "logged from this instant on (RFC 3339)")
	cmd.Flags().StringVar(&to, "to", "", "logged before this instant")
	cmd.Flags().IntVar(&limit, "limit", 20, "rows to show, the newest")
	return cmd
}

func (a *App) listPredictions(ctx context.Context, dir string) error {
	list, err := predictions.Services(ctx, dir)
	if err != nil {
		return err
	}
	t := Table{Head: []string{"SERVICE", "ROWS", "NOT SEALED", "FILES", "MIB", "FROM", "TO"}}
	for _, s := range list {
		t.Rows = append(t.Rows, []string{s.Service, fmt.Sprint(s.Rows), fmt.Sprint(s.Unsealed), fmt.Sprint(s.Files), fmt.Sprintf("%.1f", float64(s.Bytes)/(1<<20)), s.First, s.Last})
		t.Names = append(t.Names, s.Service)
	}
	if len(list) == 0 {
		t.Foot = "Nothing is logged: give a service a `log:`, and look it up."
	}
	return a.Print(list, t)
}

func (a *App) listRows(ctx context.Context, q predictions.Query, limit int) error {
	var last []*predictions.Row // a ring once it is full
	at, total := 0, int64(0)
	err := predictions.Read(ctx, q, func(r *predictions.Row) error {
		total++
		if len(last) < limit {
			last = append(last, r)
			return nil
		}
		last[at] = r
		at = (at + 1) % limit
		return nil
	})
	if err != nil {
		return err
	}
	list := []json.RawMessage{}
	t := Table{Head: []string{"REQUEST", "ROW", "READ AT", "REV", "KEYS", "STATUSES", "MODEL", "OUTPUTS"}}
	for i := range last {
		r := last[(at+i)%len(last)]
		list = append(list, predictions.RowJSON(r))
		t.Rows = append(t.Rows, predictionLine(r))
		t.Names = append(t.Names, r.RequestID)
	}
	t.Foot = fmt.Sprintf("%d of %d rows", len(last), total)
	if total == 0 {
		a.Note("note: nothing is logged of %q in this range (see `freshet predictions ls`).", q.Service)
	}
	return a.Print(list, t)
}

func predictionLine(r *predictions.Row) []string {
	keys := make([]string, len(r.Entities))
	for i, f := range r.Header.Entities {
		keys[i] = f.Name + "=" + r.Entities[i].Text(f.Type)
	}
	model, outputs := "", []string{}
	if n := len(r.Predictions); n > 0 {
		model = r.Predictions[n-1].Model
		for _, o := range r.Predictions[n-1].Outputs {
			outputs = append(outputs, o.Name+"="+o.Value.Text(featurestore.Type{Kind: o.Value.Kind()}))
		}
	}
	return []string{
		r.RequestID, fmt.Sprint(r.Number), r.ReadTime.String(), fmt.Sprint(r.Revision), strings.Join(keys, " "),
		statuses(r.Cells), model, strings.Join(outputs, " "),
	}
}

// statuses counts cells by status, the best first.
func statuses(cells []featurestore.Cell) string {
	var counts [featurestore.Present + 1]int
	for _, c := range cells {
		counts[c.Status]++
	}
	var out []string
	for s, n := range slices.Backward(counts[:]) {
		if n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, featurestore.Status(s)))
		}
	}
	return strings.Join(out, ", ")
}

// exported is the result of `predictions export`.
type exported struct {
	Service string `json:"service"`
	File    string `json:"file"`
	Rows    int64  `json:"rows"`
	Bytes   int64  `json:"bytes"`
}

func (a *App) predictionsExportCommand() *cobra.Command {
	var from, to, out string
	cmd := &cobra.Command{
		Use: "export SERVICE --out FILE", Short: "Write logged rows, with the models' outputs, to a .parquet, .csv or .jsonl file", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.Settings()
			if err != nil {
				return err
			}
			if out == "" {
				return featurestore.Invalidf("--out is missing: name a file that ends in .parquet, .csv or .jsonl")
			}
			within, err := ParseRange(from, to)
			if err != nil {
				return err
			}
			done, err := a.exportPredictions(cmd.Context(), predictions.Query{Dir: s.Offline.Dir, Service: args[0], Within: within, Outputs: true}, out)
			if err != nil {
				return err
			}
			return a.Print(done, Table{Names: []string{out}, Foot: fmt.Sprintf("%d rows of %s are in %s", done.Rows, done.Service, out)})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "logged from this instant on (RFC 3339)")
	cmd.Flags().StringVar(&to, "to", "", "logged before this instant")
	cmd.Flags().StringVar(&out, "out", "", "the file to write; its extension says the format")
	return cmd
}

func (a *App) exportPredictions(ctx context.Context, q predictions.Query, out string) (*exported, error) {
	begin, err := exportFormat(out)
	if err != nil {
		return nil, err
	}
	header, err := predictions.Union(ctx, q)
	if err != nil {
		return nil, err
	}
	if header == nil {
		return nil, featurestore.NotFoundf("nothing is logged of service %q in this range (see `freshet predictions ls`)", q.Service)
	}
	done := &exported{Service: q.Service, File: out}
	progress := a.exportProgress()
	info, err := (&atomicfile.Disk{Durability: atomicfile.Crash}).Write(out, func(w io.Writer) error {
		e, err := begin(w, header)
		if err != nil {
			return err
		}
		err = predictions.Read(ctx, q, func(r *predictions.Row) error {
			row, ok := r.Under(header)
			if !ok {
				return featurestore.Unavailablef("a new definition began to be logged meanwhile: run this again")
			}
			done.Rows++
			progress(done.Rows)
			return e.Append(row)
		})
		return errors.Join(err, e.Close())
	})
	done.Bytes = info.Bytes
	return done, err
}

func exportFormat(out string) (func(io.Writer, *predictions.Header) (predictions.Exporter, error), error) {
	switch strings.ToLower(filepath.Ext(out)) {
	case ".parquet":
		return func(w io.Writer, h *predictions.Header) (predictions.Exporter, error) {
			return predictions.ExportParquet(w, h), nil
		}, nil
	case ".jsonl", ".ndjson":
		return func(w io.Writer, h *predictions.Header) (predictions.Exporter, error) {
			return predictions.ExportJSONL(w, h), nil
		}, nil
	case ".csv":
		return predictions.ExportCSV, nil
	}
	return nil, featurestore.Invalidf("--out %q: the extension says no format: use .parquet, .csv or .jsonl", out)
}

// exportProgress tells a person, every two seconds, how far an export is.
func (a *App) exportProgress() func(rows int64) {
	start, next := time.Now(), time.Now().Add(2*time.Second)
	return func(rows int64) {
		if rows%1024 != 0 {
			return
		}
		if now := time.Now(); now.After(next) {
			next = now.Add(2 * time.Second)
			a.Note("%d rows, %.0f rows/s", rows, float64(rows)/now.Sub(start).Seconds())
		}
	}
}
