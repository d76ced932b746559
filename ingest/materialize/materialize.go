// Package materialize brings batch views online: it reads a warehouse table up
// to a cutoff, makes one row of each entity (its latest values, and aggregates as
// of the cutoff), writes these rows to Parquet as a run of its own, puts them into
// the online store and sets the run on record.
//
// Law: a run is a function of the view's definition, the cutoff and the bytes of
// the input files. Done twice it has the same id and leaves the same files and
// the same store. A bad row is counted and reported, and spoils nothing else.
package materialize

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
	"github.com/freshet/freshet/featurestore/offline/files"
	"github.com/freshet/freshet/featurestore/offline/runs"
	"github.com/freshet/freshet/featurestore/offline/warehouse"
	"github.com/freshet/freshet/featurestore/online"
)

// Reader reads tables of files. The DuckDB adapter implements it.
type Reader interface {
	// BatchRows gives the rows of one file of a source in their order; an
	// unreadable one has a Problem. They are valid during the call of each only.
	BatchRows(ctx context.Context, source *definition.BatchSource, file frame.File, needed []int, each func([]warehouse.Row) error) error
	Load(ctx context.Context, f frame.File) (table string, fields []frame.Field, err error)
	Columns(ctx context.Context, table string, fields []frame.Field, each func(*frame.Frame) error) error
	Unload(ctx context.Context, table string) error
}

// Writer sorts rows and writes them to files. The DuckDB adapter implements it.
type Writer interface {
	Sort(ctx context.Context, o frame.Order, feed func(add func(*frame.Frame) error) error, each func(*frame.Frame) error) error
	// WriteFrames writes rows in their order; equal rows make equal bytes.
	WriteFrames(ctx context.Context, fields []frame.Field, feed func(add func(*frame.Frame) error) error, out frame.File) error
}

// Store takes batch rows (online.Store).
type Store interface {
	PutRows(ctx context.Context, g online.Generation, lanes uint16, rows []online.Row, ttl time.Duration) (int, error)
}

// Record keeps the runs (runs.Record).
type Record interface {
	List(view string) ([]runs.Run, error)
	Append(run runs.Run) error
}

// Materializer materializes the batch views of one project.
type Materializer struct {
	Root   string // of the definitions: globs are relative to it
	Dir    string // of the offline store; runs are written below views/
	Reader Reader
	Writer Writer
	Store  Store
	Record Record
	Clock  func() featurestore.Instant
}

// Request asks for one run of one view.
type Request struct {
	View       *definition.BatchView
	Cutoff     featurestore.Instant // rows with e < cutoff and available_at <= cutoff
	Revision   int64
	Generation online.Generation
	Lanes      uint16
	Progress   func(Progress) // told now and then; nil tells nobody
	Bad        func(BadRow)   // told of each bad row; nil only counts them
}

// Progress is how far a run has come.
type Progress struct {
	Read int64 // rows of the inputs
	Put  int64 // rows sent to the online store
}

// BadRow is a row that is no row of the view.
type BadRow struct {
	File   string
	Row    int64 // within the file, from 0
	Reason string
}

// Report is what a run did.
type Report struct {
	Run     runs.Run
	Again   bool     // the run was on record already, and was done again
	Read    int64    // rows of the inputs
	Outside int64    // not before the cutoff, or not available by then
	Bad     int64    // unreadable, or with a null key
	Put     int64    // rows sent to the online store: one an entity
	Written int64    // of these, where no newer value stood
	Gone    int64    // entities of an older run that the newest one has no row of: they read as unknown
	Lost    []string // files of older runs that are not there: who has left since is not known
}

