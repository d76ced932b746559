package worker

import (
	"cmp"
	"context"
	"io"
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
)

// modelHistory is what is at rest.
type modelHistory struct {
	parts map[online.Partition]*restingPart
}

// restingPart is one partition at rest, and who holds it.
type restingPart struct {
	ranges []offline.Range
	events []featurestore.Event
	holder *archiveOf
}

func (h *modelHistory) part(source string, p offline.Partition) *restingPart {
	id := online.Partition{Source: source, Generation: p.Generation, Number: p.Partition}
	if h.parts[id] == nil {
		h.parts[id] = &restingPart{}
	}
	return h.parts[id]
}

// next is the offset behind all that is at rest; 0 for nothing.
func (r *restingPart) next() int64 {
	if r == nil || len(r.ranges) == 0 {
		return 0
	}
	return r.ranges[len(r.ranges)-1].To
}

// archiveOf is a process's open archive of a source: ingest/history without files.
type archiveOf struct {
	p      *process
	source string
	feeds  map[offline.Partition]*feedOf
}

// feedOf is what is appended of a partition and not at rest yet.
type feedOf struct {
	from, next int64
	events     []featurestore.Event
}

func (a *archiveOf) Hold(p offline.Partition) error {
	rest := a.p.w.history.part(a.source, p)
	if a.feeds[p] != nil {
		return nil
	}
	if rest.holder != nil {
		return featurestore.Unavailablef("another process holds the partition")
	}
	rest.holder = a
	a.feeds[p] = &feedOf{from: -1, next: -1}
	return nil
}

func (a *archiveOf) Release(p offline.Partition) error {
	if a.feeds[p] == nil {
		return nil
	}
	err := a.flush()
	delete(a.feeds, p)
	a.p.w.history.part(a.source, p).holder = nil
	return err
}

func (a *archiveOf) Next(p offline.Partition) (offset int64, ok bool) {
	rest := a.p.w.history.part(a.source, p)
	return rest.next(), a.feeds[p] != nil && len(rest.ranges) > 0
}

func (a *archiveOf) First(p offline.Partition) int64 {
	if rest := a.p.w.history.part(a.source, p); len(rest.ranges) > 0 {
		return rest.ranges[0].From
	}
	return 0
}

func (a *archiveOf) Begin(p offline.Partition, offset int64) error {
	f := a.feeds[p]
	if f.next == -1 {
		f.from, f.next = offset, offset
	}
	if offset > f.next {
		if err := a.flush(); err != nil {
			return err
		}
		f.from, f.next = offset, offset
	}
	return nil
}

func (a *archiveOf) Append(events *columnar.Events) error {
	for ev := range events.All() {
		if err := a.append(ev); err != nil {
			return err
		}
	}
	return nil
}

func (a *archiveOf) append(ev *featurestore.Event) error {
	p := offline.Partition{Generation: ev.Generation, Partition: ev.Partition}
	f, rest := a.feeds[p], a.p.w.history.part(a.source, p)
	if ev.Offset < f.next {
		return nil
	}
	f.next = ev.Offset + 1
	if ev.Offset < rest.next() {
		return nil
	}
	own := *ev
	own.ID, own.Fields = strings.Clone(ev.ID), slices.Clone(ev.Fields)
	for i, v := range own.Fields {
		if v.Kind() == featurestore.KindString {
			own.Fields[i] = featurestore.StringValue(strings.Clone(v.Str()))
		}
	}
	f.events = append(f.events, own)
	return nil
}

func (a *archiveOf) Consumed(p offline.Partition, through int64) error {
	a.feeds[p].next = max(a.feeds[p].next, through+1)
	return nil
}

// Seal puts everything to rest, partition by partition.
func (a *archiveOf) Seal() (durable func() error) {
	err := a.flush()
	return func() error { return err }
}

func (a *archiveOf) flush() error {
	for _, p := range a.held() {
		f, rest := a.feeds[p], a.p.w.history.part(a.source, p)
		if f.from >= f.next {
			continue
		}
		if err := a.p.perhapsAway("archive"); err != nil {
			return err
		}
		rest.ranges = append(rest.ranges, offline.Range{From: f.from, To: f.next})
		rest.events = append(rest.events, f.events...)
		f.from, f.events = f.next, nil
	}
	return nil
}

