package worker

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/online"
)

// memoryStore is the contract of online.Store in maps, with the faults that a
// real one has: a batch whose fate stays unknown, one that arrives late, and a
// failover to an older state. Time to live is only recorded.
type memoryStore struct {
	mu    sync.Mutex
	lanes map[online.LaneID]*memoryLane
	late  []online.Batch // sent, reported as unknown, not arrived yet
	ttl   time.Duration  // of the last batch

	moved int // how often something changed

	notes map[string]map[string][]byte // by project and name, by field

	// fate is asked for each batch; nil is no fault.
	fate func(*online.Batch) fate
	// down fails every call with ErrUnavailable.
	down bool
}

type memoryLane struct {
	meta  online.Meta
	marks map[online.Partition]online.Watermark
	blobs map[string][]byte

	closed map[string][]byte

	last uint64 // the batch that wrote entities last

	spoiled bool // keys were evicted of it
	drop    int  // that is under way
}

// fate is what becomes of a batch.
type fate int

const (
	arrives fate = iota
	answerLost
	batchLost
	arrivesLate
	refused
)

var _ online.Store = (*memoryStore)(nil)

func newMemoryStore() *memoryStore {
	return &memoryStore{lanes: map[online.LaneID]*memoryLane{}, notes: map[string]map[string][]byte{}}
}

func (l *memoryLane) clone() *memoryLane {
	return &memoryLane{meta: l.meta, marks: maps.Clone(l.marks), blobs: maps.Clone(l.blobs), closed: maps.Clone(l.closed), last: l.last, drop: l.drop}
}

var errDown = featurestore.Unavailablef("the store is down")

func (s *memoryStore) Get(_ context.Context, ids []online.EntityID) ([]online.Parts, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, errDown
	}
	out := make([]online.Parts, len(ids))
	for i, id := range ids {
		l := s.lanes[id.LaneID]
		if l == nil {
			continue
		}
		out[i].Open = bytes.Clone(l.blobs[string(id.Key)])
		if id.Split {
			out[i].Closed = bytes.Clone(l.closed[string(id.Key)])
		}
	}
	return out, nil
}

func (s *memoryStore) Apply(_ context.Context, batches []online.Batch) []online.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]online.Result, len(batches))
	for i := range batches {
		b := &batches[i]
		s.ttl = b.TTL
		f := arrives
		if s.fate != nil {
			f = s.fate(b)
		}
		if s.down {
			f = batchLost
		}
		switch f {
		case arrives:
			out[i].Outcome, out[i].Followed = s.apply(b)
			continue
		case answerLost:
			s.apply(b)
		case arrivesLate:
			s.late = append(s.late, ownedBatch(b))
		case refused:
			out[i].Outcome = online.OutcomeRefused
		case batchLost:
		}
		out[i].Err = featurestore.Unavailablef("no answer came")
	}
	return out
}

// arriveLate lets the oldest late batch arrive.
func (s *memoryStore) arriveLate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.late) > 0 {
		s.apply(&s.late[0])
		s.late = s.late[1:]
	}
}

func ownedMark(w online.Watermark) online.Watermark {
	w.Prints = slices.Clone(w.Prints)
	return w
}

func ownedBatch(b *online.Batch) online.Batch {
	out := *b
	out.To = ownedMark(b.To)
	out.Writes = make([]online.Write, len(b.Writes))
	for i, w := range b.Writes {
		out.Writes[i] = online.Write{Key: bytes.Clone(w.Key), Expect: bytes.Clone(w.Expect), Blob: bytes.Clone(w.Blob), Closed: bytes.Clone(w.Closed), Renew: w.Renew, Keep: w.Keep, Known: w.Known}
	}
	return out
}

func (s *memoryStore) apply(b *online.Batch) (_ online.Outcome, followed bool) {
	l := s.lanes[b.Lane]
	if l == nil || l.meta.Definition != b.Definition {
		return online.OutcomeDefinition, false
	}
	at := int64(-1)
	if w, ok := l.marks[b.Partition]; ok {
		at = w.Offset
	}
	if at != b.From && (!without("watermarks are equal, not smaller") || b.To.Offset < at) {
		return online.OutcomeWatermark, false
	}
	followed = b.After != 0 && l.last == b.After
	for _, w := range b.Writes {
		if !((followed || without("what is known is compared where another has written")) && w.Known) && !s.same(l.blobs[string(w.Key)], w.Expect, b.Whole) {
			return online.OutcomeVersion, false
		}
	}
	for _, w := range b.Writes {
		if len(w.Blob) == 0 {
			continue
		}
		l.last = b.ID
		l.blobs[string(w.Key)] = bytes.Clone(w.Blob)
		if len(w.Closed) > 0 {
			l.closed[string(w.Key)] = bytes.Clone(w.Closed)
		} else if w.Closed != nil {
			delete(l.closed, string(w.Key))
		}
	}
	if len(b.Writes) > 0 || b.From != b.To.Offset {
		s.moved++
	}
	l.marks[b.Partition] = ownedMark(b.To)
	return online.OutcomeOK, followed
}

// same reports whether a stored blob has the applied list that was read.
func (s *memoryStore) same(have, expect []byte, whole bool) bool {
	switch {
	case without("entities are compared"):
		return true
	case expect == nil:
		return have == nil
	case whole:
		return have != nil && bytes.Equal(have, expect)
	case len(expect) == 0:
		return have != nil && len(have) == 0
	case without("the whole list is compared, not a counter"):
		return counter(have) == counter(expect)
	}
	return bytes.HasPrefix(have, expect)
}

// counter is a number that grows with each record of an applied list.
func counter(blob []byte) (n int64) {
	list, err := codec.AppliedOf(blob)
	if err != nil {
		return -1
	}
	for _, e := range list {
		n += e.Offset + 1
	}
	return n
}

