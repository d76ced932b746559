package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// Fields of a lane's metadata.
const (
	fieldDefinition   = "definition"
	fieldStateVersion = "state_version"
	fieldLanes        = "lanes"
	fieldState        = "state"
	fieldBegun        = "begun" // batches, see apply.lua; or a drop, see drop.lua
	fieldDone         = "done"
)

// Create writes the metadata of every lane that has none. After an error some
// lanes may have it; the same call goes on from there.
func (s *Store) Create(ctx context.Context, g online.Generation, m online.Meta) error {
	if err := g.Check(); err != nil {
		return err
	}
	if err := m.Check(); err != nil {
		return fmt.Errorf("creating %s: %w", g, err)
	}
	if err := s.sameEverywhere(ctx, g, m); err != nil {
		return err
	}
	calls := metaCalls(g, m.Lanes, m.Definition[:], m.StateVersion, m.Lanes, m.State.String())
	cmds := s.run(ctx, s.createScript, calls)
	if err := s.firstError("creating "+g.String(), cmds); err != nil {
		return err
	}
	for _, c := range cmds {
		if n, err := c.Int(); err != nil || n != 1 {
			return featurestore.Invalidf("generation %s exists with other metadata: a changed definition needs a new generation", g)
		}
	}
	return nil
}

// sameEverywhere refuses metadata that any lane contradicts, before the first
// lane is written. The script checks again.
func (s *Store) sameEverywhere(ctx context.Context, g online.Generation, m online.Meta) error {
	lanes, err := s.Lanes(ctx, g, m.Lanes)
	if err != nil {
		return err
	}
	for _, l := range lanes {
		if l.Meta.Lanes > 0 && !l.Meta.SameGeneration(m) {
			return featurestore.Invalidf("generation %s exists with definition %x, state version %d and %d lanes: a changed definition needs a new generation", g, l.Meta.Definition, l.Meta.StateVersion, l.Meta.Lanes)
		}
	}
	return nil
}

// metaCalls is one call for each lane's metadata.
func metaCalls(g online.Generation, lanes uint16, args ...any) []call {
	calls := make([]call, lanes)
	for i, l := range g.LaneIDs(lanes) {
		calls[i] = call{keys: []string{string(l.AppendMetaKey(nil))}, args: args}
	}
	return calls
}

// SetState changes the state of every lane, or of those that have one of some states.
func (s *Store) SetState(ctx context.Context, g online.Generation, state online.State, from ...online.State) error {
	if err := g.Check(); err != nil {
		return err
	}
	if state < online.StateBuilding || state > online.StateCatchingUp {
		return featurestore.Invalidf("a lane cannot be set to state %q", state)
	}
	lanes, err := s.laneCount(ctx, g)
	if err != nil {
		return err
	}
	args := []any{state.String()}
	for _, f := range from {
		args = append(args, f.String())
	}
	cmds := s.run(ctx, s.stateScript, metaCalls(g, lanes, args...))
	if err := s.firstError("setting the state of "+g.String(), cmds); err != nil {
		return err
	}
	return stateError(g, state, cmds)
}

// stateError reads the answers of scripts that give each lane a state.
func stateError(g online.Generation, state online.State, cmds []*redis.Cmd) error {
	missing, others, lanes := 0, 0, len(cmds)
	for _, c := range cmds {
		switch n, err := c.Int(); {
		case err != nil || n == 0:
			missing++
		case n == 2:
			others++
		}
	}
	switch {
	case missing > 0:
		return featurestore.NotFoundf("%d of %d lanes of %s have no metadata: the generation is lost", missing, lanes, g)
	case others > 0:
		return fmt.Errorf("%w: %d of %d lanes of %s cannot become %s", online.ErrStateChanged, others, lanes, g, state)
	}
	return nil
}