func (a *archiveOf) held() []offline.Partition {
	list := make([]offline.Partition, 0, len(a.feeds))
	for p := range a.feeds {
		list = append(list, p)
	}
	slices.SortFunc(list, func(x, y offline.Partition) int { return cmp.Compare(x.Partition, y.Partition) })
	return list
}

// Close puts what it can to rest, and lets go of its partitions.
func (a *archiveOf) Close() error {
	err := a.flush()
	a.abandon()
	return err
}

// abandon lets go of all partitions, as a crash does.
func (a *archiveOf) abandon() {
	for p := range a.feeds {
		a.p.w.history.part(a.source, p).holder = nil
	}
	clear(a.feeds)
}

// historyOf is what is at rest as one process reads it.
type historyOf struct{ p *process }

func (historyOf) Dropped(context.Context, *definition.StreamSource) (map[offline.Partition]offline.Dropped, error) {
	return nil, nil
}

func (h historyOf) Segments(_ context.Context, s *definition.StreamSource) ([]offline.Segment, error) {
	var out []offline.Segment
	for _, m := range h.p.w.log.topics[s.Name] {
		p := offline.Partition{Generation: m.id.Generation, Partition: m.id.Number}
		rest := h.p.w.history.part(s.Name, p)
		for _, r := range rest.ranges {
			g := offline.Segment{Kind: offline.ArchiveSegment, Partition: p, Offsets: r}
			for _, ev := range rest.events {
				if r.Contains(ev.Offset) {
					g.Newest = offline.Newest{Rows: 1, Offset: ev.Offset, From: ev.LogTime, To: ev.LogTime}
				}
			}
			out = append(out, g)
		}
	}
	return out, h.p.perhapsAway("history")
}

func (h historyOf) Scan(_ context.Context, spec offline.Spec) (offline.Stream, error) {
	s := &streamOf{p: h.p}
	for _, m := range h.p.w.log.topics[spec.Source.Name] {
		p := offline.Partition{Generation: m.id.Generation, Partition: m.id.Number}
		bounds, limited := spec.Bounds[p]
		if !limited {
			bounds.To = offline.MaxOffset
		}
		rest := h.p.w.history.part(spec.Source.Name, p)
		if !limited && spec.Only || len(rest.ranges) == 0 {
			continue
		}
		s.add(p.Of(spec.Index), rest, bounds, spec.Keep)
	}
	if h.p.w.faults && h.p.w.n(20) == 19 {
		s.batches = s.batches[:h.p.w.n(len(s.batches)+1)]
		s.err = featurestore.Unavailablef("the history is not there")
	}
	h.p.interlude(6)
	return s, h.p.perhapsAway("history")
}

// streamOf gives batches. What becomes of it was chosen when it was opened: it is
// read ahead, by whom and how far is not the schedule's.
type streamOf struct {
	p       *process
	batches []offline.Batch
	err     error
}

func (s *streamOf) add(id featurestore.PartitionID, rest *restingPart, bounds offline.Range, keep func(*featurestore.Event) bool) {
	through := min(rest.next(), bounds.To) - 1
	b := offline.Batch{Partition: id}
	for _, ev := range rest.events {
		if !bounds.Contains(ev.Offset) || keep != nil && !keep(&ev) {
			continue
		}
		if len(b.Events) > s.p.w.n(3) {
			b.Through = ev.Offset - 1
			s.batches = append(s.batches, b)
			b.Events = nil
		}
		b.Events = append(b.Events, ev)
	}
	b.Through = through
	s.batches = append(s.batches, b)
}

func (s *streamOf) Next(context.Context) (offline.Batch, error) {
	if len(s.batches) == 0 {
		return offline.Batch{}, cmp.Or(s.err, io.EOF)
	}
	b := s.batches[0]
	s.batches = s.batches[1:]
	return b, nil
}

func (s *streamOf) Close() error { return nil }

// Stats is asked at the end of a fill: others have done something meanwhile.
func (s *streamOf) Stats() offline.Stats {
	s.p.interlude(6)
	return offline.Stats{}
}
