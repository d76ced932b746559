package testrun

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/offline/runs"
	"github.com/freshet/freshet/featurestore/offline/warehouse"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/materialize"
)

// table is a batch view whose source has rows in the test. It is materialized as
// a deployment does it, but that runs stay in memory.
type table struct {
	view *definition.BatchView // over the rows of the test
	id   online.Generation
	m    *materialize.Materializer
	last featurestore.Instant // cutoff of the newest run
	any  bool
}

// openTable writes the rows of a view's source to a file below dir.
func (r *run) openTable(root, dir string, v *definition.BatchView, e definition.TestEvents) (*table, error) {
	lines := append(bytes.Join(e.JSON, []byte("\n")), '\n')
	if len(e.JSON) == 0 {
		lines = nil
	}
	if e.File != "" {
		var err error
		if lines, err = os.ReadFile(filepath.Join(root, filepath.FromSlash(e.File))); err != nil {
			return nil, featurestore.Invalidf("events of %q: %w", e.Source, err)
		}
	}
	name := v.Source.Name + ".jsonl"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, name), lines, 0o600); err != nil {
		return nil, err
	}
	view := *v
	view.Source = sourceOfLines(v.Source, name)
	t := &table{view: &view, id: online.Generation{Project: "test", View: v.Name, Number: 1}}
	rows := &memoryRuns{root: dir, files: map[string]*frame.Frame{}}
	t.m = &materialize.Materializer{
		Root: dir, Dir: filepath.Join(dir, "offline"), Reader: rows, Writer: rows, Store: r.store, Record: rows,
		Clock: func() featurestore.Instant { return r.clock },
	}
	return t, nil
}

// sourceOfLines is a source over one file of JSON lines; a time that Parquet has
// as a type of its own is RFC 3339 there.
func sourceOfLines(s *definition.BatchSource, file string) *definition.BatchSource {
	text := func(t definition.TimeSpec) definition.TimeSpec {
		if t.Format == definition.FormatNative {
			t.Format = definition.FormatRFC3339
		}
		return t
	}
	out := *s
	out.Files, out.Format, out.Timestamp = []string{file}, definition.JSONL, text(s.Timestamp)
	if s.AvailableAt != nil {
		available := text(*s.AvailableAt)
		out.AvailableAt = &available
	}
	return &out
}

// advance makes the run that is due at t: of the newest tick of the schedule, and
// without a schedule at t.
func (t *table) advance(ctx context.Context, now featurestore.Instant) error {
	cutoff, due := now, true
	if t.view.Schedule.Text != "" {
		cutoff, due = t.view.Schedule.Latest(now)
	}
	if !due || t.any && cutoff == t.last {
		return nil
	}
	t.last, t.any = cutoff, true
	var bad error
	_, err := t.m.Run(ctx, materialize.Request{View: t.view, Cutoff: cutoff, Generation: t.id, Lanes: lanes, Bad: func(b materialize.BadRow) {
		bad = errors.Join(bad, featurestore.Invalidf("event %d of %q would not count: %s", b.Row, t.view.Source.Name, b.Reason))
	}})
	return errors.Join(err, bad)
}

// memoryRuns keeps runs and their rows in memory. The rows of a test are few.
type memoryRuns struct {
	frame.Memory
	root  string
	files map[string]*frame.Frame // by name
	list  []runs.Run
}

// BatchRows implements materialize.Reader.
func (m *memoryRuns) BatchRows(ctx context.Context, source *definition.BatchSource, _ frame.File, needed []int, each func([]warehouse.Row) error) (err error) {
	table, err := warehouse.Open(m.root, source, needed)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, table.Close()) }()
	for {
		rows, err := table.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := each(rows); err != nil {
			return err
		}
	}
}

// WriteFrames implements materialize.Writer; the file that is left is empty.
func (m *memoryRuns) WriteFrames(_ context.Context, fields []frame.Field, feed func(add func(*frame.Frame) error) error, out frame.File) error {
	all := frame.New(fields)
	if err := feed(func(f *frame.Frame) error { all.AppendFrame(f); return nil }); err != nil {
		return err
	}
	m.files[out.Name] = all
	return os.WriteFile(out.Path, nil, 0o600)
}

// Load implements materialize.Reader.
func (m *memoryRuns) Load(_ context.Context, f frame.File) (table string, fields []frame.Field, err error) {
	all := m.files[f.Name]
	if all == nil {
		return "", nil, fmt.Errorf("no run wrote %q", f.Name)
	}
	for i := range all.Columns {
		fields = append(fields, all.Columns[i].Field)
	}
	return f.Name, fields, nil
}

// Columns implements materialize.Reader.
func (m *memoryRuns) Columns(_ context.Context, table string, _ []frame.Field, each func(*frame.Frame) error) error {
	return each(m.files[table])
}

// Unload implements materialize.Reader.
func (m *memoryRuns) Unload(context.Context, string) error { return nil }

// List implements materialize.Record.
func (m *memoryRuns) List(string) ([]runs.Run, error) { return slices.Clone(m.list), nil }

// Append implements materialize.Record.
func (m *memoryRuns) Append(run runs.Run) error {
	m.list = append(m.list, run)
	return nil
}
