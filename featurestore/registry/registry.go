// Package registry is the contract of the registry: which definitions are in
// force (revisions), and which generation of each view holds its values. It
// stores definition files as they were applied, so that a process needs the
// registry and nothing else to know what to run. Drivers are leaves.
package registry

import (
	"context"
	"errors"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
)

// Revision is one applied set of definitions.
type Revision struct {
	Number  int64
	Commit  string // Git commit, or "" outside a work tree
	Author  string // as Git names the author, or the user who applied
	Message string
	Applied featurestore.Instant
	Files   []definition.File
}

// GenerationState is where a generation is in its life.
type GenerationState string

// States of a generation. A view has at most one generation that is LIVE, one
// BUILDING and one STANDBY; answers of a view without a live one are REBUILDING.
//
//	BUILDING -> LIVE <-> STANDBY -> RETIRED -> DROPPED
//	BUILDING -> BROKEN -> RETIRED
//
// STANDBY goes back to BUILDING where its meaning is wanted again; whatever is
// replaced or has lost its view is RETIRED.
const (
	Building GenerationState = "BUILDING" // being filled, or not yet caught up and checked
	Live     GenerationState = "LIVE"     // answers
	Standby  GenerationState = "STANDBY"  // answered before, and is written on, to go back to
	Broken   GenerationState = "BROKEN"   // its values were found to be wrong: nobody writes or reads it
	Retired  GenerationState = "RETIRED"  // has no use; the store may still hold it
	Dropped  GenerationState = "DROPPED"  // the store holds nothing of it any more
)

// Generation is one life of a view's values.
type Generation struct {
	View     string
	Number   uint32
	Hash     codec.Hash
	State    GenerationState
	Since    featurestore.Instant // in this state; 0 where that is not known
	Revision int64                // the revision that made it
	Lanes    uint16
	Reason   string // why it is in its state, for people
}

// Step moves a generation to another state.
type Step struct {
	View   string
	Number uint32
	State  GenerationState
	Reason string
	At     featurestore.Instant

	// Changes is what Store.Changes gave when the step was decided on; 0 does not ask.
	Changes int64

	// Since is since when the generation is in the state that the step was decided on,
	// where it may have left that state and come back; 0 does not ask.
	Since featurestore.Instant

	// Keep says that the generation which was live until then stays as STANDBY;
	// otherwise it is RETIRED. It counts where State is Live.
	Keep bool
}

// Order asks for another generation of a meaning that a view has or had.
type Order struct {
	Target
	Revision int64  // the newest
	Meaning  int64  // the revision whose definition has that meaning; 0 is the newest
	Replaces uint32 // the generation being built, of another meaning, that this one is built instead of; 0: none
	Reason   string
	At       featurestore.Instant
}

// Choice names a generation that shall answer for its view.
type Choice struct {
	View   string
	Number uint32
}

// Target is a view that a new revision wants to hold values for, under a hash.
type Target struct {
	View string
	Hash codec.Hash
}

// ErrLostRace is returned where something else came first: another revision, or
// a generation that is no longer in the state that a step begins from.
var ErrLostRace = errors.New("another change came first: look again")

// Store is a registry of one project. It is safe for concurrent use, also by
// several processes.
type Store interface {
	Logs
	// Current is the newest revision; nil where none was applied.
	Current(ctx context.Context) (*Revision, error)
	// CurrentNumber is the newest revision's number, 0 where none was applied.
	CurrentNumber(ctx context.Context) (int64, error)
	// Changes grows with every change that a running process must act on: a
	// revision, a generation to fill, a log that was accepted. Processes poll it.
	Changes(ctx context.Context) (int64, error)
	// Revision is one revision by number.
	Revision(ctx context.Context, number int64) (*Revision, error)
	// Apply records a revision on top of base (0: the first), and in the same
	// transaction a generation for each target that is not held under its hash yet:
	// LIVE for a view that never had one, else BUILDING; where a generation of that
	// hash is STANDBY, that one becomes BUILDING again. Generations of views that
	// are no longer targets become RETIRED.
	Apply(ctx context.Context, base int64, r Revision, targets []Target) (*Revision, error)
	// Rebuild makes a BUILDING generation beside the live one, also where that has
	// the same hash. Where one of this hash is being built already, it is that one:
	// a repeated order changes nothing. ErrLostRace where one of another hash is
	// being built that the order does not replace, or the revision is not the newest.
	Rebuild(ctx context.Context, o Order) (Generation, error)
	// Generations are all that are neither RETIRED nor DROPPED, by view and number.
	Generations(ctx context.Context) ([]Generation, error)
	// Retired are the generations that are RETIRED: their data can be dropped.
	Retired(ctx context.Context) ([]Generation, error)
	// SetState makes steps of the lives of generations, all in one transaction: all of
	// them, or none. Where one is in that state already, that is no error. ErrLostRace
	// where a step does not begin from the state that its generation is in. Making one
	// LIVE takes the live one of the view out of that state in the same transaction, and
	// retires what was STANDBY before.
	SetState(ctx context.Context, steps ...Step) error
	// Switch makes STANDBY generations LIVE, all in one transaction, and the live
	// ones of the same views STANDBY. One that is live already stays so.
	Switch(ctx context.Context, to []Choice, reason string, at featurestore.Instant) error
	Close() error
}
