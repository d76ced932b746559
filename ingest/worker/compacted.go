package worker

import (
	"context"
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/logrecord"
)

// compaction is what a partition does where its log lacks records that compaction has
// removed. Whoever reads them again, because the store has gone back to an older copy or
// because they were not at rest yet, would take them for none.
type compaction struct {
	rests   int64 // offsets before are at rest, or will be at the next seal
	applied int64 // the last offset that some view had applied
	fills   bool  // what is at rest is taken from there, since this arrangement has met such records
}

// removed looks at what compaction has removed of the log where a batch is. What is at
// rest of it goes to the views from history: the stream begins anew. Of what is not, and
// some view has applied, it is noted that nobody has it: the audit leaves alone what may
// hold it. The rest has never been anybody's: so a topic that is compacted is read.
func (p *partition) removed(ctx context.Context, b *logrecord.Batch) (err error) {
	if len(b.Removed) == 0 {
		return nil
	}
	if p.compaction.rests, err = p.endOfRest(ctx); err != nil { // also what came to rest since, and no lane has
		return err
	}
	var lost []offline.Range
	var of []appliedBefore
	for _, r := range b.Removed {
		rested := min(r.To, p.compaction.rests)
		lacks := func(v *View) bool { return p.restsFor(v) && v.Lowest(p.id()) < rested-1 }
		if r.From < rested && !p.compaction.fills && slices.ContainsFunc(p.views(), lacks) {
			p.compaction.fills = true
			return &rewindError{Offset: r.From - 1}
		}
		if behind := (offline.Range{From: max(r.From, p.compaction.rests), To: min(r.To, p.compaction.applied+1)}); !behind.Empty() {
			lost = append(lost, behind)
			for _, v := range p.views() {
				if had := (appliedBefore{v.Name(), v.ID().Number}); v.Highest(p.id()) >= behind.From && !slices.Contains(of, had) {
					of = append(of, had)
				}
			}
		}
	}
	if len(lost) == 0 || !p.held { // the archive is not fed: once it is, it is read from where it ends
		return nil
	}
	return p.noteRemoved(ctx, lost, of)
}

// restsFor reports whether what is at rest is what a view would read of the log: it comes
// to rest by the newest definition. A view of an older one, as one that answers while the
// next is built, finds in it what it needs where fields were only added, or it does not
// read those that have changed.
func (p *partition) restsFor(v *View) bool {
	return slices.Contains(p.readings[0].views, v) || restsAs(p.source, &v.view.Bindings[v.binding[p.source.Name]])
}

// restsAs reports whether records that come to rest by a definition of a source give what
// a view needs of them by its own.
func restsAs(by *definition.StreamSource, b *definition.Binding) bool {
	s := b.Source
	columns := len(by.Columns) >= len(s.Columns) && slices.Equal(by.Columns[:len(s.Columns)], s.Columns)
	if by.Format != s.Format || by.Separator != s.Separator || by.KeyForm != s.KeyForm || !columns || !sameSchema(by.Schema, s.Schema) || !sameTime(by.Timestamp, s.Timestamp) ||
		fieldName(by, by.Key) != fieldName(s, s.Key) || fieldName(by, by.EventID) != fieldName(s, s.EventID) || fieldName(by, by.Sequence) != fieldName(s, s.Sequence) {
		return false
	}
	for _, i := range neededOf(b) {
		f := &s.Fields[i]
		if !slices.ContainsFunc(by.Fields, func(n definition.Field) bool {
			return n.Name == f.Name && n.Type.Equal(f.Type) && n.PII == f.PII && slices.Equal(n.At(), f.At())
		}) {
			return false
		}
	}
	return true
}

// fieldName is the name of a field of a source; "" for an index that is none.
func fieldName(s *definition.StreamSource, index int) string {
	if index < 0 {
		return ""
	}
	return s.Fields[index].Name
}

// fromRest reports whether a view that stands at low goes on from what is at rest of a log
// that is compacted.
func (p *partition) fromRest(v *View, low int64) bool {
	return p.compaction.fills && low+1 < p.compaction.rests && p.restsFor(v)
}

