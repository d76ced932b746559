package embedded

import (
	"bytes"
	"context"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// Apply checks each batch under the lock of its lane and commits all that hold
// as one write of the log.
func (s *Store) Apply(ctx context.Context, batches []online.Batch) []online.Result {
	results := make([]online.Result, len(batches))
	if err := s.applyAll(ctx, batches, results); err != nil {
		for i := range results {
			if o := results[i].Outcome; o == online.OutcomeOK || o == online.OutcomeUnknown {
				results[i] = online.Result{Err: err}
			}
		}
	}
	return results
}

func (s *Store) applyAll(ctx context.Context, batches []online.Batch, results []online.Result) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if err := ctx.Err(); err != nil {
		return featurestore.Unavailablef("writing the online store: %w", err)
	}
	h := s.lanes.hold(func(yield func(online.LaneID) bool) {
		for i := range batches {
			if !yield(batches[i].Lane) {
				return
			}
		}
	})
	defer h.release()
	g := s.newGroup(batches)
	defer g.batch.Close()
	for i := range batches {
		outcome, err := g.apply(&batches[i])
		if err != nil {
			return err
		}
		results[i].Outcome = outcome
	}
	if err := g.batch.Commit(s.write); err != nil {
		return featurestore.Unavailablef("writing the online store: %w", err)
	}
	return nil
}

// group is the one write that batches of several lanes become.
type group struct {
	s     *Store
	now   featurestore.Instant
	batch *pebble.Batch
	// staged holds what the group itself has written, so that the second batch
	// of a lane sees the first; nil where no lane occurs twice.
	staged map[string][]byte
	// expired are the writes of the batch at hand whose entity has expired, but
	// was not removed yet.
	expired []int
	key     []byte
	value   []byte
}

func (s *Store) newGroup(batches []online.Batch) *group {
	g := &group{s: s, now: s.now()}
	lanes := make(map[online.LaneID]struct{}, len(batches))
	size := 0
	for i := range batches {
		b := &batches[i]
		lanes[b.Lane] = struct{}{}
		size += 512
		for j := range b.Writes {
			size += len(b.Writes[j].Key) + len(b.Writes[j].Blob) + len(b.Writes[j].Closed) + 128
		}
	}
	if len(lanes) < len(batches) {
		g.staged = map[string][]byte{}
	}
	g.batch = s.db.NewBatchWithSize(size)
	return g
}

// apply checks one batch, and adds it to the group where every check holds: all
// of them stand before the first write.
func (g *group) apply(b *online.Batch) (online.Outcome, error) {
	outcome, err := g.check(b)
	if err != nil || outcome != online.OutcomeOK {
		return outcome, err
	}
	expiry := expiryAfter(g.now, b.TTL)
	for i := range b.Writes {
		w := &b.Writes[i]
		if len(w.Blob) == 0 {
			continue
		}
		g.key = b.Lane.AppendEntityKey(g.key[:0], w.Key)
		g.value = appendValue(g.value[:0], expiry, w.Blob)
		if err := g.put(); err != nil {
			return online.OutcomeUnknown, err
		}
		if err := g.putClosed(b.Lane, w, slices.Contains(g.expired, i)); err != nil {
			return online.OutcomeUnknown, err
		}
	}
	g.key = appendWatermarkKey(g.key[:0], b.Lane, b.Partition)
	g.value = online.AppendWatermark(g.value[:0], b.To)
	return online.OutcomeOK, g.put()
}

// putClosed sets or removes a closed part. One that an expired entity left
// behind is not taken over by the next of the same key.
func (g *group) putClosed(l online.LaneID, w *online.Write, expired bool) error {
	g.key = l.AppendClosedKey(g.key[:0], w.Key)
	switch {
	case len(w.Closed) > 0:
		g.value = append(g.value[:0], w.Closed...)
		return g.put()
	case w.Closed != nil || expired:
		return g.remove()
	}
	return nil
}

// remove deletes g.key.
func (g *group) remove() error {
	if g.staged != nil {
		g.staged[string(g.key)] = nil
	}
	if err := g.batch.Delete(g.key, nil); err != nil {
		return featurestore.Unavailablef("writing the online store: %w", err)
	}
	return nil
}

// put writes g.value under g.key.
func (g *group) put() error {
	if g.staged != nil {
		g.staged[string(g.key)] = bytes.Clone(g.value)
	}
	return set(g.batch, g.key, g.value)
}

func (g *group) check(b *online.Batch) (online.Outcome, error) {
	ok, err := g.checkDefinition(b)
	if err != nil || !ok {
		return online.OutcomeDefinition, err
	}
	if ok, err = g.checkWatermark(b); err != nil || !ok {
		return online.OutcomeWatermark, err
	}
	g.expired = g.expired[:0]
	for i := range b.Writes {
		g.key = b.Lane.AppendEntityKey(g.key[:0], b.Writes[i].Key)
		ok, expired, err := g.checkEntity(b.Writes[i].Expect, b.Whole)
		if err != nil || !ok {
			return online.OutcomeVersion, err
		}
		if expired {
			g.expired = append(g.expired, i)
		}
	}
	return online.OutcomeOK, nil
}

func (g *group) checkDefinition(b *online.Batch) (ok bool, err error) {
	g.key = b.Lane.AppendMetaKey(g.key[:0])
	err = g.view(func(value []byte) error {
		if value == nil {
			return nil
		}
		m, err := decodeMeta(value)
		ok = m.Definition == b.Definition
		return err
	})
	return ok, err
}

func (g *group) checkWatermark(b *online.Batch) (ok bool, err error) {
	g.key = appendWatermarkKey(g.key[:0], b.Lane, b.Partition)
	g.value = online.AppendWatermarkHead(g.value[:0], b.From)
	err = g.view(func(value []byte) error {
		if value == nil {
			ok = b.From == -1
		} else {
			ok = bytes.HasPrefix(value, g.value)
		}
		return nil
	})
	return ok, err
}

func (g *group) checkEntity(expect []byte, whole bool) (ok, expired bool, err error) {
	err = g.view(func(value []byte) error {
		var blob []byte
		blob, expired = blobOf(value, g.now)
		ok = sameBlob(blob, expect, whole)
		return nil
	})
	return ok, expired, err
}

// sameBlob reports whether a stored blob begins with the applied list that was
// read, or is the whole one that was. The list says its own length, so equality of
// these bytes is equality of lists.
func sameBlob(blob, expect []byte, whole bool) bool {
	switch {
	case expect == nil:
		return blob == nil
	case whole || len(expect) == 0:
		return blob != nil && bytes.Equal(blob, expect)
	}
	return bytes.HasPrefix(blob, expect)
}

// view hands f the value of g.key, nil where there is none.
func (g *group) view(f func(value []byte) error) error {
	if value, ok := g.staged[string(g.key)]; ok {
		return f(value)
	}
	value, done, err := get(g.s.db, g.key)
	if err != nil {
		return err
	}
	return orUnavailable(f(value), done())
}

func appendWatermarkKey(dst []byte, l online.LaneID, p online.Partition) []byte {
	return p.AppendField(append(l.AppendWatermarksKey(dst), ':'))
}
