package rpc

import (
	"fmt"
	"strings"
)

// include says which parts of an answer are wanted, as bits.
type include uint8

const (
	includeStatus include = 1 << iota
	includeEventTime
	includeWatermark
	includeReadTime
	includePositions
)

var includeNames = []string{"status", "event_time", "watermark", "read_time", "positions"}

func (i include) has(part include) bool { return i&part != 0 }

// parseInclude reads the names; an empty list includes nothing.
func parseInclude(names []string) (include, error) {
	var out include
next:
	for _, name := range names {
		for bit, known := range includeNames {
			if name == known {
				out |= 1 << bit
				continue next
			}
		}
		return 0, fmt.Errorf("%q is unknown; there are %s", clip(name), strings.Join(includeNames, ", "))
	}
	return out, nil
}