// laneCount is the number of lanes of a generation, by the first lane that
// still has metadata.
func (s *Store) laneCount(ctx context.Context, g online.Generation) (uint16, error) {
	for _, n := range []uint16{online.DefaultLanes, online.MostLanes} { // the first nearly always
		lanes, err := s.Lanes(ctx, g, n)
		if err != nil {
			return 0, err
		}
		for _, l := range lanes {
			if l.Meta.Lanes > 0 { // a damaged one does not say, nor one that is being dropped
				return l.Meta.Lanes, nil
			}
		}
	}
	return 0, featurestore.NotFoundf("generation %s has no metadata in the online store", g)
}

// Lanes reads metadata and watermarks of every lane in one round trip.
func (s *Store) Lanes(ctx context.Context, g online.Generation, lanes uint16) ([]online.Lane, error) {
	if err := g.Check(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, s.unavailable("reading lanes", err)
	}
	metas := make([]*redis.MapStringStringCmd, lanes)
	marks := make([]*redis.MapStringStringCmd, lanes)
	sent := make([]routed, 0, 2*lanes)
	for i, l := range g.LaneIDs(lanes) {
		meta, mark := string(l.AppendMetaKey(nil)), string(l.AppendWatermarksKey(nil))
		metas[i] = redis.NewMapStringStringCmd(ctx, "hgetall", meta)
		marks[i] = redis.NewMapStringStringCmd(ctx, "hgetall", mark)
		sent = append(sent, routed{cmd: metas[i], key: meta}, routed{cmd: marks[i], key: mark})
	}
	if err := s.read(ctx, "reading lanes", sent); err != nil {
		return nil, err
	}
	result := make([]online.Lane, lanes)
	var err error
	for i := range result {
		if result[i], err = decodeLane(metas[i].Val(), marks[i].Val()); err != nil {
			return nil, s.unavailable(fmt.Sprintf("lane %s.%d", g, i), err)
		}
	}
	return result, nil
}

// decodeLane reads a lane. One that is damaged is LOST, and is made anew: an error
// would keep every view of the store from its work, for as long as that lane stands.
func decodeLane(meta, marks map[string]string) (l online.Lane, err error) {
	l.Meta, err = decodeMeta(meta)
	if l.Meta.State == online.StateUnknown {
		l.Word = meta[fieldState]
	}
	if err == nil {
		l.Watermarks, err = decodeWatermarks(marks)
	}
	if errors.Is(err, online.ErrDamaged) {
		return online.Lane{Meta: online.Meta{State: online.StateLost}}, nil
	}
	return l, err
}

func decodeMeta(fields map[string]string) (online.Meta, error) {
	if len(fields) == 0 {
		return online.Meta{}, nil
	}
	definition := fields[fieldDefinition]
	version, err1 := strconv.ParseUint(fields[fieldStateVersion], 10, 32)
	lanes, err2 := strconv.ParseUint(fields[fieldLanes], 10, 16)
	lost := fields[fieldBegun] != fields[fieldDone] // it holds a part of a batch that never was, or is being dropped
	if lost && definition == "" {
		return online.Meta{State: online.StateLost}, nil
	}
	if len(definition) != 16 || err1 != nil || err2 != nil || fields[fieldState] == "" {
		return online.Meta{}, fmt.Errorf("%w: metadata %q", online.ErrDamaged, fields)
	}
	state, err := online.ParseState(fields[fieldState])
	if err != nil {
		state = online.StateUnknown // a later release's, maybe
	}
	if lost {
		state = online.StateLost
	}
	return online.Meta{Definition: [16]byte([]byte(definition)), StateVersion: uint32(version), Lanes: uint16(lanes), State: state}, nil
}

func decodeWatermarks(fields map[string]string) (map[online.Partition]online.Watermark, error) {
	marks := make(map[online.Partition]online.Watermark, len(fields))
	for field, value := range fields {
		p, err := online.ParsePartition(field)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", online.ErrDamaged, err)
		}
		if marks[p], err = online.DecodeWatermark([]byte(value)); err != nil {
			return nil, fmt.Errorf("field %q: %w", field, err)
		}
	}
	return marks, nil
}
