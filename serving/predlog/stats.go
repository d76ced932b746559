package predlog

import (
	"sync"
	"sync/atomic"

	"github.com/freshet/freshet/featurestore"
)

// Stats is how the log stands. Rows of lookups and predictions count alike,
// where not said otherwise.
type Stats struct {
	Logged    int64  `json:"logged"`               // with the operating system
	Queued    int64  `json:"queued"`               // not yet
	Dropped   int64  `json:"dropped"`              // the queue was full
	Lost      int64  `json:"lost,omitempty"`       // could not be encoded, or not be written until the end
	Sealed    int64  `json:"sealed"`               // in Parquet
	Files     int64  `json:"files"`                // sealed by this process
	Recovered int64  `json:"recovered,omitempty"`  // of Sealed, written by processes that ended early
	TornBytes int64  `json:"torn_bytes,omitempty"` // of writes that did not end
	Damaged   int64  `json:"damaged,omitempty"`    // records whose checksum did not agree
	Errors    int64  `json:"errors"`               // of the disk
	LastError string `json:"last_error,omitempty"`
}

// Stats is how the log stands now.
func (l *Logger) Stats() Stats {
	c := &l.stats
	s := Stats{
		Logged: c.logged.Load(), Queued: l.queued.Load(), Dropped: c.dropped.Load(), Lost: c.lost.Load(),
		Sealed: c.sealed.Load(), Files: c.files.Load(), Recovered: c.recovered.Load(),
		TornBytes: c.torn.Load(), Damaged: c.damaged.Load(), Errors: c.errors.Load(),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.LastError = c.last
	return s
}

type counters struct {
	logged, dropped, lost, sealed, files, recovered, torn, damaged, errors atomic.Int64

	mu   sync.Mutex // guards last and atEnd
	last string
	end  error
}

// fail counts an error of the disk.
func (c *counters) fail(err error) {
	c.errors.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = err.Error()
}

// lose counts rows that will not be logged.
func (c *counters) lose(rows int64, err error) {
	c.lost.Add(rows)
	c.fail(err)
}

// endedWith keeps the reason for which the last rows could not be written.
func (c *counters) endedWith(rows int64, err error) {
	c.lost.Add(rows)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end = featurestore.Unavailablef("%d rows of the prediction log could not be written: %w", rows, err)
}

func (c *counters) lostAtEnd() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end
}
