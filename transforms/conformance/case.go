package conformance

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// Kind is what a case asks an executor to do.
type Kind string

// The kinds of a case.
const (
	KindWindow    Kind = "window"     // take in Events, then answer Readings
	KindRequest   Kind = "request"    // a lookup whose key is Request, as it came in
	KindKey       Kind = "key"        // count the distinct bytes of Keys
	KindParseTime Kind = "parse_time" // read Text as a source's rfc3339 time
	KindBatch     Kind = "batch"      // make Runs of Tables, then answer Readings
	KindMergeTree Kind = "merge_tree" // one state and value for every tree of merges of Events, read at At
)

// Mode is the path on which a reading is taken.
type Mode string

// The modes. Online feeds the records with a < clock, then reads; Exact reads
// the applied list of those same records; the other two are the offline modes.
const (
	Online    Mode = "online"
	Available Mode = "available"
	Exact     Mode = "exact"
	EventTime Mode = "event_time"
)

// Case is one thing to run. It is never changed by an executor.
type Case struct {
	Vector int
	Name   string // "12/late", "20/order 3"
	Title  string
	Kind   Kind
	Needs  []string // capabilities, as README.md lists them

	Key      []Column // of the entity
	Columns  []Column // fields of every source; also window.Row.Inputs, in this order
	Sources  []Source // ascending by name: window.SourceRule's order
	View     View
	Config   window.Config // View and Sources compiled
	Events   []Event       // in feeding order, which keeps the order of each partition
	Tables   [][]TableRow  // KindBatch: the table as it is at one time after another
	Runs     []BatchRun    // KindBatch, in order of completion
	Readings []Reading
	Replays  []int            // batch sizes: the log is fed once for each; none: once, as the executor likes
	Counters map[string]int64 // expected, where an executor counts them

	Request  map[string][]byte    // KindRequest: key name -> JSON value
	Expect   []featurestore.Cell  // KindRequest, KindMergeTree: a cell a feature
	At       featurestore.Instant // KindMergeTree
	Keys     []KeyTuple           // KindKey
	Distinct int                  // KindKey
	Text     string               // KindParseTime
	Instant  featurestore.Instant // KindParseTime
	Refused  string               // the code with which the input must be refused; "" for none
}

// Column is a named, typed field.
type Column struct {
	Name string
	Type featurestore.Type
}

// KeyTuple is an entity's key: a value for each key column; any may be null.
type KeyTuple []featurestore.Value

// Equal reports whether two keys are the same values.
func (k KeyTuple) Equal(o KeyTuple) bool {
	return slices.EqualFunc(k, o, featurestore.Value.Equal)
}

// HasNull reports whether a key column is null: such an event is dropped.
func (k KeyTuple) HasNull() bool { return slices.ContainsFunc(k, featurestore.Value.IsNull) }

// Source is a stream source. EventID and Sequence are names of columns, or "".
// TextTime says that the wire's time is RFC 3339 text, not unix microseconds;
// Changes, that its records are changes with before-images.
type Source struct {
	Name            string
	AllowedLateness featurestore.Duration
	EventID         string
	Sequence        string
	TextTime        bool
	Changes         bool
}

// View is the case's view in the words of the definition language. Schedule is
// that of a batch view, "" for none.
type View struct {
	Schedule string
	Tile     featurestore.Duration // 0: none declared
	TTL      featurestore.Duration
	Features []Feature
}

// Feature is one feature of a View. Agg is "" for a latest value, whose column
// is Column. Window is the text of the window in the definition language.
type Feature struct {
	Name, Agg, Column string
	Window            string
	Offset            featurestore.Duration
	Exact             bool
	MaxRows           int64  // 0: none declared
	Where, By         string // names of columns, "" for none
	MaxKeys           int64  // 0: none declared
	RespectNulls      bool
	Default           string // text of the default, "" for none
	EmptyNull         bool
}

// Event is one record of a log, with the rows that it brings: one, or up to two
// of a change record (the before-image is retracted, then the after-image is
// added), at one position. A record whose time is no time brings none.
type Event struct {
	Source string
	featurestore.Position
	LogTime featurestore.LogTime
	Rows    []EntityRow
	Wire    []byte // the record as a JSON object; of a change, Debezium's envelope
	BadAt   string // the time as it came in, where it is not a time: a dead letter
}

// EntityRow is a row and whose it is. Sequence and ID are taken from their
// columns.
type EntityRow struct {
	Key KeyTuple
	window.Row
}

// Reading is one read of one entity. Where AsOf is set, the clock stands at
// Clock and At is asked for; else Clock equals At.
type Reading struct {
	Entity KeyTuple
	At     featurestore.Instant
	Clock  featurestore.Instant
	AsOf   bool
	Mode   Mode
	Delay  featurestore.Duration // of EventTime
	Expect []featurestore.Cell   // a cell a feature
}

// Rows are the rows of one entity whose records can be decoded, in feeding order.
func (c *Case) Rows(entity KeyTuple) []window.Row {
	var rows []window.Row
	for i := range c.Events {
		for k := range c.Events[i].Rows {
			if r := &c.Events[i].Rows[k]; r.Key.Equal(entity) {
				rows = append(rows, r.Row)
			}
		}
	}
	return rows
}

// Batches are the sizes of the batches in which an executor feeds the log, once
// for each: those of the file, else one, small where the log is.
func (c *Case) Batches() []int {
	switch {
	case len(c.Replays) > 0:
		return c.Replays
	case len(c.Events) > 100:
		return []int{len(c.Events)/20 + 1}
	}
	return []int{3}
}

// KeyTypes are the types of the entity's key columns.
func (c *Case) KeyTypes() []featurestore.Type {
	types := make([]featurestore.Type, len(c.Key))
	for i, k := range c.Key {
		types[i] = k.Type
	}
	return types
}
