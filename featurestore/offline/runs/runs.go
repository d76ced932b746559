// Package runs keeps the runs of batch views on record: which cut of the
// warehouse was online from when. Training sets in mode "available" and the
// checks of skew read it (semantics: Point in time). One JSON file a view,
// replaced as a whole; it owns no clock and judges no schedule.
package runs

import "github.com/freshet/freshet/featurestore"

// File is one file that a run wrote.
type File struct {
	Path  string `json:"path"` // relative to the offline folder, with slashes
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
	XXH3  string `json:"xxh3"` // 16 hex digits
}

// Run is one completed materialization of a batch view.
type Run struct {
	ID         string               `json:"id"`
	View       string               `json:"view"`
	Definition string               `json:"definition"` // the view's semantic hash, hex
	Cutoff     featurestore.Instant `json:"-"`          // rows with e < cutoff and available_at <= cutoff
	Completed  featurestore.Instant `json:"-"`
	Revision   int64                `json:"revision"`
	Rows       int64                `json:"rows"`
	Files      []File               `json:"files"`
}

// Record is the runs of all batch views below a folder. Reading is safe beside
// one writer.
type Record struct{ dir string }

// Open is the record below an offline folder (runs/<view>.json); it reads nothing.
func Open(dir string) *Record { return &Record{dir: dir} }

// Append puts a run on record. The same run again changes nothing; another run
// of the same id is an error of kind ErrInvalid.
func (r *Record) Append(run Run) error { panic("runs: being built") }

// List gives the runs of a view, ascending by (completed, cutoff, id); none is
// no error.
func (r *Record) List(view string) ([]Run, error) { panic("runs: being built") }

// Latest is the last run of List that had completed by t.
func (r *Record) Latest(view string, t featurestore.Instant) (run Run, ok bool, err error) {
	panic("runs: being built")
}
