package cli

import (
	"os"
	"runtime/debug"

	"github.com/freshet/freshet/featurestore/online/redis"
)

// gcPercent lets the heap grow to four times its live size between collections:
// the live heap is small beside what streams through it, so collecting at twice
// would be nearly constant work. GOGC and GOMEMLIMIT override it as usual.
const gcPercent = 300

// memoryLimit is where the collector works harder rather than let the heap grow:
// what an ingester keeps (its cache, chunks and the archive's buffers) is bounded
// well below it.
const memoryLimit = 832 << 20

// TuneGC sets the collector for a process that streams.
func TuneGC() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// LimitMemory sets the collector's limit for a process that does nothing but
// serve and ingest.
func LimitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

// QuietClients keeps the client libraries of stores from writing to stderr beside the
// log, which has all that they would say.
func QuietClients() { redis.Quiet() }
