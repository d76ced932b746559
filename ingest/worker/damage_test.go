package worker

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/transforms/window"
)

// spoil damages the stored blobs of every entity, each in another way, and says
// how many there were.
func (p *plant) spoil(view *definition.StreamView) int {
	p.t.Helper()
	n := 0
	lanes, err := p.store.Lanes(p.t.Context(), generation, lanesOfTests)
	ok(p.t, err)
	for key := range expect(p.t, view, p.parts(view)...).rows {
		id := online.EntityID{LaneID: online.LaneID{Generation: generation, Lane: codec.Lane([]byte(key), lanesOfTests)}, Key: []byte(key), Split: true}
		parts, err := p.store.Get(p.t.Context(), []online.EntityID{id})
		ok(p.t, err)
		open := parts[0].Open
		if open == nil {
			continue // none of its events counts
		}
		w := online.Write{Key: id.Key, Expect: open, Blob: bytes.Clone(open)}
		switch n % 3 {
		case 0:
			w.Blob[len(w.Blob)-n%len(w.Blob)-1] ^= 1
		case 1:
			w.Blob = w.Blob[:len(w.Blob)-1-n%9]
		case 2:
			w.Closed = []byte("a closed part that nobody wrote")
		}
		for q, mark := range lanes[id.Lane].Watermarks {
			b := online.Batch{Lane: id.LaneID, Definition: view.Hash, Partition: q, From: mark.Offset, To: mark, Writes: []online.Write{w}}
			if r := p.store.Apply(p.t.Context(), []online.Batch{b}); r[0].Outcome != online.OutcomeOK {
				p.t.Fatalf("%+v", r)
			}
			break
		}
		n++
	}
	return n
}

// damaged are the entities that do not decode.
func (p *plant) damaged(view *definition.StreamView) (keys []string) {
	p.t.Helper()
	for key := range expect(p.t, view, p.parts(view)...).rows {
		id := online.EntityID{LaneID: online.LaneID{Generation: generation, Lane: codec.Lane([]byte(key), lanesOfTests)}, Key: []byte(key), Split: true}
		parts, err := p.store.Get(p.t.Context(), []online.EntityID{id})
		ok(p.t, err)
		if parts[0].Open == nil && parts[0].Closed == nil {
			continue
		}
		if codec.DecodeEntity(parts[0].Open, parts[0].Closed, codec.Header{Definition: view.Hash, Key: id.Key}, view.Plan, new(window.State)) != nil {
			keys = append(keys, key)
		}
	}
	return keys
}

// unsealed is an archive of which nothing ever comes to rest.
type unsealed struct{ Archive }

func (unsealed) Seal() (durable func() error) { return func() error { return nil } }

// Entities whose bytes have rotted are rebuilt when the next record of theirs
// comes: from what is at rest, and from the log what is not; the partition goes on.
func TestDamagedEntitiesAreRebuilt(t *testing.T) {
	for _, from := range []string{"archive", "log", "both"} {
		t.Run(from, func(t *testing.T) {
			p, view := newActivity(t)
			if from == "log" {
				p.openArchive = func(s *definition.StreamSource) (Archive, error) {
					a, err := p.realArchive(s)
					return unsealed{a}, err
				}
			}
			p.some(31, 60)
			p.start()
			p.right(view, 1)
			if from == "both" {
				ok(t, p.worker.Flush())
				p.openArchive = nil
			}
			p.some(32, 20)
			p.settled(view, 1)
			n := p.spoil(view)
			if n < 4 || len(p.damaged(view)) != n {
				t.Fatalf("%d entities were spoilt, %v do not decode", n, p.damaged(view))
			}
			ok(t, p.worker.views[generation].view.Reload(t.Context())) // nobody holds them decoded
			p.some(33, 40)
			p.right(view, 1)
			if left := p.damaged(view); len(left) > 0 {
				t.Errorf("%q are still damaged", left)
			}
			counts := p.worker.ViewCounts()[generation]
			if counts.Rebuilt != int64(n) || counts.Damaged < int64(n) {
				t.Errorf("of %d entities %d were met and %d rebuilt", n, counts.Damaged, counts.Rebuilt)
			}
		})
	}
}

// Where neither history nor log holds what an entity is made of, nothing is made
// up: the partition halts and says why, and the damage stays as it is.
func TestDamageWithoutHistory(t *testing.T) {
	for words, noted := range map[string]bool{"expired": false, "at rest are not any more": true} {
		t.Run(words, func(t *testing.T) {
			p, view := newActivity(t)
			p.configure = func(c *Config) { c.NoteRest = noted }
			p.some(34, 60)
			p.start()
			p.right(view, 1)
			p.stop()
			p.spoil(view)
			before := p.damaged(view)
			p.wipe("history")
			p.log.expired.Store(30) // before the last record that was applied: no gap by itself
			p.openArchive = func(s *definition.StreamSource) (Archive, error) {
				a, err := p.realArchive(s)
				return unsealed{a}, err
			}
			p.start()
			p.some(35, 10)
			p.eventually("a partition says why it halts", func() bool {
				return slices.ContainsFunc(p.worker.Progress().Statuses(), func(s PartitionStatus) bool {
					return strings.Contains(s.Trouble, errRebuild.Error()) && strings.Contains(s.Trouble, words)
				})
			})
			if after := p.damaged(view); len(after) != len(before) {
				t.Errorf("%d entities were damaged, now %d are", len(before), len(after))
			}
		})
	}
}
