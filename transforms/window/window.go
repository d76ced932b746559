// Package window gives aggregates their time: tiles, the ladder of tile sizes,
// the state of one entity, and the reading of windows from it. It is the only
// place where "which events count at t" is decided; the online path, backfills,
// training sets and tests all run this code (the naive oracle excepted, which
// exists to disagree).
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

// Plan is a compiled Config: immutable, safe for concurrent use.
type Plan struct{}

// Compile checks and compiles a view.
func Compile(c Config) (*Plan, error) { panic("window: being built") }

// State is what is kept of one entity. The zero State is an entity never seen.
// It is a function of Applied alone: after each Settle, equal lists mean equal
// bytes. A State is reused with Reset; it is not safe for concurrent use.
type State struct {
	Applied featurestore.Applied
}

// Reset empties the state and keeps its memory.
func (s *State) Reset() { panic("window: being built") }

// Apply admits one row and folds it. Rows of one partition come in ascending
// offset; a row whose offset is not above the applied entry of its partition is
// a replay: it changes nothing and is reported as Duplicate.
func (p *Plan) Apply(s *State, r *Row) Verdict { panic("window: being built") }

// Settle brings the state to the canonical form of its applied list: it folds
// pending rows that are due, drops ids that are out of date and compacts tiles.
// It is called once after the rows of a batch, before the state is encoded.
func (p *Plan) Settle(s *State) { panic("window: being built") }

// Read computes every feature at t into out, whose length is the number of
// features, with defaults applied. A nil state is an unknown entity (NOT_FOUND).
// t is past every folded event (see TooOld).
func (p *Plan) Read(s *State, t featurestore.Instant, out []featurestore.Cell) {
	panic("window: being built")
}

// TooOld reports whether the state has folded an event, or applied a log time,
// at or after t, so that it can no longer be read as of t.
func (p *Plan) TooOld(s *State, t featurestore.Instant) bool { panic("window: being built") }

// ReadTime is the least instant at which the state may be read, clock apart:
// past the newest folded event and the largest applied log time.
func (p *Plan) ReadTime(s *State) featurestore.Instant { panic("window: being built") }

// Retention is how far back an event can matter: the largest offset + window
// (or ttl), plus tile and lateness. The TTL of a stored entity is a day more.
// bounded is false where a feature has no bound.
func (p *Plan) Retention() (d featurestore.Duration, bounded bool) { panic("window: being built") }

// DefaultTile is the tile size of a window of width w (semantics: Windows).
func DefaultTile(w featurestore.Duration) featurestore.Duration { panic("window: being built") }
