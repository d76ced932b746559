// Package runs keeps the runs of batch views on record: which cut of the
// warehouse was online from when. Training sets in mode "available" and the
// checks of skew read it (semantics: Point in time). One JSON file a view,
// replaced as a whole; it owns no clock and judges no schedule.
//
// The file, version 1, is runs/<view>.json below the offline folder:
//
//	{"version": 1, "view": "...", "runs": [{"id", "view", "definition",
//	 "cutoff", "completed", "revision", "rows", "files": [{"path", "rows", "bytes", "xxh3"}]}]}
//
// with instants in RFC 3339, UTC, and runs ascending by (completed, cutoff, id).
package runs

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
)

// File is one file that a run wrote.
type File struct {
	Path  string `json:"path"` // relative to the offline folder, with slashes
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
	XXH3  string `json:"xxh3"` // 16 hex digits
}

// Run is one completed materialization of a batch view.
type Run struct {
	ID         string
	View       string
	Definition string               // the view's semantic hash, hex
	Cutoff     featurestore.Instant // rows with e < cutoff and available_at <= cutoff
	Completed  featurestore.Instant
	Revision   int64
	Rows       int64
	Files      []File
}

// storedRun is a Run as it is written.
type storedRun struct {
	ID         string `json:"id"`
	View       string `json:"view"`
	Definition string `json:"definition"`
	Cutoff     string `json:"cutoff"`
	Completed  string `json:"completed"`
	Revision   int64  `json:"revision"`
	Rows       int64  `json:"rows"`
	Files      []File `json:"files"`
}

type storedRecord struct {
	Version int         `json:"version"`
	View    string      `json:"view"`
	Runs    []storedRun `json:"runs"`
}

const version = 1

// Record is the runs of all batch views below a folder. It is safe for
// concurrent use; of several processes only one may append.
type Record struct {
	dir  string
	disk atomicfile.Disk
	mu   sync.Mutex // one Append at a time
}

// Open is the record below an offline folder (runs/<view>.json); it reads nothing.
func Open(dir string) *Record { return &Record{dir: dir} }

// Append puts a run on record. The same run again changes nothing; another run
// of the same id is an error of kind ErrInvalid.
func (r *Record) Append(run Run) error {
	if err := featurestore.CheckName(run.View); err != nil {
		return featurestore.Invalidf("run %q: %v", run.ID, err)
	}
	if run.ID == "" {
		return featurestore.Invalidf("a run of view %q has no id", run.View)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	list, err := r.List(run.View)
	if err != nil {
		return err
	}
	for i := range list {
		if list[i].ID != run.ID {
			continue
		}
		if same(&list[i], &run) {
			return nil
		}
		return featurestore.Invalidf("view %q has another run %q on record already: each run needs an id of its own", run.View, run.ID)
	}
	return r.store(run.View, append(list, run))
}

func same(a, b *Run) bool {
	x, y := *a, *b
	if len(x.Files) == 0 && len(y.Files) == 0 {
		x.Files, y.Files = nil, nil
	}
	return reflect.DeepEqual(x, y)
}

func (r *Record) store(view string, list []Run) error {
	order(list)
	record := storedRecord{Version: version, View: view}
	for _, run := range list {
		record.Runs = append(record.Runs, storedRun{
			ID: run.ID, View: run.View, Definition: run.Definition,
			Cutoff: run.Cutoff.String(), Completed: run.Completed.String(),
			Revision: run.Revision, Rows: run.Rows, Files: append([]File{}, run.Files...),
		})
	}
	data, err := json.MarshalIndent(record, "", " ")
	if err != nil {
		return err
	}
	_, err = r.disk.Write(r.path(view), func(w io.Writer) error {
		_, err := w.Write(append(data, '\n'))
		return err
	})
	return err
}

func (r *Record) path(view string) string { return filepath.Join(r.dir, "runs", view+".json") }

func order(list []Run) {
	slices.SortFunc(list, func(a, b Run) int {
		return cmp.Or(cmp.Compare(a.Completed, b.Completed), cmp.Compare(a.Cutoff, b.Cutoff), cmp.Compare(a.ID, b.ID))
	})
}

// List gives the runs of a view, ascending by (completed, cutoff, id); none is
// no error.
func (r *Record) List(view string) ([]Run, error) {
	path := r.path(view)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, featurestore.Unavailablef("the record of runs %q cannot be read: %v", path, err)
	}
	list, err := parse(data, view)
	if err != nil {
		return nil, featurestore.Invalidf("the record of runs %q is damaged: %v; restore it, or move it away to forget these runs", path, err)
	}
	return list, nil
}

func parse(data []byte, view string) ([]Run, error) {
	var record storedRecord
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&record); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is text after its end")
	}
	if record.Version != version || record.View != view {
		return nil, fmt.Errorf("it is version %d of view %q, want version %d of %q", record.Version, record.View, version, view)
	}
	var list []Run
	for _, s := range record.Runs {
		cutoff, err1 := featurestore.ParseInstant(s.Cutoff)
		completed, err2 := featurestore.ParseInstant(s.Completed)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("run %q: %w", s.ID, err)
		}
		list = append(list, Run{
			ID: s.ID, View: s.View, Definition: s.Definition, Cutoff: cutoff, Completed: completed,
			Revision: s.Revision, Rows: s.Rows, Files: s.Files,
		})
	}
	order(list)
	return list, nil
}

// Latest is the last run of List that had completed by t.
func (r *Record) Latest(view string, t featurestore.Instant) (run Run, ok bool, err error) {
	list, err := r.List(view)
	if err != nil {
		return Run{}, false, err
	}
	for _, candidate := range list {
		if candidate.Completed > t {
			break
		}
		run, ok = candidate, true
	}
	return run, ok, nil
}
