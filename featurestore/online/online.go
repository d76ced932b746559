// Package online is the contract of the online store: a byte-level store of
// entity blobs in lanes, as stream-protocol.md fixes it. Drivers are leaves
// (online/redis, online/embedded); package onlinetest holds the one suite that
// each must pass. The contract knows no aggregate, window or expression.
//
// Every driver lays its keys out alike (layout.go):
//
//	{project.view.generation.lane}:m         metadata of the lane
//	{project.view.generation.lane}:w         watermarks of the lane, by partition
//	{project.view.generation.lane}:e:<key>   blob of an entity: all of it, or the open part
//	{project.view.generation.lane}:c:<key>   closed part of an entity, where its view splits
//
//	{project.}:<name>                        notes of a project, by field
//
// and stores watermarks in one form (watermark.go).
package online

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/freshet/freshet/featurestore"
)

// DefaultLanes is the number of lanes of a new generation, where no other is asked for.
// A chunk of a few hundred events touches each lane, and each takes a script, which costs
// the store several times what it takes to write an entity; but while a script runs nobody else
// gets an answer, and one for a large chunk is the longer the fewer lanes there are.
const DefaultLanes = 16

// MostLanes is the most that a generation can have.
const MostLanes = 1024

// Generation names one generation of a view in one project.
type Generation struct {
	Project string
	View    string
	Number  uint32
}

// LaneID names one lane of a generation.
type LaneID struct {
	Generation
	Lane uint16
}

// EntityID names one entity: the lane is codec.Lane of the key. Split asks for
// the closed part too, and State for what the lane says of itself; only who needs
// them pays for them.
type EntityID struct {
	LaneID
	Key   []byte
	Split bool
	State bool
}

// Parts are the blobs of one entity, both as of one moment. Open is nil where
// the entity is absent; Closed also where it has none, or was not asked for.
//
// Lane is the state of its lane, read after the blobs: a store that was emptied before
// they were read says so. That an entity is absent, or is all that it should be, goes by
// it alone. StateMissing also where it was not asked for.
type Parts struct {
	Open, Closed []byte
	Lane         State
}

// State is what a lane says of itself.
type State uint8

// Lane states. A lane without metadata reads as StateMissing: where the
// registry says LIVE, that means LOST.
const (
	StateMissing State = iota
	StateBuilding
	StateLive
	StateLost
	StateGap
	StateHalted
	StateCatchingUp // filled from history; the log is being applied; it does not answer yet
)

// Answers reports whether a lane holds whole values: those of a halted one are right as
// of its watermark.
func (s State) Answers() bool { return s == StateLive || s == StateHalted }

// StateUnknown is that of a lane which says a word that this release does not know. It
// is never stored.
const StateUnknown State = 255

// Meta is a lane's metadata; every lane of a generation carries the same but for State.
type Meta struct {
	Definition   [16]byte
	StateVersion uint32
	Lanes        uint16
	State        State
}

// Partition names a source partition by the source's own name, so that it does
// not depend on a view's numbering.
type Partition struct {
	Source     string
	Generation uint32
	Number     int32
}

// Compare orders by source, generation and number.
func (p Partition) Compare(o Partition) int {
	return cmp.Or(cmp.Compare(p.Source, o.Source), cmp.Compare(p.Generation, o.Generation), cmp.Compare(p.Number, o.Number))
}

// Fingerprint identifies one record of a log: its offset, timestamp and the
// XXH3 of its key and value bytes; 0 where these were not at hand.
type Fingerprint struct {
	Offset  int64
	LogTime featurestore.LogTime
	Hash    uint64
}

// Watermark is how far a lane has applied one partition. Offset is the last
// offset consumed, -1 for none. Prints holds the fingerprint of the record at
// Offset (where it was seen) and up to 7 earlier, spaced apart.
type Watermark struct {
	Offset    int64
	LogTime   featurestore.LogTime
	FetchTime featurestore.Instant
	Prints    []Fingerprint
}

// Lane is all that is stored of a lane beside its entities.
type Lane struct {
	Meta       Meta
	Word       string // where the state is StateUnknown: what it says
	Watermarks map[Partition]Watermark
}

