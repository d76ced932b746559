package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/cmd/internal/cli"
	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/cmd/internal/verify"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/skew"
)

const (
	demoService = "arrival_delay_v1"
	demoModel   = "arrival_delay:1"
	demoLookups = 500 // live lookups while the year streams
	demoSample  = 300 // entities a view that verify recomputes
)

func (a *App) demoCommand() *cobra.Command {
	var dir string
	var keep bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "The main job on real data, in one process: apply, stream a year, look up live, log, train, and prove that all agree",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.demo(cmd.Context(), dir, keep, func(*settings.Settings) error { return nil })
		},
	}
	cmd.Flags().StringVar(&dir, "dir", ".freshet-demo", "the demo's own folder; it is made anew")
	cmd.Flags().BoolVar(&keep, "keep", false, "go on serving afterwards")
	return cmd
}

// summary is what a demo did.
type summary struct {
	Dir         string           `json:"dir"`
	Log         string           `json:"log"`
	Online      string           `json:"online"`
	Events      int64            `json:"events"`
	Seconds     float64          `json:"seconds"`
	EventsPerS  float64          `json:"events_per_second"`
	Lookups     int              `json:"lookups"`
	LookupP50us float64          `json:"lookup_p50_us"`
	Rows        int64            `json:"training_rows"`
	SameAsLive  int              `json:"training_values_equal_to_live"`
	Different   int              `json:"training_values_different"`
	Verify      []*verify.Report `json:"verify"`
	Skew        *skew.Report     `json:"skew"`
	Total       float64          `json:"total_seconds"`

	sample *cli.Answer
	flight flight
}

// demo runs the whole thread in a folder of its own. adjust may change the
// settings: demo-services puts Kafka and Redis there.
func (a *App) demo(ctx context.Context, dir string, keep bool, adjust func(*settings.Settings) error) (err error) {
	begin := time.Now()
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if err := freshDemo(dir); err != nil {
		return err
	}
	s, err := settings.Load(dir, settings.Source{})
	if err != nil {
		return err
	}
	if err := adjust(s); err != nil {
		return err
	}
	quiet := *a.App
	quiet.Quiet = true // the parts' own notes would hide the demo's
	listen := "127.0.0.1:0"
	if keep {
		listen = s.Serve.Listen
	}
	a.Note("1/6  Applying %s and starting log, online store, ingester and server.", filepath.Join(dir, "definitions"))
	x, err := (&App{&quiet}).startSession(ctx, s, listen)
	if err != nil {
		return err
	}
	defer func() { err = first(err, x.Close()) }()
	sum := &summary{Dir: dir, Log: describeLog(s), Online: describeOnline(s)}
	if err := a.demoThread(ctx, x, sum); err != nil {
		return err
	}
	sum.Total = time.Since(begin).Seconds()
	if err := a.printSummary(sum, x, keep); err != nil {
		return err
	}
	if sum.wrong() {
		return cli.ErrDifference
	}
	if keep {
		x.parts.Clock.Run()
		<-ctx.Done()
	}
	return nil
}

func (s *summary) wrong() bool {
	for _, r := range s.Verify {
		if r.Mismatches > 0 || r.Nothing != "" {
			return true
		}
	}
	return s.Different > 0 || s.Skew.Mismatches > 0 || s.Lookups == 0 || s.SameAsLive == 0 || s.Skew.Matches == 0
}

