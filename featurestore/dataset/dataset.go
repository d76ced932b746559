// Package dataset makes training sets: it reads a spine, joins a service's
// features to it point in time, and writes the result with a manifest that
// reproduces it byte for byte. It owns the contract of a spine, the layout of
// the folder and the manifest; what a value is, pit decides.
//
// Law: the same definitions, spine and history give the same bytes. No clock is
// read, and no path of this machine is written down.
package dataset

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/runs"
	"github.com/freshet/freshet/featurestore/offline/warehouse"
	"github.com/freshet/freshet/featurestore/pit"
)

// Tables reads a file into a table, and writes it out again with columns beside
// it. The DuckDB adapter implements it.
type Tables interface {
	// Load reads a file; the fields are its columns as they stand.
	Load(ctx context.Context, f frame.File) (table string, fields []frame.Field, err error)
	Rows(ctx context.Context, table string) (int64, error)
	// Columns reads columns in the order of the rows.
	Columns(ctx context.Context, table string, fields []frame.Field, each func(*frame.Frame) error) error
	// WriteBeside writes the table's columns and those of a frame of as many rows.
	WriteBeside(ctx context.Context, table string, beside *frame.Frame, out frame.File) error
	Unload(ctx context.Context, table string) error
}

// Warehouse reads batch sources. The DuckDB adapter implements it.
type Warehouse interface {
	BatchRows(ctx context.Context, source *definition.BatchSource, file frame.File, needed []int, each func([]warehouse.Row) error) error
}

// Record gives the runs of batch views (runs.Record).
type Record interface {
	List(view string) ([]runs.Run, error)
}

// LookupID names one row of one recorded lookup.
type LookupID struct {
	Request string
	Row     int64
}

// Recorded is what the prediction log holds of one row of a lookup. Keys and
// Request are parallel to the service's entities and request data.
type Recorded struct {
	pit.ExactRow
	Keys    []featurestore.Value
	Request []featurestore.Value
}

// Lookups gives recorded lookups; the result is parallel to ids. An id that is
// not on record is an error of kind ErrNotFound that names it.
type Lookups interface {
	Lookups(ctx context.Context, service string, ids []LookupID) ([]Recorded, error)
}

// Exporter makes training sets from what is at rest. It is safe for concurrent
// use.
type Exporter struct {
	Root      string // of the definitions: globs of batch sources are relative to it
	Dir       string // of the offline store
	History   offline.History
	Record    Record
	Lookups   Lookups // mode exact only; may be nil
	Tables    Tables
	Warehouse Warehouse
	Sorter    pit.Sorter
}

// With asks for further columns beside the features.
type With struct {
	Status    bool // COLUMN__status, text, for each feature column
	EventTime bool // VIEW__event_time: the greatest event time behind the view's values
}

// Request asks for one training set.
type Request struct {
	Project  *definition.Project
	Service  *definition.Service
	Revision int64
	Version  string // of Freshet, for the manifest

	Spine       string // path of the file
	SpineFormat definition.FileFormat
	SpineZone   *time.Location // of times without one; nil refuses them

	Out    string // folder; an older training set there is replaced
	Format definition.FileFormat
	Mode   pit.Mode
	Delay  featurestore.Duration // mode event_time
	With   With

	// LogTimes says of a source what its log time is: broker, producer or file.
	// Those it does not name are file where only history files are read, else
	// producer.
	LogTimes map[string]string

	Progress func(view string, records int64) // told now and then; nil tells nobody
}

// SpineFormat is the format of a spine by the extension of its name.
func SpineFormat(path string) (definition.FileFormat, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".parquet", ".pq":
		return definition.Parquet, nil
	case ".csv":
		return definition.CSV, nil
	case ".jsonl", ".ndjson", ".json":
		return definition.JSONL, nil
	}
	return 0, featurestore.Invalidf("spine %q: the extension says no format: use .parquet, .csv or .jsonl", path)
}

// Report is what an export did.
type Report struct {
	Manifest *Manifest
	// Incomplete counts, in mode exact, the reads for which history does not hold
	// all that was applied.
	Incomplete int
}

// Export makes a training set.
func (x *Exporter) Export(ctx context.Context, r Request) (*Report, error) {
	if err := r.check(x); err != nil {
		return nil, err
	}
	table, fields, err := x.Tables.Load(ctx, frame.File{Path: r.Spine, Name: filepath.Base(r.Spine), Format: r.SpineFormat})
	if err != nil {
		return nil, fmt.Errorf("spine: %w", err)
	}
	defer func() { _ = x.Tables.Unload(ctx, table) }() // the table ends with the database at the latest
	join, err := x.spine(ctx, &r, table, fields)
	if err != nil {
		return nil, fmt.Errorf("spine %q: %w", filepath.Base(r.Spine), err)
	}
	if err := x.checkDropped(ctx, &r, join); err != nil {
		return nil, fmt.Errorf("spine %q: %w", filepath.Base(r.Spine), err)
	}
	joiner := pit.Joiner{Events: events{x.History}, Batches: batches{x}, Sorter: x.Sorter}
	result, err := joiner.Join(ctx, join)
	if err != nil {
		return nil, err
	}
	columns := outputs(result, r.With)
	if err := clashes(fields, columns); err != nil {
		return nil, err
	}
	manifest, err := x.manifest(ctx, &r, result)
	if err != nil {
		return nil, err
	}
	return &Report{Manifest: manifest, Incomplete: result.Incomplete}, x.write(ctx, &r, table, columns, manifest)
}

func (r *Request) check(x *Exporter) error {
	switch {
	case r.Delay < 0:
		return featurestore.Invalidf("delay %s must not be negative", r.Delay)
	case r.Delay != 0 && r.Mode != pit.EventTime:
		return featurestore.Invalidf("delay belongs to mode event_time: mode %s takes apply_delay from the sources", r.Mode)
	case r.Mode == pit.Exact && x.Lookups == nil:
		return featurestore.Invalidf("mode exact needs a prediction log: give service %s a `log:`", r.Service.Name)
	case r.Format == definition.JSONL:
		return featurestore.Invalidf("a training set is written as parquet or csv")
	}
	return replaceable(r.Out)
}

// replaceable refuses to write over what is no training set.
func replaceable(out string) error {
	entries, err := os.ReadDir(out)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return featurestore.Invalidf("output folder: %w", err)
	}
	for _, e := range entries {
		if e.Name() == manifestName {
			return nil
		}
	}
	return featurestore.Invalidf("output folder %q holds other files: choose an empty one, or one of an older training set", out)
}

// write makes the folder beside its place and moves it there once it is whole.
func (x *Exporter) write(ctx context.Context, r *Request, table string, columns *frame.Frame, m *Manifest) (err error) {
	out := filepath.Clean(r.Out)
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	temporary, err := os.MkdirTemp(filepath.Dir(out), ".dataset-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temporary)) }()
	data := filepath.Join(temporary, m.Data.Path)
	if err := x.Tables.WriteBeside(ctx, table, columns, frame.File{Path: data, Name: m.Data.Path, Format: r.Format}); err != nil {
		return err
	}
	if m.Data, err = fileOf(data, m.Data.Path); err != nil {
		return err
	}
	if err := m.store(filepath.Join(temporary, manifestName)); err != nil {
		return err
	}
	if err := os.Chmod(temporary, 0o755); err != nil {
		return err
	}
	if err := replaceable(out); err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	return os.Rename(temporary, out)
}