// Write is one entity of a batch. A key occurs once in a batch. A store keeps
// none of these bytes after the call.
type Write struct {
	Key []byte
	// Expect is the codec.AppliedPrefix of the blob that was consulted: the
	// stored one must begin with it. Nil wants none to stand; empty and not nil
	// wants an empty one, which no writer leaves, but damage may.
	Expect []byte
	// Blob is the new blob, or its open part; empty where the entity was only
	// consulted, and then nothing of it changes.
	Blob []byte
	// Closed is the new closed part: nil leaves it as it is, empty and not nil
	// removes it. It needs no check of its own: it is a function of the applied
	// list, as the open part is.
	Closed []byte
	// Renew says that a closed part stands which this write leaves: its time to
	// live begins anew with that of the open part.
	Renew bool
	// Keep says that the entity's time to live need not begin anew: it did so not
	// long ago. A store may begin it anew all the same. It is for a write that
	// consulted a blob, and sets a closed part only where one stands.
	Keep bool
	// Known says that what is expected was acknowledged to this writer, and that the
	// lane stood then as it does while After is its last batch: a store need not
	// compare it there.
	Known bool
}

// Batch is one atomic change of one lane: either every write and the watermark
// are stored, or nothing is.
type Batch struct {
	Lane       LaneID
	Definition [16]byte
	Partition  Partition
	From       int64 // the watermark's offset must equal this
	To         Watermark
	Writes     []Write
	TTL        time.Duration // of written entities but those that Keep theirs, both parts alike; 0 keeps them

	// ID names this batch among all that are ever written to the lane, and After the
	// last one that this writer knows to be stored there; 0 for none. Where the lane
	// has had none since, nobody else has written an entity of it.
	ID, After uint64

	// Whole says that what is expected are whole blobs, not what they begin with: of a
	// damaged one, what is left may be the beginning of any.
	Whole bool
}

// Outcome is the answer to a Batch.
type Outcome uint8

// Outcomes. Unknown means that the store may or may not have applied the batch:
// it is settled by reading the watermark, never by blind retry. Refused means
// that the store said no and nothing changed: it is out of memory, has no master,
// or does not let this user; the same batch may be sent again later.
const (
	OutcomeUnknown Outcome = iota
	OutcomeOK
	OutcomeWatermark  // WM: the stored watermark is another
	OutcomeVersion    // VER: an entity's applied list is another
	OutcomeDefinition // DEF: the lane belongs to another definition, or has no metadata
	OutcomeRefused
)

// String gives the outcome's short name.
func (o Outcome) String() string {
	switch o {
	case OutcomeOK:
		return "OK"
	case OutcomeWatermark:
		return "WM"
	case OutcomeVersion:
		return "VER"
	case OutcomeDefinition:
		return "DEF"
	case OutcomeRefused:
		return "REFUSED"
	default:
		return "UNKNOWN"
	}
}

// Result is the outcome of one Batch; Err, an ErrUnavailable, is set with
// OutcomeUnknown and OutcomeRefused.
type Result struct {
	Outcome Outcome
	Err     error
	// Followed says of an OutcomeOK that the lane's last batch was After. A store that
	// does not note batches never says so.
	Followed bool
}

// Row is a batch view's blob, as codec.AppendBatchRow makes it: it begins with
// its order in memcomparable bytes, preceded by their length (uint16, little
// endian), so that a store can compare two rows without decoding. A stored row
// with a greater order is never replaced; an equal one is rewritten (a run done
// twice leaves the same bytes).
type Row struct {
	Key  []byte
	Blob []byte
}

// ErrDamaged says that what is stored of a lane cannot have been written by any
// release.
var ErrDamaged = errors.New("damaged")

// ErrEvicted says that the store has evicted keys, and that this is not dealt with
// yet. Which they were nobody knows: every generation in it is LOST, and is rebuilt.
var ErrEvicted = errors.New("the online store has evicted keys")