func (a *App) demoThread(ctx context.Context, x *session, sum *summary) error {
	s := x.parts.Settings
	api := cli.NewAPI("http://" + x.node.Server.Addr())
	rows, err := flights(s.Root, demoLookups)
	if err != nil {
		return err
	}
	a.Note("2/6  Streaming the year 2013 through %s, with %d live lookups and predictions on the way.", sum.Log, len(rows))
	live, err := a.demoStream(ctx, x, api, rows, sum)
	if err != nil {
		return err
	}
	if err := x.node.Worker.Flush(); err != nil {
		return err
	}
	if err := x.node.Backend.Predlog.Flush(); err != nil {
		return err
	}
	a.Note("3/6  Exporting a point-in-time training set.")
	out := filepath.Join(s.Root, "train")
	m, err := a.export(ctx, s, demoService, exportFlags{
		spine: filepath.Join(s.Root, "data", "labels.parquet"), out: out, mode: "available", format: "parquet", delay: "0s", with: []string{"status"},
	})
	if err != nil {
		return err
	}
	sum.Rows = m.Rows
	a.Note("4/6  Comparing the training set with what was answered live.")
	if sum.SameAsLive, sum.Different, err = compareTraining(filepath.Join(out, m.Data.Path), live); err != nil {
		return err
	}
	a.Note("5/6  Recomputing %d entities a view from history with the naive oracle.", demoSample)
	quiet := *a.App
	quiet.Quiet = true
	if sum.Verify, err = (&App{&quiet}).verify(ctx, s, api, verifyRequest{sample: demoSample}); err != nil {
		return err
	}
	a.Note("6/6  Recomputing every logged prediction's features (skew).")
	sum.Skew, err = (&App{&quiet}).skew(ctx, s, demoService, skewFlags{examples: 3})
	return err
}

// answered is a live answer for a row of the spine.
type answered struct {
	flight flight
	answer *cli.Answer
}

// demoStream replays the year and stops at each flight's scheduled instant to
// ask what a model would ask, and to log what it would say.
func (a *App) demoStream(ctx context.Context, x *session, api *cli.API, rows []flight, sum *summary) ([]answered, error) {
	for _, f := range rows {
		x.drive.Stops = append(x.drive.Stops, featurestore.Instant(f.At))
	}
	progress := a.replayProgress()
	var live []answered
	var took []time.Duration
	start := time.Now()
	x.drive.OnStep = func(ctx context.Context, p node.Progress) error {
		progress(p)
		for len(live) < len(rows) && featurestore.Instant(rows[len(live)].At) <= p.Clock {
			f := rows[len(live)]
			before := time.Now()
			answer, err := api.Lookup(ctx, f.body())
			if err != nil {
				return fmt.Errorf("lookup of a flight at %s: %w", featurestore.Instant(f.At), err)
			}
			took = append(took, time.Since(before))
			live = append(live, answered{f, answer})
			if err := predict(ctx, api, answer); err != nil {
				return err
			}
		}
		return nil
	}
	if err := x.drive.Run(ctx); err != nil {
		return nil, err
	}
	sum.Events, sum.Seconds, sum.Lookups = x.drive.Records(), time.Since(start).Seconds(), len(live)
	sum.EventsPerS = float64(sum.Events) / sum.Seconds
	sum.LookupP50us = median(took)
	if len(live) > 0 {
		last := live[len(live)-1]
		sum.sample, sum.flight = last.answer, last.flight
	}
	return live, nil
}

// body is the lookup that a model makes for a flight.
func (f flight) body() map[string]any {
	return map[string]any{
		"service": demoService,
		"entities": map[string]any{
			"origin": []string{f.Origin}, "dest": []string{f.Dest}, "carrier": []string{f.Carrier}, "tailnum": []*string{f.Tailnum},
		},
		"request": map[string]any{"scheduled_hour": []int64{f.Hour}, "distance": []json.RawMessage{cli.JSONDouble(f.Distance)}},
		"include": []string{"status", "event_time", "watermark", "read_time"},
	}
}

// predict logs the simplest of models: the route's mean delay of a week.
func predict(ctx context.Context, api *cli.API, answer *cli.Answer) error {
	delay := 0.0
	if c := answer.Column("route_delay__delay_mean_7d"); c != nil {
		if err := json.Unmarshal(c.Values[0], &delay); err != nil {
			return err
		}
	}
	_, err := api.Call(ctx, "POST", "/v1/predictions:log", map[string]any{
		"request_id": answer.RequestID, "model": demoModel, "outputs": map[string]any{"arr_delay": delay},
	})
	return err
}

func describeLog(s *settings.Settings) string {
	if s.Log.Kafka != nil {
		return "Apache Kafka at " + s.Log.Kafka.Brokers[0]
	}
	return "the embedded log"
}

func describeOnline(s *settings.Settings) string {
	if s.Online.Redis != nil {
		return "Redis at " + s.Online.Redis.Addrs[0]
	}
	return "the embedded store"
}

// relative shortens a path for people.
func relative(path string) string {
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(wd, path); err == nil && len(rel) < len(path) {
		return rel
	}
	return path
}