func (s *memoryStore) Create(_ context.Context, g online.Generation, m online.Meta) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return errDown
	}
	for _, id := range g.LaneIDs(m.Lanes) {
		if l := s.lanes[id]; l != nil && l.meta.State != online.StateMissing {
			if l.meta.Lanes > 0 && !l.meta.SameGeneration(m) {
				return featurestore.Invalidf("lane %d has other metadata", id.Lane)
			}
			continue
		} else if l != nil { // its metadata is gone, and nothing else
			l.meta, l.last = m, 0
			continue
		}
		s.moved++
		s.lanes[id] = &memoryLane{meta: m, marks: map[online.Partition]online.Watermark{}, blobs: map[string][]byte{}, closed: map[string][]byte{}}
	}
	return nil
}

func (s *memoryStore) SetState(_ context.Context, g online.Generation, state online.State, from ...online.State) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return errDown
	}
	there, lanes, others := 0, 1, false
	for id, l := range s.lanes {
		if id.Generation != g || l.meta.Lanes == 0 {
			continue
		}
		switch there, lanes = there+1, int(l.meta.Lanes); {
		case l.meta.State == state:
		case len(from) > 0 && !slices.Contains(from, l.meta.State) && !without("states are compared"):
			others = true
		default:
			l.meta.State = state
			s.moved++
		}
	}
	if there < lanes {
		return featurestore.NotFoundf("%d of %d lanes have no metadata", lanes-there, lanes)
	}
	if others {
		return online.ErrStateChanged
	}
	return nil
}

func (s *memoryStore) Filled(_ context.Context, g online.Generation, through []map[online.Partition]int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return errDown
	}
	missing, others := false, false
	for i, id := range g.LaneIDs(uint16(len(through))) {
		l := s.lanes[id]
		if l == nil || l.meta.Lanes == 0 {
			missing = true
			continue
		}
		if l.meta.State != online.StateBuilding && !without("states are compared") {
			continue
		}
		stands := true
		for p, offset := range through[i] {
			w, met := l.marks[p]
			stands = stands && met && w.Offset == offset
		}
		if others = others || !stands; stands {
			l.meta.State = online.StateCatchingUp
			s.moved++
		}
	}
	switch {
	case missing:
		return featurestore.NotFoundf("lanes have no metadata")
	case others:
		return online.ErrStateChanged
	}
	return nil
}

func (s *memoryStore) Lanes(_ context.Context, g online.Generation, lanes uint16) ([]online.Lane, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, errDown
	}
	out := make([]online.Lane, lanes)
	for i, id := range g.LaneIDs(lanes) {
		if l := s.lanes[id]; l != nil {
			out[i] = online.Lane{Meta: l.meta, Watermarks: map[online.Partition]online.Watermark{}}
			for p, w := range l.marks {
				out[i].Watermarks[p] = ownedMark(w)
			}
		}
	}
	return out, nil
}

func (s *memoryStore) PutRows(context.Context, online.Generation, uint16, []online.Row, time.Duration) (int, error) {
	return 0, featurestore.Invalidf("batch rows have no place here")
}

func (s *memoryStore) Drop(_ context.Context, g online.Generation, lanes uint16) error {
	return s.endDrop(g, lanes, s.beginDrop(g, lanes))
}

// beginDrop makes lanes LOST, to which nobody can apply; endDrop removes them, where
// they are not another drop's by then, or were made anew.
func (s *memoryStore) beginDrop(g online.Generation, lanes uint16) (drop int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return 0
	}
	s.moved++
	for _, id := range g.LaneIDs(lanes) {
		l := &memoryLane{blobs: map[string][]byte{}, closed: map[string][]byte{}}
		if old := s.lanes[id]; old != nil {
			l = old.clone()
		}
		l.meta, l.marks, l.drop = online.Meta{State: online.StateLost}, map[online.Partition]online.Watermark{}, s.moved
		s.lanes[id] = l
	}
	return s.moved
}

func (s *memoryStore) endDrop(g online.Generation, lanes uint16, drop int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down || drop == 0 {
		return errDown
	}
	for _, id := range g.LaneIDs(lanes) {
		if l := s.lanes[id]; l == nil || l.drop != drop {
			return featurestore.Unavailablef("another process drops it")
		}
	}
	for _, id := range g.LaneIDs(lanes) {
		delete(s.lanes, id)
	}
	s.moved++
	return nil
}

func (s *memoryStore) Check(context.Context) error           { return nil }
func (s *memoryStore) Evicted(context.Context) (bool, error) { return false, nil }
func (s *memoryStore) NoteEvicted(context.Context) error     { return nil }
func (s *memoryStore) Close() error                          { return nil }

func (s *memoryStore) Notes(_ context.Context, project, name string) (map[string][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, errDown
	}
	return maps.Clone(s.notes[project+"/"+name]), nil
}

func (s *memoryStore) SetNotes(_ context.Context, project, name string, fields map[string][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return errDown
	}
	of := project + "/" + name
	if s.notes[of] == nil {
		s.notes[of] = map[string][]byte{}
	}
	for field, value := range fields {
		if s.notes[of][field] = value; len(value) == 0 {
			delete(s.notes[of], field)
		}
	}
	return nil
}

// snapshot is all lanes as they stand now.
func (s *memoryStore) snapshot() map[online.LaneID]*memoryLane {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[online.LaneID]*memoryLane{}
	for id, l := range s.lanes {
		out[id] = l.clone()
	}
	return out
}

// failover takes a lane back to how it stood in a snapshot.
func (s *memoryStore) failover(old map[online.LaneID]*memoryLane, id online.LaneID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := old[id]; l != nil {
		s.lanes[id] = l.clone()
	}
}
