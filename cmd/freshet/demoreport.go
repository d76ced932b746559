package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/freshet/freshet/cmd/internal/cli"
	"github.com/freshet/freshet/featurestore"
)

func median(took []time.Duration) float64 {
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return float64(took[len(took)/2].Nanoseconds()) / 1000
}

// compareTraining holds the training set's rows against the live answers for the
// same flights: every value and every status.
func compareTraining(path string, live []answered) (same, different int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = first(err, f.Close()) }()
	r := parquet.NewReader(f)
	defer func() { err = first(err, r.Close()) }()
	column := map[string]int{}
	for i, path := range r.Schema().Columns() {
		column[path[0]] = i
	}
	byRow := map[int]*cli.Answer{}
	for _, l := range live {
		byRow[l.flight.Row] = l.answer
	}
	rows := make([]parquet.Row, 256)
	for at := 0; ; {
		n, readErr := r.ReadRows(rows)
		for i := range n {
			if answer := byRow[at+i]; answer != nil {
				s, d := compareRow(rows[i], column, answer)
				same, different = same+s, different+d
			}
		}
		at += n
		if errors.Is(readErr, io.EOF) {
			return same, different, nil
		}
		if readErr != nil {
			return same, different, readErr
		}
	}
}

func compareRow(row parquet.Row, column map[string]int, answer *cli.Answer) (same, different int) {
	for _, c := range answer.Columns {
		value, found := column[c.Name]
		status, foundStatus := column[c.Name+"__status"]
		if found && foundStatus && equalJSON(jsonValue(row[value]), c.Values[0]) && row[status].String() == c.Status[0] {
			same++
		} else {
			different++
		}
	}
	return same, different
}

// jsonValue writes a Parquet scalar as JSON.
func jsonValue(v parquet.Value) json.RawMessage {
	if v.IsNull() {
		return json.RawMessage("null")
	}
	var x any
	switch v.Kind() {
	case parquet.Boolean:
		x = v.Boolean()
	case parquet.Int64:
		x = v.Int64()
	case parquet.Double:
		return cli.JSONDouble(v.Double())
	default:
		x = string(v.ByteArray())
	}
	b, err := json.Marshal(x)
	if err != nil {
		return nil
	}
	return b
}

// equalJSON compares two JSON scalars by value: 4 and 4.0 are one double.
func equalJSON(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && x == y
}

func (a *App) printSummary(s *summary, x *session, keep bool) error {
	if a.Format != "" && a.Format != "table" {
		return a.Print(s, cli.Table{})
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("")
	line("Freshet demo: New York's flights of 2013, through %s into %s", s.Log, s.Online)
	line("")
	line("  streamed     %9d events in %.1f s (%.0f events/s, lookups and schedules included)", s.Events, s.Seconds, s.EventsPerS)
	line("  looked up    %9d times while it streamed, %d features each, p50 %.2f ms over HTTP", s.Lookups, len(s.sample.Columns), s.LookupP50us/1000)
	line("  trained on   %9d rows; %d values of the rows that were looked up live: %d different", s.Rows, s.SameAsLive+s.Different, s.Different)
	entities, values, mismatches := 0, 0, 0
	for _, r := range s.Verify {
		entities, values, mismatches = entities+r.Entities, values+r.Values, mismatches+r.Mismatches
	}
	line("  verified     %9d entities, %d values against the naive oracle: %d mismatches", entities, values, mismatches)
	line("  skew         %9d logged predictions, %d values recomputed: %d mismatches", s.Skew.Rows, s.Skew.Matches+s.Skew.Mismatches, s.Skew.Mismatches)
	line("  took         %9.1f s", s.Total)
	line("")
	tail := "null"
	if s.flight.Tailnum != nil {
		tail = *s.flight.Tailnum
	}
	line("  %s to %s with %s, plane %s, as the model saw it at %s:", s.flight.Origin, s.flight.Dest, s.flight.Carrier, tail, featurestore.Instant(s.flight.At))
	for _, name := range []string{"airport_traffic__departures_1h", "airport_traffic__delay_mean_1h", "route_delay__delay_mean_7d", "carrier_delay__planes",
		"plane_day__delay_last", "origin_weather__temp", "plane__seats", "carrier_yesterday__dep_delay_mean", "pressure__surge"} {
		if c := s.sample.Column(name); c != nil {
			line("    %-36s %14s  %-9s %s", name, short(c.Values[0]), c.Status[0], s.sample.Age(name))
		}
	}
	line("")
	dir := relative(s.Dir)
	line("  files        %s/definitions (the features), %s/train (the training set and its manifest),", dir, dir)
	line("               %s/.freshet/offline (history and prediction log in Parquet)", dir)
	line("")
	if keep {
		line("  Serving at http://%s until you press Ctrl-C. Try, in another terminal:", x.node.Server.Addr())
	} else {
		line("  Next:")
	}
	line("    bin/freshet -C %s get airport_board origin=JFK -o table", dir)
	line("    bin/freshet -C %s describe airport_traffic -o table", dir)
	line("    bin/freshet -C %s skew %s -o table", dir, demoService)
	line("    bin/freshet init myproject && bin/freshet dev myproject")
	_, err := fmt.Fprint(a.Stdout, b.String())
	return err
}

// short writes a JSON value for people.
func short(raw json.RawMessage) string {
	var f float64
	if strings.ContainsAny(string(raw), ".e") && json.Unmarshal(raw, &f) == nil {
		return fmt.Sprintf("%.4g", f)
	}
	return strings.Trim(string(raw), `"`)
}
