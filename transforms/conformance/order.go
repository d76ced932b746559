package conformance

import (
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore"
)

// ordered builds the case once for each order that the file asks for: "log",
// every permutation of the events, each a log of its own; "arrival", every
// interleaving that keeps the order of each partition; none, as written.
func ordered(c *Case, events []record, orders string) ([]*Case, error) {
	if orders == "" {
		return c.withEvents(events)
	}
	var cases []*Case
	for i, p := range permutations(len(events)) {
		each := *c
		each.Name = fmt.Sprintf("%s/order %d", c.Name, i+1)
		reordered := make([]record, len(p))
		for k, at := range p {
			reordered[k] = events[at]
		}
		switch orders {
		case "log":
		case "arrival":
			if !keepsOffsets(reordered) {
				continue
			}
		default:
			return nil, fmt.Errorf("unknown orders %q", orders)
		}
		built, err := each.withEvents(reordered)
		if err != nil {
			return nil, err
		}
		cases = append(cases, built...)
	}
	return cases, nil
}

func (c *Case) withEvents(events []record) ([]*Case, error) {
	ends := map[featurestore.PartitionID]int64{}
	next := func(p featurestore.PartitionID) int64 { ends[p]++; return ends[p] - 1 }
	for i := range events {
		e, err := c.event(&events[i], next)
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", i, err)
		}
		c.Events = append(c.Events, e)
	}
	return []*Case{c}, nil
}

func keepsOffsets(events []record) bool {
	last := map[int32]int64{}
	for _, e := range events {
		if before, seen := last[e.Partition]; seen && *e.Offset < before {
			return false
		}
		last[e.Partition] = *e.Offset
	}
	return true
}

// permutations of 0..n-1, in lexicographic order.
func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{{}}
	}
	var out [][]int
	for _, p := range permutations(n - 1) {
		for at := n - 1; at >= 0; at-- {
			out = append(out, slices.Insert(slices.Clone(p), at, n-1))
		}
	}
	slices.SortFunc(out, slices.Compare)
	return out
}
