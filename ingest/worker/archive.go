package worker

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
)

// Archive takes the decoded events of one source, by position (ingest/history).
type Archive interface {
	Hold(p offline.Partition) error
	Release(p offline.Partition) error
	Next(p offline.Partition) (offset int64, ok bool)
	First(p offline.Partition) int64
	Begin(p offline.Partition, offset int64) error
	Append(events *columnar.Events) error
	Consumed(p offline.Partition, through int64) error
	Seal() (durable func() error) // hands over what was appended; the function waits for it
	Close() error
}

// openArchive is the archive of a source, which all its partitions feed.
type openArchive struct {
	Archive
	source *definition.StreamSource
	broken atomic.Bool // it takes nothing more: it must be opened anew

	mu     sync.Mutex                  // one caller at a time; guards what follows
	fed    map[offline.Partition]int64 // the offset behind what was taken of each
	taken  int64                       // chunks
	seen   int64                       // of these, by the last tick
	rested int64                       // of these, when it was sealed last
	new    bool                        // some since is of a partition of which nothing was at rest
	since  featurestore.Instant        // the first tick that saw some
	last   featurestore.Instant        // the last tick that has sealed
}

// errArchive is about an archive that takes nothing more.
var errArchive = errors.New("archive")

// failed marks the archive where its error is of a kind that may pass.
func (a *openArchive) failed(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, featurestore.ErrUnavailable) {
		a.broken.Store(true)
	}
	return fmt.Errorf("%w of source %q: %w", errArchive, a.source.Name, err)
}

// take appends a chunk of a partition.
func (a *openArchive) take(p offline.Partition, c *decodedPart) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.Append(c.decoded); err != nil {
		return a.failed(err)
	}
	if err := a.Consumed(p, c.Through); err != nil {
		return a.failed(err)
	}
	a.taken++
	a.fed[p] = max(a.fed[p], c.Through+1)
	if _, some := a.Next(p); !some {
		a.new = true
	}
	return nil
}

// seal makes durable and listed what was appended.
func (a *openArchive) seal() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failed(a.handOver()())
}

// handOver gives what was appended to be sealed. What fails there breaks the archive,
// which is fed again from where it ends. The caller holds mu.
func (a *openArchive) handOver() (durable func() error) {
	a.rested, a.new, a.since = a.taken, false, 0
	return a.Seal()
}

// idlePart is which part of the time that events may wait until they are at rest lies
// between two seals of a source of which now and then one comes.
const idlePart = 12

// end is the offset behind what a partition has at rest, or will have at the next seal.
func (a *openArchive) end(p offline.Partition) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	next, _ := a.Next(p)
	return max(next, a.fed[p])
}

// tend seals what has waited for so long, and sooner where nothing has come since the
// last tick, which this is. The first of a partition is sealed at once: what expired
// before anything was at rest would not be missed. The stream goes on meanwhile.
func (a *openArchive) tend(now featurestore.Instant, within time.Duration) error {
	if !a.due(now, within) {
		return nil
	}
	a.mu.Lock()
	durable := a.handOver()
	a.mu.Unlock()
	return a.failed(durable())
}

// due reports whether something has waited for long enough.
func (a *openArchive) due(now featurestore.Instant, within time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	quiet := a.taken == a.seen
	a.seen = a.taken
	if a.taken == a.rested {
		return false
	}
	if a.since == 0 {
		a.since = now
	}
	idle := quiet && passed(now, a.last, within/idlePart)
	if !a.new && !idle && !passed(now, a.since, within) {
		return false
	}
	a.last = now
	return true
}

// passed reports whether so long has passed; also where the clock was put back.
func passed(now, since featurestore.Instant, d time.Duration) bool {
	return now < since || now >= after(since, d)
}

// release seals what a partition has, and gives the partition back.
func (a *openArchive) release(p offline.Partition) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rested, a.new, a.since = a.taken, false, 0
	delete(a.fed, p)
	return a.failed(a.Release(p))
}

// archive gives the open archive of a source. One that broke, or that was opened
// for other records, is opened anew. The caller holds w.mu.
func (w *Worker) archive(s *definition.StreamSource) (*openArchive, error) {
	if a, ok := w.archives[s.Name]; ok {
		if !a.broken.Load() && sameRecords(a.source, s) {
			return a, nil
		}
		delete(w.archives, s.Name)
		if err := a.Close(); err != nil { // what was not sealed is fed again
			w.c.Logger.Warn("an archive could not be closed in order; it is fed again from where it ends", "source", s.Name, "error", err)
		}
	}
	opened, err := w.c.OpenArchive(s)
	damaged := errors.Is(err, featurestore.ErrInvalid)
	if damaged {
		opened, err = closedArchive{err}, nil
	}
	if err != nil {
		return nil, err
	}
	a := &openArchive{Archive: opened, source: s, fed: map[offline.Partition]int64{}}
	a.broken.Store(damaged) // each arrangement tries again
	w.archives[s.Name] = a
	return a, nil
}

// sameRecords reports whether two definitions of a source decode a record to
// the same event and judge its lateness alike.
func sameRecords(a, b *definition.StreamSource) bool {
	if a == b {
		return true
	}
	if a.Format != b.Format || a.EventID != b.EventID || a.Sequence != b.Sequence || a.AllowedLateness != b.AllowedLateness || a.Key != b.Key || a.KeyForm != b.KeyForm ||
		a.Separator != b.Separator || !slices.Equal(a.Columns, b.Columns) || !sameSchema(a.Schema, b.Schema) || len(a.Fields) != len(b.Fields) {
		return false
	}
	for i := range a.Fields {
		if a.Fields[i].Name != b.Fields[i].Name || !a.Fields[i].Type.Equal(b.Fields[i].Type) || a.Fields[i].PII != b.Fields[i].PII || !slices.Equal(a.Fields[i].At(), b.Fields[i].At()) {
			return false
		}
	}
	return sameTime(a.Timestamp, b.Timestamp)
}

// sameSchema reports whether two references lead to one schema. Of a file it is
// its text that counts: another schema under the old name reads otherwise.
func sameSchema(a, b *definition.SchemaRef) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.File == b.File && a.Subject == b.Subject && a.Message == b.Message && a.Digest == b.Digest
}

func sameTime(a, b definition.TimeSpec) bool {
	zones := a.Zone == b.Zone || a.Zone != nil && b.Zone != nil && a.Zone.String() == b.Zone.String()
	a.Zone, b.Zone = nil, nil
	return zones && a == b
}
