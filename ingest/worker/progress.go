package worker

import (
	"cmp"
	"context"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// PartitionStatus is how far one partition is.
type PartitionStatus struct {
	Partition online.Partition
	Through   int64 // the last offset that every view has applied; -1 for none
	End       int64 // of the log, when what is applied was fetched
	Seen      int64 // of the log, by the newest fetch, whose records may wait for the store
	LogTime   featurestore.LogTime
	Events    int64
	Dead      int64
	Silent    int64  // tombstones of change feeds: records that say nothing
	Refilled  int64  // offsets that came from history, because the log held them no longer, or not all of them
	Invalid   int64  // typed NaN and infinities, read as null
	Trouble   string // why nothing moves; "" when it does
}

// Lag is how many offsets of the log are not applied, as far as this process knows.
func (s *PartitionStatus) Lag() int64 { return max(0, max(s.End, s.Seen)-s.Through-1) }

// Progress is what partitions report and others wait for. It is safe for
// concurrent use.
type Progress struct {
	mu      sync.Mutex
	parts   map[online.Partition]*PartitionStatus
	changed chan struct{} // closed and replaced at each change
	failed  error
	halted  map[online.Partition]error // that do not go on by themselves
	store   string                     // what is wrong with the online store's settings
}

func newProgress() *Progress {
	return &Progress{parts: map[online.Partition]*PartitionStatus{}, halted: map[online.Partition]error{}, changed: make(chan struct{})}
}

// arrange forgets why partitions have halted that are no longer read here, and all that
// was said of the logs that a source had before, and of sources that no view reads.
func (p *Progress) arrange(parts []*partition, sources map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	read, generations := map[online.Partition]bool{}, map[string]uint32{}
	for _, x := range parts {
		read[x.id()] = true
		generations[x.source.Name] = x.generation
	}
	for id := range p.halted {
		if !read[id] {
			delete(p.halted, id)
		}
	}
	for id := range p.parts {
		if g, known := generations[id.Source]; known && g != id.Generation || !sources[id.Source] {
			delete(p.parts, id)
		}
	}
	p.signal()
}

func (p *Progress) update(id online.Partition, do func(*PartitionStatus)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.parts[id]
	if !ok {
		s = &PartitionStatus{Partition: id, Through: -1}
		p.parts[id] = s
	}
	do(s)
	p.signal()
}

func (p *Progress) signal() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// begin says where a partition's reading starts: everything up to through was
// applied before, and the log ends at end.
func (p *Progress) begin(id online.Partition, through, end int64) {
	p.update(id, func(s *PartitionStatus) {
		delete(p.halted, id)
		s.Through, s.End, s.Seen, s.Trouble = through, end, end, ""
	})
}

func (p *Progress) applied(id online.Partition, c *decodedChunk) {
	p.update(id, func(s *PartitionStatus) {
		first := c.first()
		s.Through, s.End, s.Trouble = first.Through, c.end, ""
		s.LogTime = max(s.LogTime, first.LogTime)
		s.Events += int64(first.events())
		s.Dead += int64(len(c.letters))
		s.Silent += int64(c.parts[0].batch.Tombstones)
		s.Invalid += int64(c.parts[0].batch.Invalid)
	})
}

// saw notes where the log ends while what was fetched of it waits to be applied.
// Nobody waits for that.
func (p *Progress) saw(id online.Partition, end int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s, ok := p.parts[id]; ok {
		s.Seen = max(s.Seen, end)
	}
}

func (p *Progress) idle(id online.Partition, end int64) {
	p.update(id, func(s *PartitionStatus) { s.End, s.Trouble = end, "" })
}

func (p *Progress) trouble(id online.Partition, err error) {
	p.update(id, func(s *PartitionStatus) { s.Trouble = err.Error() })
}

// storeTrouble notes what is wrong with the store, nil for nothing, and reports
// whether that is news.
func (p *Progress) storeTrouble(err error) bool {
	text := ""
	if err != nil {
		text = err.Error()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	news := text != p.store && text != ""
	p.store = text
	return news
}

// StoreTrouble is what is wrong with the online store's settings; "" for nothing.
func (p *Progress) StoreTrouble() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.store
}

// refilled counts offsets that the log held no longer, or not all of, and history did.
func (p *Progress) refilled(id online.Partition, offsets int64) {
	p.update(id, func(s *PartitionStatus) { s.Refilled += offsets })
}

// halt says that a partition does not go on by itself.
func (p *Progress) halt(id online.Partition, err error) {
	p.update(id, func(s *PartitionStatus) { p.halted[id], s.Trouble = err, err.Error() })
}

// Halted are the partitions that do not go on by themselves, and why.
func (p *Progress) Halted() map[online.Partition]error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.halted)
}

func (p *Progress) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed == nil {
		p.failed = err
	}
	p.signal()
}

func (p *Progress) status(id online.Partition) (PartitionStatus, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.parts[id]
	if !ok {
		return PartitionStatus{}, false
	}
	return *s, true
}

// Statuses are all partitions, in no order.
func (p *Progress) Statuses() []PartitionStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]PartitionStatus, 0, len(p.parts))
	for _, s := range p.parts {
		out = append(out, *s)
	}
	return out
}

// Wait returns once every offset before end of a partition is applied by every
// view, or with the worker's error.
func (p *Progress) Wait(ctx context.Context, id online.Partition, end int64) error {
	for {
		p.mu.Lock()
		s, changed, failed := p.parts[id], p.changed, p.failed
		for _, err := range p.halted {
			failed = cmp.Or(failed, err)
		}
		reached := end <= 0 || s != nil && s.Through >= end-1
		p.mu.Unlock()
		if failed != nil {
			return failed
		}
		if reached {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// backoff waits longer after each failure, with jitter: 50 ms to half a second. A
// store that comes back may have lost something, which is to be noticed within 2 s.
type backoff struct{ d time.Duration }

func (b *backoff) reset() { b.d = 0 }

func (b *backoff) next() time.Duration {
	b.d = min(max(2*b.d, 50*time.Millisecond), 500*time.Millisecond)
	return b.d/2 + rand.N(b.d/2)
}

func (b *backoff) sleep(ctx context.Context) error {
	timer := time.NewTimer(b.next())
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
