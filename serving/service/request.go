package service

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// Limits of one request.
const (
	MaxRows     = 1000
	MaxFeatures = 500
)

// Request is a lookup whose values are typed and whose columns have the length
// Rows. Entities and Inputs are parallel to Compiled.Entities and
// Compiled.Inputs.
type Request struct {
	ID       string
	Rows     int
	Entities [][]featurestore.Value
	Inputs   [][]featurestore.Value
	AsOf     *featurestore.Instant // nil reads now
}

// Column is one column of an answer, a cell a row.
type Column struct {
	Name  string
	Type  featurestore.Type
	Cells []featurestore.Cell
}

// RowState identifies the state that one row of one role was read from: the
// applied list of a stream view, or the run of a batch view.
type RowState struct {
	Applied featurestore.Applied
	Run     string
	// Time is the greatest applied event time before the read time; HasTime is
	// false where there is none.
	Time    featurestore.EventTime
	HasTime bool
}

// Role is what an answer says of one view, in one role.
type Role struct {
	View       string
	As         string   // "" for the base use
	Sources    []string // names behind Applied's source indexes
	Generation uint32
	// Watermark is the view's watermark time; HasWatermark is false where the
	// view has none (batch views, nothing applied yet).
	Watermark    featurestore.Instant
	HasWatermark bool
	Rows         []RowState
}

// Answer is what a lookup gives. Rows and columns are in the order asked for.
type Answer struct {
	Service   string
	Revision  int64
	RequestID string
	ReadTimes []featurestore.Instant
	Columns   []Column
	Roles     []Role
	Damaged   []Damage // entities whose status is ERROR because what is stored of them does not decode
}

// Damage is a stored entity that does not decode. Its key stands only as a hash:
// it may be personal.
type Damage struct {
	online.LaneID
	KeyHash uint64
	Reason  error
}
