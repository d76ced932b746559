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

// States of a generation. A view has at most one live generation; answers of a
// view without one are REBUILDING.
const (
	Building GenerationState = "BUILDING"
	Live     GenerationState = "LIVE"
	Retired  GenerationState = "RETIRED"
)

// Generation is one life of a view's values.
type Generation struct {
	View     string
	Number   uint32
	Hash     codec.Hash
	State    GenerationState
	Revision int64 // the revision that made it
	Lanes    uint16
	Reason   string // why it is in its state, for people
}

// Target is a view that a new revision wants to hold values for, under a hash.
type Target struct {
	View string
	Hash codec.Hash
}

// ErrLostRace is returned by Apply when another revision came first.
var ErrLostRace = errors.New("another revision was applied meanwhile: plan again")

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
	// transaction a generation for each target whose newest generation has
	// another hash: LIVE for a view that never had one, else BUILDING.
	// Generations of views that are no longer targets become RETIRED.
	Apply(ctx context.Context, base int64, r Revision, targets []Target) (*Revision, error)
	// Generations are all that are not RETIRED, by view and number.
	Generations(ctx context.Context) ([]Generation, error)
	// SetState moves a generation on. Making one LIVE retires the live one of
	// the same view in the same transaction.
	SetState(ctx context.Context, view string, number uint32, s GenerationState, reason string) error
	Close() error
}
