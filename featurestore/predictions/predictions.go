// Package predictions is the form of the prediction log at rest: what a logged
// lookup holds, the write-ahead segments that a server appends to, the Parquet
// files that segments are sealed into, and the reader over both. The writer is
// serving/predlog; everything offline reads here. It is specified to the byte in
// docs/formats/prediction-log-v1.md.
//
// It looks nothing up, computes no feature and owns no clock or goroutine.
package predictions

import (
	"github.com/freshet/freshet/featurestore"
)

// Version is that of the segments and of the Parquet files.
const Version = 1

// Field is a named, typed column.
type Field struct {
	Name string
	Type featurestore.Type
}

// Role is one use of a view by a service. Sources are the names behind the
// source indexes of an applied list; a batch view has none.
type Role struct {
	Prefix  string
	View    string
	Sources []string
}

// Header says what the values of logged lookups are: the columns of a service as
// one revision defines them. It is immutable and shared by rows.
type Header struct {
	Service  string
	Entities []Field
	Request  []Field
	Columns  []Field
	Roles    []Role
}

// RowState identifies the state that one role of one row was read from: the
// applied list of a stream view's entity, or the run that wrote a batch row.
type RowState struct {
	Applied featurestore.Applied
	Run     string
}

// RoleRead is what a lookup read in one role, a state a row.
type RoleRead struct {
	Generation   uint32
	Watermark    featurestore.Instant
	HasWatermark bool
	Rows         []RowState
}

// Lookup is one logged request: its slices are parallel to the header's, and the
// inner ones have a value a row.
type Lookup struct {
	Header    *Header
	RequestID string
	LoggedAt  featurestore.Instant
	AsOf      bool // the read time was given, not the clock's
	Revision  int64

	ReadTimes []featurestore.Instant
	Entities  [][]featurestore.Value
	Request   [][]featurestore.Value
	Columns   [][]featurestore.Cell
	Roles     []RoleRead
}

// State is what one role of one row was read from.
type State struct {
	Generation   uint32
	Watermark    featurestore.Instant
	HasWatermark bool
	RowState
}

// Row is one row of a logged lookup. Its slices are parallel to the header's.
type Row struct {
	Header    *Header
	RequestID string
	Number    int64 // of the row within its request, from 0
	ReadTime  featurestore.Instant
	LoggedAt  featurestore.Instant
	AsOf      bool
	Revision  int64

	Entities []featurestore.Value
	Request  []featurestore.Value
	Cells    []featurestore.Cell
	States   []State

	// Predictions are the outputs that were logged for this row, in the order of
	// the log; only where they were asked for.
	Predictions []Prediction
}

// Prediction is a model's outputs for one row of a request.
type Prediction struct {
	RequestID string
	Row       int64
	Model     string
	LoggedAt  featurestore.Instant
	Outputs   []Output
}

// Output is one named output: a bool, int64, double, string or null.
type Output struct {
	Name  string
	Value featurestore.Value
}

// Rows is the number of rows of the lookup.
func (l *Lookup) Rows() int { return len(l.ReadTimes) }

// Row is row i of the lookup; it shares the lookup's values.
func (l *Lookup) Row(i int) *Row {
	r := &Row{
		Header: l.Header, RequestID: l.RequestID, Number: int64(i), ReadTime: l.ReadTimes[i],
		LoggedAt: l.LoggedAt, AsOf: l.AsOf, Revision: l.Revision,
	}
	values := make([]featurestore.Value, len(l.Entities)+len(l.Request))
	r.Entities, r.Request = values[:len(l.Entities):len(l.Entities)], values[len(l.Entities):]
	for k := range l.Entities {
		r.Entities[k] = l.Entities[k][i]
	}
	for k := range l.Request {
		r.Request[k] = l.Request[k][i]
	}
	r.Cells = make([]featurestore.Cell, len(l.Columns))
	for k := range l.Columns {
		r.Cells[k] = l.Columns[k][i]
	}
	r.States = make([]State, len(l.Roles))
	for k := range l.Roles {
		o := &l.Roles[k]
		r.States[k] = State{Generation: o.Generation, Watermark: o.Watermark, HasWatermark: o.HasWatermark, RowState: o.Rows[i]}
	}
	return r
}
