package featurestore

// Event is one decoded record of a source: where it stands, when it happened,
// and its fields. Fields are in the order of the source's declared fields and
// are valid only until the batch that they came in is released.
type Event struct {
	Position
	Time     EventTime
	LogTime  LogTime
	Sequence Value  // the declared sequence field; null where none
	ID       string // the declared event_id field; "" where none
	Change   Change
	Mutated  EventTime // change records only: when the change happened
	Fields   []Value
}

// Change is what a record does with the row that its fields give. One record of
// a change feed becomes up to two events at one position: the before-image is
// Retracted, then the after-image is Added.
type Change uint8

// The changes. NoChange is an ordinary event: it happened at Time, and stays.
const (
	NoChange  Change = iota
	Added            // the row is there from Mutated on, at its own event time
	Retracted        // the row, added before with the same event time and fields, is gone from Mutated on
)

// Visible is the instant from which on the event's effect may be seen: its event
// time, for a change no earlier than the change itself. Reads at t see it iff
// Visible < t.
func (e *Event) Visible() EventTime {
	if e.Change == NoChange {
		return e.Time
	}
	return max(e.Time, e.Mutated)
}

// Late reports whether the event came later than its source allows: a rule on
// the record alone, so that a replay decides the same. A change is never late: a
// row of last year may be changed today, and where the change that added a row were
// left out, the one that takes it away would take what was never counted.
func (e *Event) Late(allowed Duration) bool {
	return e.Change == NoChange && int64(e.Time) < int64(e.LogTime)-int64(allowed)
}

// Ahead reports whether the event lies too far in the future of its log time.
func (e *Event) Ahead() bool {
	return int64(e.Visible()) > int64(e.LogTime)+int64(AheadLimit)
}
