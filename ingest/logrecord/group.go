package logrecord

import (
	"context"
	"slices"
)

// Joiner lets a process join a group of processes that share the partitions of
// some topics. Membership spreads work; it protects nothing: a member that does
// not know yet that it has lost a partition is stopped by the store's equality
// checks, never by the group.
type Joiner interface {
	// Join makes the process a member. It connects in the background: what goes
	// wrong is an error of Next. The topics must exist.
	Join(group string, topics []string) (Group, error)
}

// Group is one membership. It is not safe for concurrent use, but for Close.
type Group interface {
	// Next waits for the next assignment; the one before must be released first.
	// Errors of kind ErrUnavailable pass: call it again.
	Next(ctx context.Context) (*Assignment, error)
	// Close leaves the group, so that others take over at once. It ends the
	// current assignment and is idempotent.
	Close() error
}

// Assignment is which partitions are a member's, until Lost is closed.
type Assignment struct {
	Owned map[string][]int32 // by topic, ascending

	// Lost is closed when the assignment ends: the member then stops what it does
	// for it, and calls Release, for which the others wait.
	Lost    <-chan struct{}
	Release func()

	// Commit tells the group how far the partitions were read, the next offset of
	// each: for dashboards of lag only, nobody starts from it. An error says that
	// the assignment has ended, or that the group's broker cannot be reached.
	Commit func(next map[string]map[int]int64) error
}

// Owns reports whether a partition of a topic is the member's.
func (a *Assignment) Owns(topic string, partition int32) bool {
	_, found := slices.BinarySearch(a.Owned[topic], partition)
	return found
}