// unrestedError is that compaction has removed records of a partition that are not at rest
// yet, or never were: whether they count is known once the archive is as far. That passes.
type unrestedError struct {
	partition online.Partition
	from      int64
}

func (e *unrestedError) Error() string {
	return fmt.Sprintf("compaction has removed records of source %q, partition %d, from offset %d on, which are not at rest yet", e.partition.Source, e.partition.Number, e.from)
}

func (e *unrestedError) Unwrap() error { return featurestore.ErrUnavailable }

// endOfRest is where what is at rest of a partition ends, or will at the next seal; of one
// whose archive another process holds, what that has sealed.
func (p *partition) endOfRest(ctx context.Context) (int64, error) {
	if p.held {
		return p.archive.end(p.archived()), nil
	}
	ends, err := endsAtRest(ctx, p.history, p.source)
	return ends[p.archived()].to, err
}

// noteRemoved notes, before the archive says that it has them, offsets that were applied
// and never came to rest.
func (w *Worker) noteRemoved(source string, id offline.Partition) func(context.Context, []offline.Range, []appliedBefore) error {
	return func(ctx context.Context, lost []offline.Range, of []appliedBefore) error {
		if !w.c.NoteRest {
			return nil
		}
		k := noteOf(lost)
		k.At, k.Of = w.c.Now(), of
		added, err := w.inspector().noteRemoved(ctx, source, id, k)
		if len(added) > 0 {
			w.c.Logger.Error("compaction has removed records that were applied and not at rest: the values that answer count them, and what is built anew does not; the audit leaves alone what may hold them",
				"source", source, "log", id.Generation, "partition", id.Partition, "offsets", offsetsText(added))
		}
		return err
	}
}

// noteRemoved adds to what is noted of a partition, and gives what is new.
func (x Inspector) noteRemoved(ctx context.Context, source string, p offline.Partition, k restNote) (added []offline.Range, err error) {
	before, err := x.notes(ctx, removedNotes, source)
	if err != nil {
		return nil, err
	}
	had := before[p]
	added = offline.Without(k.ranges(), had.ranges()...)
	more := slices.DeleteFunc(slices.Clone(k.Of), func(a appliedBefore) bool { return slices.Contains(had.Of, a) })
	if len(added) == 0 && len(more) == 0 {
		return nil, nil
	}
	all := noteOf(offline.Union(append(had.ranges(), added...)...))
	all.At, all.Of = k.At, slices.Concat(had.Of, more)
	return added, x.keep(ctx, removedNotes, source, p, all)
}

// Removed is what of a source was applied and is nowhere, because compaction has removed
// it before it was at rest.
func (x Inspector) Removed(ctx context.Context, source string) ([]Missing, error) {
	notes, err := x.notes(ctx, removedNotes, source)
	left := map[offline.Partition][]offline.Range{}
	for p, k := range notes {
		left[p] = k.ranges()
	}
	return missingOf(source, left), err
}

// RemovedText says so in words, of one source.
func RemovedText(removed []Missing) string {
	return fmt.Sprintf("compaction of the topic has removed records that were applied and not at rest (%s): the values that answer count them, and what is built anew does not", rangesText(removed))
}

// nowhere is what of a source a generation has applied and is nowhere: compaction has removed
// it, or, where it may be of before, a person has accepted that it is lost.
func (w *Worker) nowhere(ctx context.Context, s *definition.StreamSource, v *View, before bool) (out map[online.Partition]restNote, err error) {
	if !w.c.NoteRest {
		return nil, nil
	}
	out = map[online.Partition]restNote{}
	if before {
		if out, err = w.acceptedOf(ctx, s); err != nil {
			return nil, err
		}
	}
	removed, err := w.notesOf(ctx, removedNotes, s)
	for p, k := range removed {
		if !slices.Contains(k.Of, appliedBefore{v.Name(), v.ID().Number}) {
			continue
		}
		had := out[p]
		both := noteOf(offline.Union(append(had.ranges(), k.ranges()...)...))
		both.At = max(had.At, k.At)
		out[p] = both
	}
	return out, err
}
