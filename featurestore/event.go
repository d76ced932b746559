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
	Fields   []Value
}

// Late reports whether the event came later than its source allows: a rule on
// the record alone, so that a replay decides the same.
func (e *Event) Late(allowed Duration) bool {
	return int64(e.Time) < int64(e.LogTime)-int64(allowed)
}

// Ahead reports whether the event lies too far in the future of its log time.
func (e *Event) Ahead() bool {
	return int64(e.Time) > int64(e.LogTime)+int64(AheadLimit)
}