// ErrNearlyFull says that the store will soon refuse writes for want of memory.
// Until then all is well: it is for an alert, not for refusing to start.
var ErrNearlyFull = errors.New("the online store is nearly full")

// ErrStateChanged says that a lane has another state than whoever changes it goes
// by: somebody else has changed it meanwhile.
var ErrStateChanged = errors.New("a lane has another state by now")

// Store is an online store. It is safe for concurrent use.
type Store interface {
	// Get reads entities: result i belongs to ids[i]. Open and closed part of an
	// entity are of one moment, and lanes' states of one that is not before. The blobs
	// are the caller's. Errors are ErrUnavailable.
	Get(ctx context.Context, ids []EntityID) ([]Parts, error)
	// Apply applies batches, pipelined, each atomic on its own; results are in
	// their order. Batches of one lane are applied in order. A check that fails
	// is answered in the order definition, watermark, versions. What batches point to
	// may be written again once it returns.
	Apply(ctx context.Context, batches []Batch) []Result
	// Create writes the metadata of every lane of a generation that has none;
	// it is idempotent, leaves the state of a lane that exists, and is
	// ErrInvalid where other metadata stands.
	Create(ctx context.Context, g Generation, m Meta) error
	// SetState changes the state of every lane that has one of the states from; of
	// every lane where none is given. Where a lane has no metadata, it changes the
	// others and is ErrNotFound: the generation is lost. Else, where a lane has
	// another state than those and s, that one stays, and it is ErrStateChanged.
	SetState(ctx context.Context, g Generation, s State, from ...State) error
	// Filled makes every lane CATCHING_UP that is BUILDING and whose watermarks stand
	// at these offsets: lanes that were made anew meanwhile, or that a failover has
	// taken back, were not filled. Lanes of other states stay. It is ErrNotFound as
	// SetState is, and ErrStateChanged where a watermark is another.
	Filled(ctx context.Context, g Generation, through []map[Partition]int64) error
	// Lanes reads metadata and watermarks of every lane, in order. A lane that was
	// damaged by hand reads as StateLost, and one whose state this release does not
	// know as StateUnknown. What they point to is the caller's.
	Lanes(ctx context.Context, g Generation, lanes uint16) ([]Lane, error)
	// PutRows stores batch rows of one generation where none with a greater
	// order stands, and returns how many it wrote. Rows are independent: after
	// an error some are stored, and the same call may be made again.
	PutRows(ctx context.Context, g Generation, lanes uint16, rows []Row, ttl time.Duration) (int, error)
	// Drop removes a generation: entities, watermarks and metadata. Its lanes are LOST
	// first, so that nothing can be applied any more, also where it is interrupted. One
	// that comes late removes nothing of lanes that were made anew meanwhile: it is
	// ErrUnavailable.
	Drop(ctx context.Context, g Generation, lanes uint16) error
	// Check verifies the store's settings (eviction, role, persistence) and
	// says what to change. It is cheap enough for every second: settings are
	// watched while the store is in use. An ErrEvicted is given until NoteEvicted.
	Check(ctx context.Context) error
	// Evicted reports whether the store has evicted keys, and that is not dealt with
	// yet: what was found absent before may have been among them.
	Evicted(ctx context.Context) (bool, error)
	// NoteEvicted says that what Check has told of evicted keys is dealt with: every
	// generation says LOST. What is noted is known to a process that starts later; the
	// first one to call it says what counts as evicted before there was anything.
	NoteEvicted(ctx context.Context) error
	// Notes reads what a project keeps beside its views under a name: small values by
	// field; none where there is nothing.
	Notes(ctx context.Context, project, name string) (map[string][]byte, error)
	// SetNotes sets fields, together and for good. Others stay, so that writers of
	// different fields need not know of each other; an empty value removes a field. The
	// same call may be made again.
	SetNotes(ctx context.Context, project, name string, fields map[string][]byte) error
	Close() error
}

// Clocked is implemented by stores that keep the replay clock over a restart.
type Clocked interface {
	SetClock(ctx context.Context, project string, t featurestore.Instant) error
	Clock(ctx context.Context, project string) (t featurestore.Instant, found bool, err error)
}