// Run materializes a view.
func (m *Materializer) Run(ctx context.Context, r Request) (*Report, error) {
	if now := m.Clock(); len(r.View.Aggregates) > 0 && r.Cutoff > now {
		return nil, featurestore.Invalidf("materialize %s: the cutoff %s lies after %s, and aggregates end at the cutoff: choose one that has come", r.View.Name, r.Cutoff, now)
	}
	inputs, err := m.inputs(r.View)
	if err != nil {
		return nil, err
	}
	report := &Report{}
	report.Run = runs.Run{
		ID: runID(r, inputs), View: r.View.Name, Definition: hex.EncodeToString(r.View.Hash[:]), Cutoff: r.Cutoff, Revision: r.Revision,
	}
	path := runPath(r.View.Name, report.Run.ID)
	rows, err := m.write(ctx, r, report, inputs, filepath.Join(m.Dir, filepath.FromSlash(path)))
	if err != nil {
		return nil, fmt.Errorf("materialize %s: %w", r.View.Name, err)
	}
	if err := m.complete(report, path, rows); err != nil {
		return nil, fmt.Errorf("materialize %s: %w", r.View.Name, err)
	}
	if err := m.leave(ctx, r, report); err != nil {
		return nil, fmt.Errorf("materialize %s: %w", r.View.Name, err)
	}
	if err := m.put(ctx, r, report, path); err != nil {
		return nil, fmt.Errorf("materialize %s: %w", r.View.Name, err)
	}
	if report.Again {
		return report, nil
	}
	return report, m.Record.Append(report.Run)
}

// runPath is where a run's rows stand, relative to the offline folder.
func runPath(view, id string) string { return "views/" + view + "/run=" + id + "/rows.parquet" }

// input is one file of the view's source.
type input struct {
	frame.File
	hash string // XXH3 of its bytes
}

func (m *Materializer) inputs(view *definition.BatchView) ([]input, error) {
	found, err := files.Glob(m.Root, view.Source.Files)
	if err != nil {
		return nil, fmt.Errorf("batch source %q: %w", view.Source.Name, err)
	}
	out := make([]input, len(found))
	for i, f := range found {
		hash, err := atomicfile.Hash(f.Path)
		if err != nil {
			return nil, fmt.Errorf("batch source %q: %w", view.Source.Name, err)
		}
		out[i] = input{File: frame.File{Path: f.Path, Name: f.Name, Format: view.Source.Format}, hash: hash}
	}
	return out, nil
}

// RunID is the id that a run over the files below root as they are now would have:
// a run of another id at this cutoff was made from other files.
func RunID(root string, view *definition.BatchView, cutoff featurestore.Instant) (string, error) {
	inputs, err := (&Materializer{Root: root}).inputs(view)
	if err != nil {
		return "", err
	}
	return runID(Request{View: view, Cutoff: cutoff}, inputs), nil
}

// runID names a run by what it is a function of.
func runID(r Request, inputs []input) string {
	h := sha256.New()
	fmt.Fprintf(h, "freshet run 1\n%s\n%x\n%d\n", r.View.Name, r.View.Hash, r.Cutoff)
	for _, in := range inputs {
		fmt.Fprintf(h, "%q %s\n", in.Name, in.hash)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// complete fills what is known once the run's file stands. A run that is on
// record already keeps its completion, so that its blobs are the same. Another at
// the same cutoff, of other input files, completes after it: a clock that stands
// still does not decide which of the two is served.
func (m *Materializer) complete(report *Report, path string, rows int64) error {
	local := filepath.Join(m.Dir, filepath.FromSlash(path))
	hash, err := atomicfile.Hash(local)
	if err != nil {
		return err
	}
	info, err := os.Stat(local)
	if err != nil {
		return err
	}
	run := &report.Run
	run.Rows = rows
	run.Files = []runs.File{{Path: path, Rows: rows, Bytes: info.Size(), XXH3: hash}}
	run.Completed = m.Clock()
	list, err := m.Record.List(run.View)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(list, func(o runs.Run) bool { return o.ID == run.ID }); i >= 0 {
		report.Run, report.Again = list[i], true
		return nil
	}
	for i := range list {
		if list[i].Cutoff == run.Cutoff {
			run.Completed = max(run.Completed, list[i].Completed+1)
		}
	}
	return nil
}

// replace writes a file beside its place and moves it there once it is whole.
func replace(path string, write func(path string) error) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	temporary, err := os.MkdirTemp(filepath.Dir(dir), ".writing-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temporary)) }()
	whole := filepath.Join(temporary, filepath.Base(path))
	if err := write(whole); err != nil {
		return err
	}
	if err := sync(whole); err != nil {
		return err
	}
	if err := os.Rename(whole, path); err != nil {
		return err
	}
	return sync(dir)
}

// sync makes a file, or the entries of a folder, survive a loss of power: a run
// on record must have its rows.
func sync(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
