package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/cmd/internal/cli"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/dataset"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/pit"
	"github.com/freshet/freshet/featurestore/registry/sqlite"
)

func (a *App) datasetCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "dataset", Short: "Training sets: export, show"}
	cmd.AddCommand(a.exportCommand(), a.showCommand())
	return cmd
}

// exportFlags are the flags of `dataset export`.
type exportFlags struct {
	spine, out, mode, format, delay, zone string
	with                                  []string
}

func (a *App) exportCommand() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export SERVICE|view.feature,... --spine FILE --out DIR",
		Short: "A point-in-time training set with a manifest: the spine's rows, in its order, with the features of each instant",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.Settings()
			if err != nil {
				return err
			}
			m, err := a.export(cmd.Context(), s, args[0], f)
			if err != nil {
				return err
			}
			return a.Print(m, manifestTable(m, f.out))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.spine, "spine", "", "entity keys and event_timestamp: .parquet, .csv or .jsonl")
	flags.StringVar(&f.out, "out", "", "the folder to write")
	flags.StringVar(&f.mode, "mode", "available", "available (what serving could have known), event_time, or exact (logged lookups)")
	flags.StringVar(&f.format, "format", "parquet", "parquet or csv")
	flags.StringVar(&f.delay, "delay", "0s", "mode event_time: features know events older than this")
	flags.StringVar(&f.zone, "spine-zone", "", "zone of spine times that have none, as America/New_York")
	flags.StringSliceVar(&f.with, "with", nil, "further columns: status, event_time")
	must(cmd.MarkFlagRequired("spine"))
	must(cmd.MarkFlagRequired("out"))
	return cmd
}

// must is for errors that only a mistake in this program can cause.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (a *App) export(ctx context.Context, s *settings.Settings, what string, f exportFlags) (_ *dataset.Manifest, err error) {
	r, err := a.exportRequest(ctx, s, what, f)
	if err != nil {
		return nil, err
	}
	db, err := openEngine(ctx, s, filepath.Dir(r.Spine), filepath.Dir(r.Out))
	if err != nil {
		return nil, err
	}
	defer func() { err = first(err, db.Close()) }()
	report, err := exporter(s, db, lookups(s, r.Project)).Export(ctx, *r)
	if err != nil {
		return nil, err
	}
	if report.Incomplete > 0 {
		a.Note("note: %d reads are incomplete: history no longer holds, or does not hold yet, all that was applied to them.", report.Incomplete)
	}
	return report.Manifest, nil
}

func (a *App) exportRequest(ctx context.Context, s *settings.Settings, what string, f exportFlags) (*dataset.Request, error) {
	r := &dataset.Request{Version: a.Version, Progress: a.joinProgress()}
	var err error
	if r.Revision, r.Project, err = applied(ctx, s); err != nil {
		return nil, err
	}
	if r.Service, err = serviceOf(r.Project, what); err != nil {
		return nil, err
	}
	if r.Spine, err = filepath.Abs(f.spine); err != nil {
		return nil, err
	}
	if r.SpineFormat, err = dataset.SpineFormat(f.spine); err != nil {
		return nil, err
	}
	if r.Out, err = filepath.Abs(f.out); err != nil {
		return nil, err
	}
	if r.Mode, err = pit.ParseMode(f.mode); err != nil {
		return nil, err
	}
	switch f.format {
	case "parquet":
		r.Format = definition.Parquet
	case "csv":
		r.Format = definition.CSV
	default:
		return nil, featurestore.Invalidf("--format %q: use parquet or csv", f.format)
	}
	if r.Delay, err = featurestore.ParseDuration(f.delay); err != nil {
		return nil, featurestore.Invalidf("--delay: %w", err)
	}
	if f.zone != "" {
		if r.SpineZone, err = time.LoadLocation(f.zone); err != nil {
			return nil, featurestore.Invalidf("--spine-zone %q: %w", f.zone, err)
		}
	}
	for _, w := range f.with {
		switch w {
		case "status":
			r.With.Status = true
		case "event_time":
			r.With.EventTime = true
		default:
			return nil, featurestore.Invalidf("--with %q: use status, event_time", w)
		}
	}
	return r, nil
}

// joinProgress tells a person, every two seconds, what is being read.
func (a *App) joinProgress() func(view string, records int64) {
	next := time.Now().Add(2 * time.Second)
	return func(view string, records int64) {
		if now := time.Now(); now.After(next) {
			next = now.Add(2 * time.Second)
			a.Note("%s: %d records", view, records)
		}
	}
}

// applied is the newest revision and its definitions.
func applied(ctx context.Context, s *settings.Settings) (_ int64, _ *definition.Project, err error) {
	r, err := sqlite.Open(ctx, s.Registry.SQLite, s.Online.Lanes)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = first(err, r.Close()) }()
	current, err := r.Current(ctx)
	if err != nil {
		return 0, nil, err
	}
	if current == nil {
		return 0, nil, featurestore.NotFoundf("nothing is applied yet: run `freshet apply`")
	}
	p, problems := definition.Load(current.Files)
	if p == nil {
		return 0, nil, featurestore.Invalidf("revision %d does not load with this version of freshet: %w", current.Number, problems)
	}
	return current.Number, p, nil
}

// serviceOf is a service by name, or a nameless one for a list of features.
func serviceOf(p *definition.Project, what string) (*definition.Service, error) {
	if strings.Contains(what, ".") {
		return p.AdHoc(strings.Split(what, ","))
	}
	if s := p.Service(what); s != nil {
		return s, nil
	}
	return nil, featurestore.NotFoundf("there is no service %q (see `freshet list services`)", what)
}

func (a *App) showCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show DIR", Short: "Describe a training set by its manifest", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			m, err := dataset.Show(args[0])
			if err != nil {
				return err
			}
			return a.Print(m, manifestTable(m, args[0]))
		},
	}
}

func manifestTable(m *dataset.Manifest, dir string) cli.Table {
	t := cli.Table{Head: []string{"COLUMN", "TYPE", "NULLS", "MIN", "MAX", "MEAN"}, Names: []string{dir}}
	for _, c := range m.Columns {
		t.Rows = append(t.Rows, []string{c.Name, c.Type, fmt.Sprint(c.Nulls), c.Min, c.Max, c.Mean})
	}
	t.Foot = fmt.Sprintf("%d rows of %s, mode %s, revision %d, in %s", m.Rows, m.Service.Name, m.Mode, m.Revision, filepath.Join(dir, m.Data.Path))
	return t
}
