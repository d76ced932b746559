package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
)

// What is at rest is known to the online store, too: a folder that is lost cannot say
// what it held. The notes are of each source partition (docs/formats/archive-v4.md).
const (
	knownNotes    = "at_rest"  // the offsets that were at rest, for good
	acceptedNotes = "accepted" // those of them that a person has accepted to be lost
	removedNotes  = "removed"  // those that were applied, and that compaction has removed before they were at rest
)

const knownVersion = 1

// restNote is a note of any kind, as JSON.
type restNote struct {
	Version int                  `json:"version"`
	Ranges  [][2]int64           `json:"ranges"`           // of offsets, half-open, ascending and apart
	At      featurestore.Instant `json:"at,omitempty"`     // when it was accepted, or seen to be removed: microseconds
	Reason  string               `json:"reason,omitempty"` // why
	Of      []appliedBefore      `json:"of,omitempty"`     // who had applied what was removed
}

// appliedBefore is a generation that has applied offsets of which records are nowhere.
type appliedBefore struct {
	View       string `json:"view"`
	Generation uint32 `json:"generation"`
}

func noteOf(ranges []offline.Range) restNote {
	k := restNote{Version: knownVersion}
	for _, r := range ranges {
		k.Ranges = append(k.Ranges, [2]int64{r.From, r.To})
	}
	return k
}

func (k *restNote) ranges() []offline.Range {
	var out []offline.Range
	for _, r := range k.Ranges {
		out = append(out, offline.Range{From: r[0], To: r[1]})
	}
	return out
}

// notes reads the notes of one kind about a source.
func (x Inspector) notes(ctx context.Context, name, source string) (map[offline.Partition]restNote, error) {
	fields, err := x.Online.Notes(ctx, x.Project, name)
	if err != nil {
		return nil, err
	}
	out := map[offline.Partition]restNote{}
	for field, value := range fields {
		p, err := online.ParsePartition(field)
		if err == nil && p.Source != source {
			continue
		}
		var k restNote
		if err == nil {
			err = json.Unmarshal(value, &k)
		}
		if err == nil && k.Version != knownVersion {
			err = fmt.Errorf("it has version %d, this program knows %d: use a newer freshet", k.Version, knownVersion)
		}
		if err != nil {
			return nil, featurestore.Invalidf("what the online store has noted of events at rest (%s, field %q) cannot be read: %v", online.AppendNotesKey(nil, x.Project, name), field, err)
		}
		out[offline.Partition{Generation: p.Generation, Partition: p.Number}] = k
	}
	return out, nil
}

func (x Inspector) keep(ctx context.Context, name, source string, p offline.Partition, k restNote) error {
	value, err := json.Marshal(k)
	if err != nil {
		return err
	}
	id := online.Partition{Source: source, Generation: p.Generation, Number: p.Partition}
	return x.Online.SetNotes(ctx, x.Project, name, map[string][]byte{string(id.AppendField(nil)): value})
}

