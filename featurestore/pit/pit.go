// Package pit is the point-in-time join: the values of a service's features as
// they stood at the instant of each row of a spine. It decides which records
// count for a row; what they add up to is decided by transforms/window, by the
// code that folds online. It reads through contracts that stand here, and does
// no I/O of its own.
//
// Law: output row i belongs to spine row i, whatever its keys; equal inputs
// give equal bits.
package pit

import (
	"context"
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
)

// Mode says which records a row may see (semantics: Point in time).
type Mode uint8

// The modes.
const (
	Available Mode = iota // what serving could have known
	EventTime             // e < t - delay
	Exact                 // what a recorded lookup had applied
)

var modeNames = [...]string{"available", "event_time", "exact"}

// String gives the mode as flags and manifests write it.
func (m Mode) String() string { return modeNames[m] }

// ParseMode reads a mode as flags write it.
func ParseMode(s string) (Mode, error) {
	for i, name := range modeNames {
		if s == name {
			return Mode(i), nil
		}
	}
	return 0, featurestore.Invalidf("unknown mode %q: use available, event_time or exact", s)
}

// Spine is the rows that features are joined to.
type Spine struct {
	Time    []featurestore.Instant
	Keys    map[string]*frame.Column // by the name of the service's entity column, typed as declared
	Request map[string]*frame.Column // by the name of the service's request field
}

// ExactRow is what was recorded of one lookup, from the very states that it
// read. Applied and Runs are parallel to the service's roles: the applied list
// of a stream view's entity (empty for an unknown one), and the run that wrote a
// batch view's row ("" for none).
type ExactRow struct {
	ReadTime featurestore.Instant
	Applied  []featurestore.Applied
	Runs     []string
}

// Request is one join.
type Request struct {
	Project *definition.Project
	Service *definition.Service
	Spine   *Spine
	Mode    Mode
	Delay   featurestore.Duration // mode event_time
	Exact   []ExactRow            // mode exact: one for each spine row
	// Progress is told now and then how many records of a view were read; nil
	// tells nobody.
	Progress func(view string, records int64)
}

// Column is one output column: its values with their statuses.
type Column struct {
	frame.Column
	Status []featurestore.Status
}

// RoleTimes is, for one role of the service, the greatest event time that each
// row's values are made from; null where there is none.
type RoleTimes struct {
	Prefix string
	Times  frame.Column
}

// Result is the service's columns in its order, and what went with them.
type Result struct {
	Columns    []Column
	EventTimes []RoleTimes
	// Incomplete counts, in mode exact, the reads for which history does not
	// hold every record (or run) that the lookup had applied: their values are
	// not those that were served. IncompleteRows marks their rows.
	Incomplete     int
	IncompleteRows []bool
}

// Events gives the records of a source in ascending (generation, partition,
// offset), their positions stamped with the source's index in the view. fields
// are the indexes of the fields that are needed; the others may be null. Events
// are valid during the call of each only, their texts stay valid.
type Events interface {
	Scan(ctx context.Context, source *definition.StreamSource, index uint16, fields []int, each func([]featurestore.Event) error) error
}

// SourceRow is one readable row of a batch source. File is the place of its file
// in the ascending order of names. Fields are valid during the call only.
type SourceRow struct {
	Time      featurestore.EventTime
	Available featurestore.LogTime
	File, Row int64
	Fields    []featurestore.Value
}

// Run is one completed materialization on record.
type Run struct {
	ID                string
	Cutoff, Completed featurestore.Instant
}

// RunRow is one row that a run wrote: keys and features in the view's order.
type RunRow struct {
	Time   featurestore.EventTime
	Keys   []featurestore.Value
	Values []featurestore.Value
}

// Batches gives what is at rest of batch views.
type Batches interface {
	// Scan gives the readable rows of a source's files as they are now.
	Scan(ctx context.Context, source *definition.BatchSource, fields []int, each func([]SourceRow) error) error
	// Runs gives the runs of this very view, ascending by completion.
	Runs(ctx context.Context, view *definition.BatchView) ([]Run, error)
	// RunRows gives the rows that a run wrote; ErrNotFound where it left none.
	RunRows(ctx context.Context, view *definition.BatchView, run string, each func([]RunRow) error) error
}

// Sorter orders rows of any number (frame.Memory for few).
type Sorter interface {
	Sort(ctx context.Context, o frame.Order, feed func(add func(*frame.Frame) error) error, each func(*frame.Frame) error) error
}

// Joiner does joins. It is safe for concurrent use where its parts are.
type Joiner struct {
	Events  Events
	Batches Batches
	Sorter  Sorter
}

// Join computes the service's columns for each row of the spine.
func (j *Joiner) Join(ctx context.Context, r *Request) (*Result, error) {
	o, err := newOutput(r)
	if err != nil {
		return nil, err
	}
	for _, view := range o.views() {
		var err error
		switch v := view.(type) {
		case *definition.StreamView:
			err = j.joinStream(ctx, r, o, v)
		case *definition.BatchView:
			err = j.joinBatch(ctx, r, o, v)
		}
		if err != nil {
			return nil, fmt.Errorf("view %s: %w", meta(view).Name, err)
		}
	}
	return o.result()
}
