package featurestore

import "fmt"

// Status says of one value what it is worth. Statuses are in the order of
// semantics.md: the first that applies is the value's.
type Status uint8

// The statuses, strongest first.
const (
	StatusUnspecified Status = iota
	InvalidKey
	StatusError
	Rebuilding
	TooOld
	NotFound
	Expired
	Overflow
	Empty
	Stale
	Approximate
	Present
)

var statusNames = [...]string{"UNSPECIFIED", "INVALID_KEY", "ERROR", "REBUILDING", "TOO_OLD", "NOT_FOUND", "EXPIRED", "OVERFLOW", "EMPTY", "STALE", "APPROXIMATE", "PRESENT"}

// String gives the status as answers write it.
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return fmt.Sprintf("STATUS(%d)", uint8(s))
}

// ParseStatus reads a status as answers write it.
func ParseStatus(name string) (Status, error) {
	for i := 1; i < len(statusNames); i++ {
		if statusNames[i] == name {
			return Status(i), nil
		}
	}
	return StatusUnspecified, fmt.Errorf("unknown status %q", name)
}

// HidesDefault reports whether a declared default must not replace null under
// this status: nothing is known of the value, so nothing may be made up.
func (s Status) HidesDefault() bool {
	return s == InvalidKey || s == StatusError || s == Rebuilding || s == TooOld
}

// Cell is a value with its status.
type Cell struct {
	Value  Value
	Status Status
}

// Equal reports whether two cells are the same, bit for bit.
func (c Cell) Equal(o Cell) bool { return c.Status == o.Status && c.Value.Equal(o.Value) }
