// Package window gives aggregates their time: tiles, the ladder of tile sizes,
// the state of one entity, and the reading of windows from it. It is the only
// place where "which events count at t" is decided; the online path, backfills,
// training sets and tests all run this code (the naive oracle excepted, which
// exists to disagree). It reads no clock: every instant comes with a row or as
// an argument.
//
// Compile then run: a Config becomes an immutable Plan; a Plan works on States.
package window

import (
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
)

// Kind is the kind of a feature's window.
type Kind uint8

// The kinds of windows (semantics: Windows, "Other windows at t").
const (
	Trailing Kind = iota // an aggregate over [floor(t-w-o, g), t-o)
	Latest               // the value of the greatest row within the view's ttl
	Lifetime             // all e < t
	Rows                 // the last Count events with e < t, in the total order
	Session              // the maximal run of events less than Width apart that holds the newest e < t
	Tumbling             // [floor(t, Width) - Width, floor(t, Width))
	Hopping              // [floor(t, Step) - Width, floor(t, Step))
	Calendar             // from the start of the Unit in Zone to t, or the last complete Unit
	Series               // a list of Count trailing windows, element i with the offset i x Step
)

// Unit is a unit of the calendar; a week begins on Monday.
type Unit uint8

// The units.
const (
	Day Unit = iota + 1
	Week
	Month
)

// Feature is one output column of a stream view.
type Feature struct {
	Name      string
	Kind      Kind
	Call      agg.Call // all kinds but Latest
	Type      featurestore.Type
	Input     int                   // index into Row.Inputs; -1 for count()
	Second    int                   // y of min_by and max_by, likewise; only where Call.Second has a type
	By        int                   // the field of by, likewise; only where Call.By has a type
	Where     int                   // index of a bool in Row.Inputs; -1 for none
	Width     featurestore.Duration // the window; Session: the gap; Series: of one element; Hopping: the size
	Offset    featurestore.Duration // Trailing only
	Step      featurestore.Duration // Hopping and Series
	Count     int64                 // Rows: n; Series: how many elements
	Exact     bool                  // Trailing only: no alignment of the start edge
	MaxRows   int64                 // Exact: how many raw rows are kept; 0 for the default
	Unit      Unit                  // Calendar
	Zone      *time.Location        // Calendar
	Complete  bool                  // Calendar: the last complete unit
	Tile      featurestore.Duration // g; 0 takes the default
	Default   featurestore.Value
	EmptyNull bool // empty: null
}

// SourceRule is what the state machine needs to know of one source; its index
// is PartitionID.Source.
type SourceRule struct {
	AllowedLateness featurestore.Duration
	HasEventID      bool
	Changes         bool // its records are changes with before-images: rows may be retracted
}

// Config is a stream view as the engine sees it.
type Config struct {
	Features []Feature
	TTL      featurestore.Duration // of Latest features; 0 for none
	Sources  []SourceRule
}

// Row is one event of one entity, its expressions evaluated.
type Row struct {
	featurestore.Position
	Time     featurestore.EventTime
	LogTime  featurestore.LogTime
	Sequence featurestore.Value
	ID       string
	Change   featurestore.Change    // what a change record does with the row
	Mutated  featurestore.EventTime // change records: when the change happened
	Inputs   []featurestore.Value
}

// Verdict is what became of a row.
type Verdict uint8

// Verdicts. Late and Ahead rows do not enter the applied list; duplicates do.
const (
	Folded    Verdict = iota
	Pending           // kept raw until its event time has come
	Duplicate         // its event id was counted before, or may have been forgotten
	Late
	Ahead
)

// String gives the verdict as counters name it.
func (v Verdict) String() string {
	switch v {
	case Folded:
		return "folded"
	case Pending:
		return "pending"
	case Duplicate:
		return "duplicate"
	case Late:
		return "late"
	default:
		return "ahead"
	}
}
