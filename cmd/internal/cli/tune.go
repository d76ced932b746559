package cli

import (
	"os"
	"runtime/debug"
)

// gcPercent lets the heap grow to four times its live size between collections:
// the live heap is small beside what streams through it, so collecting at twice
// would be nearly constant work. GOGC and GOMEMLIMIT override it as usual.
const gcPercent = 300

// TuneGC sets the collector for a process that streams.
func TuneGC() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
