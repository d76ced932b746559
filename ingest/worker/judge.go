package worker

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/transforms/oracle"
	"github.com/freshet/freshet/transforms/window"
)

// storedEntity is an entity of the sample as it was read.
type storedEntity struct {
	*sampled
	parts  online.Parts
	state  window.State
	broken error // why it does not decode
	marks  map[online.Partition]online.Watermark
	back   bool
}

func (x *examination) decode(e *sampled, parts online.Parts) storedEntity {
	s := storedEntity{sampled: e, parts: parts}
	if parts.Open != nil || parts.Closed != nil {
		h := codec.Header{Definition: x.view.view.Hash, Key: []byte(e.key)}
		s.broken = codec.DecodeEntity(parts.Open, parts.Closed, h, x.view.view.Plan, &s.state)
	}
	return s
}

func wentBack(before, after online.Lane) bool {
	for p, w := range before.Watermarks {
		if now, there := after.Watermarks[p]; !there || now.Offset < w.Offset {
			return true
		}
	}
	return false
}

// partition is the name of a partition that an applied list names.
func (x *examination) partition(id featurestore.PartitionID) (p online.Partition, ok bool) {
	bindings := x.view.view.Bindings
	if int(id.Source) >= len(bindings) {
		return p, false
	}
	return online.Partition{Source: bindings[id.Source].Source.Name, Generation: id.Generation, Number: id.Partition}, true
}

// needs adds how far the records of an entity must be known.
func (x *examination) needs(s *storedEntity, need map[online.Partition]int64) {
	for p, w := range s.marks {
		if _, reads := x.view.binding[p.Source]; reads && w.LogTime != noLogTime {
			need[p] = max(need[p], w.Offset)
		}
	}
	if s.broken != nil {
		return
	}
	for _, a := range s.state.Applied {
		// What lies beyond the lane was applied since; or it is made up, and the log
		// does not have it.
		if p, ok := x.partition(a.PartitionID); ok {
			need[p] = max(need[p], a.Offset)
		}
	}
}

// judge says what is wrong with an entity, nil for nothing.
func (x *examination) judge(s *storedEntity) (reason error, byOracle bool, err error) {
	switch {
	case s.back:
		return errors.New("its lane went back while it was read"), false, nil
	case s.broken != nil:
		return s.broken, false, nil
	case s.hot:
		return nil, false, nil
	}
	to := x.reach(s)
	want := x.fold(s.sampled, to)
	if reason := x.differs(s, want); reason != nil {
		return reason, false, nil
	}
	reason, err = x.differsByOracle(s, to)
	return reason, true, err
}

// reach is how far an entity must have applied each partition: as far as its lane
// had when it was read, and where its own list goes further, as far as that.
func (x *examination) reach(s *storedEntity) map[featurestore.PartitionID]int64 {
	to := map[featurestore.PartitionID]int64{}
	for p, w := range s.marks {
		if i, reads := x.view.binding[p.Source]; reads {
			to[featurestore.PartitionID{Source: uint16(i), Generation: p.Generation, Partition: p.Number}] = w.Offset
		}
	}
	for _, a := range s.state.Applied {
		if have, met := to[a.PartitionID]; !met || a.Offset > have {
			to[a.PartitionID] = a.Offset
		}
	}
	return to
}

// fold is the state that an entity's records give; it has an empty list where
// none of them counts.
func (x *examination) fold(e *sampled, to map[featurestore.PartitionID]int64) *window.State {
	state := new(window.State)
	plan := x.view.view.Plan
	for i := range e.rows {
		row := &e.rows[i]
		if last, met := to[row.PartitionID]; met && row.Offset <= last && !row.late {
			plan.Apply(state, &row.Row)
		}
	}
	plan.Settle(state)
	return state
}

// differs compares the stored bytes with those of a state.
func (x *examination) differs(s *storedEntity, want *window.State) error {
	if s.parts.Open == nil {
		if len(want.Applied) == 0 || x.expired(want) {
			return nil
		}
		return fmt.Errorf("it is not stored, and %d of its records were applied", len(s.rows))
	}
	h := codec.Header{Definition: x.view.view.Hash, Key: []byte(s.key)}
	open, closed := codec.AppendEntity(nil, nil, h, x.view.view.Plan, want)
	prefix, err := codec.AppliedPrefix(open)
	switch {
	case err != nil:
		return err
	case bytes.Equal(open, s.parts.Open) && bytes.Equal(closed, s.parts.Closed):
		return nil
	case !bytes.HasPrefix(s.parts.Open, prefix):
		return fmt.Errorf("its applied list is %v, its records give %v", s.state.Applied, want.Applied)
	}
	return errors.New("its bytes are not those that its records give")
}

// expired reports whether an entity may be gone by its time to live: whatever is
// asked of it now, its records lie before.
func (x *examination) expired(want *window.State) bool {
	retention, bounded := x.view.view.Plan.Retention()
	last, met := want.Applied.MaxLogTime()
	return x.view.ttl > 0 && bounded && met && int64(x.w.c.Now())-int64(last) > int64(retention)
}

// differsByOracle compares every value, at the first instant at which the state
// may be read, with the oracle's.
func (x *examination) differsByOracle(s *storedEntity, to map[featurestore.PartitionID]int64) (reason, err error) {
	if len(s.state.Applied) == 0 {
		return nil, nil
	}
	view := x.view.view
	var rows []window.Row
	for i := range s.rows {
		if row := &s.rows[i]; row.Offset <= known(to, row.PartitionID) {
			rows = append(rows, row.Row)
		}
	}
	at := view.Plan.ReadTime(&s.state)
	want, err := oracle.Read(view.Config(), rows, oracle.Reading{At: at, Mode: oracle.Exact, Applied: s.state.Applied})
	if err != nil {
		return nil, err
	}
	got := make([]featurestore.Cell, len(view.Features))
	view.Plan.Read(&s.state, at, got)
	for i, f := range view.Features {
		if got[i].Status != want[i].Status || !got[i].Value.Equal(want[i].Value) {
			return fmt.Errorf("its %q at %s is %s, by the oracle it is another value, %s", f.Name, at, got[i].Status, want[i].Status), nil
		}
	}
	return nil, nil
}

func known(to map[featurestore.PartitionID]int64, id featurestore.PartitionID) int64 {
	if last, met := to[id]; met {
		return last
	}
	return math.MinInt64
}
