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
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
)

// Kind is the kind of a feature's window.
type Kind uint8

// The kinds that run.
const (
	Trailing Kind = iota // an aggregate over [floor(t-w-o, g), t-o)
	Latest               // the value of the greatest row within the view's ttl
)

// Feature is one output column of a stream view.
type Feature struct {
	Name      string
	Kind      Kind
	Call      agg.Call // Trailing only
	Type      featurestore.Type
	Input     int // index into Row.Inputs; -1 for count()
	Where     int // index of a bool in Row.Inputs; -1 for none
	Width     featurestore.Duration
	Offset    featurestore.Duration
	Tile      featurestore.Duration // g; 0 takes the default for Width
	Default   featurestore.Value
	EmptyNull bool // empty: null
}

// SourceRule is what the state machine needs to know of one source; its index
// is PartitionID.Source.
type SourceRule struct {
	AllowedLateness featurestore.Duration
	HasEventID      bool
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