// heldOf is what is at rest of a source, or was until retention has dropped it: those
// of the archive, and all. What is dropped between the two looks stands in the first.
func heldOf(ctx context.Context, h offline.History, s *definition.StreamSource) (archived, all map[offline.Partition][]offline.Range, err error) {
	segments, err := h.Segments(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	dropped, err := h.Dropped(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	archived, all = map[offline.Partition][]offline.Range{}, map[offline.Partition][]offline.Range{}
	for _, g := range segments {
		all[g.Partition] = append(all[g.Partition], g.Offsets)
		if g.Kind == offline.ArchiveSegment {
			archived[g.Partition] = append(archived[g.Partition], g.Offsets)
		}
	}
	for p, d := range dropped {
		all[p], archived[p] = append(all[p], d.Ranges...), append(archived[p], d.Ranges...)
	}
	return archived, all, nil
}

// Note notes what is at rest of a source, beside what is known already. History files
// that came through a topic are their own origin.
func (x Inspector) Note(ctx context.Context, s *definition.StreamSource) error {
	archived, _, err := heldOf(ctx, x.History, s)
	if err != nil || len(archived) == 0 {
		return err
	}
	before, err := x.notes(ctx, knownNotes, s.Name)
	if err != nil {
		return err
	}
	for p, ranges := range archived {
		had := before[p]
		next := offline.Union(append(had.ranges(), ranges...)...)
		if p.Generation == offline.FilesGeneration || slices.Equal(next, had.ranges()) {
			continue
		}
		if err := x.keep(ctx, knownNotes, s.Name, p, noteOf(next)); err != nil {
			return err
		}
	}
	return nil
}

// wasAtRest reports whether all offsets of a range are known to have been at rest.
func (x Inspector) wasAtRest(ctx context.Context, source string, p offline.Partition, r offline.Range) (bool, error) {
	was, err := x.notes(ctx, knownNotes, source)
	k := was[p]
	return err == nil && len(offline.Without([]offline.Range{r}, k.ranges()...)) == 0, err
}

// Missing is what was at rest of a partition, and is not any more: neither in history
// nor in the log, which would give it again.
type Missing struct {
	online.Partition
	Ranges []offline.Range
}

// Offsets are how many.
func (m *Missing) Offsets() (n int64) {
	for _, r := range m.Ranges {
		n += r.To - r.From
	}
	return n
}

// NotHeld is what was at rest of a source and history has no more, also where the log
// still gives it; what a person has accepted is not.
func (x Inspector) NotHeld(ctx context.Context, s *definition.StreamSource) ([]Missing, error) {
	left, _, err := x.notHeld(ctx, s)
	return missingOf(s.Name, left), err
}

// Missing looks for what is missing of a source, of whose logs one is read now; what a
// person has accepted is not. Without a log, what may come from there is not, either,
// where the archive says how far it is.
func (x Inspector) Missing(ctx context.Context, s *definition.StreamSource, generation uint32) ([]Missing, error) {
	left, held, err := x.notHeld(ctx, s)
	if err != nil {
		return nil, err
	}
	for p := range left {
		if p.Generation == generation {
			if left[p], err = x.beforeLog(ctx, s, p, left[p], held[p]); err != nil {
				return nil, err
			}
		}
	}
	return missingOf(s.Name, left), nil
}

// notHeld is what is noted to have been at rest, and neither is nor was accepted, and
// what history has.
func (x Inspector) notHeld(ctx context.Context, s *definition.StreamSource) (left, held map[offline.Partition][]offline.Range, err error) {
	was, err := x.notes(ctx, knownNotes, s.Name)
	if err != nil || len(was) == 0 {
		return nil, nil, err
	}
	accepted, err := x.notes(ctx, acceptedNotes, s.Name)
	if err != nil {
		return nil, nil, err
	}
	if _, held, err = heldOf(ctx, x.History, s); err != nil {
		return nil, nil, err
	}
	left = map[offline.Partition][]offline.Range{}
	for p, k := range was {
		given := accepted[p]
		if lacks := offline.Without(k.ranges(), append(given.ranges(), held[p]...)...); len(lacks) > 0 {
			left[p] = lacks
		}
	}
	return left, held, nil
}

func missingOf(source string, left map[offline.Partition][]offline.Range) []Missing {
	var out []Missing
	for p, ranges := range left {
		if len(ranges) > 0 {
			out = append(out, Missing{online.Partition{Source: source, Generation: p.Generation, Number: p.Partition}, ranges})
		}
	}
	slices.SortFunc(out, func(a, b Missing) int { return a.Partition.Compare(b.Partition) })
	return out
}

// beforeLog leaves out what the log still holds: it is archived again from there. That
// the log is the one that was archived is looked at elsewhere.
func (x Inspector) beforeLog(ctx context.Context, s *definition.StreamSource, p offline.Partition, left, held []offline.Range) ([]offline.Range, error) {
	if x.Log == nil {
		if len(held) == 0 {
			return left, nil
		}
		return offline.Without(left, offline.Range{From: endOf(offline.Union(held...)), To: offline.MaxOffset}), nil
	}
	n, err := x.Log.Partitions(ctx, s.Topic)
	if errors.Is(err, featurestore.ErrNotFound) || err == nil && int(p.Partition) >= n {
		return left, nil
	}
	if err != nil {
		return nil, err
	}
	bounds, err := x.Log.Bounds(ctx, s.Topic, p.Partition)
	if err != nil {
		return nil, err
	}
	return offline.Without(left, offline.Range{From: bounds.Start, To: offline.MaxOffset}), nil
}

// AcceptMissing says that what is missing is lost for good, and goes on without it.
func (x Inspector) AcceptMissing(ctx context.Context, missing []Missing, reason string, at featurestore.Instant) error {
	for i := range missing {
		m := &missing[i]
		before, err := x.notes(ctx, acceptedNotes, m.Source)
		if err != nil {
			return err
		}
		p := offline.Partition{Generation: m.Generation, Partition: m.Number}
		had := before[p]
		k := noteOf(offline.Union(append(had.ranges(), m.Ranges...)...))
		k.At, k.Reason = at, reason
		if had.Reason != "" && reason != "" {
			k.Reason = had.Reason + "; " + reason
		}
		if err := x.keep(ctx, acceptedNotes, m.Source, p, k); err != nil {
			return err
		}
	}
	return nil
}

// MissingError keeps a generation from being built, and entities from being folded
// anew, from less than what was at rest.
type MissingError struct{ Missing []Missing }

func (e *MissingError) Error() string {
	return MissingText(e.Missing) + "; " + MissingNext(e.Missing[0].Source)
}

// MissingText says in words what is missing of a source.
func MissingText(missing []Missing) string {
	return fmt.Sprintf("events of source %q that were at rest are not any more, and the log has them no longer (%s): %s", missing[0].Source, rangesText(missing), whyMissing)
}

// NotHeldText says so where the log was not asked.
func NotHeldText(missing []Missing) string {
	return fmt.Sprintf("events of source %q that were at rest are not any more (%s): %s", missing[0].Source, rangesText(missing), whyMissing)
}

const whyMissing = "the folder of events at rest was lost or emptied, or is another than before"

func rangesText(missing []Missing) string {
	var parts []string
	for i := range missing {
		m := &missing[i]
		text := fmt.Sprintf("partition %d", m.Number)
		if m.Generation != registry.FirstLog {
			text += fmt.Sprintf(" of log %d", m.Generation)
		}
		parts = append(parts, text+": offsets "+offsetsText(m.Ranges))
	}
	return strings.Join(parts, "; ")
}

func offsetsText(ranges []offline.Range) string {
	var out []string
	for _, r := range ranges {
		out = append(out, fmt.Sprintf("%d to %d", r.From, r.To-1))
	}
	return strings.Join(out, ", ")
}

// MissingNext is the way on for people.
func MissingNext(source string) string {
	return "stop the ingesters, restore it or set offline.dir to the folder that has them, and start them again; or go on without them: " + AcceptLossCommand(source)
}

// AcceptLossCommand is the command that accepts what is missing.
func AcceptLossCommand(source string) string { return "freshet archive accept-loss " + source }
