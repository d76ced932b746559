package redis_test

import (
	"context"
	"errors"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/redis"
)

// A field of a lane's metadata or watermarks that somebody deleted or overwrote
// makes that lane LOST, and no other; it is no error, which would keep every view
// of the store from its work. The generation can be made anew.
func TestADamagedLaneIsLost(t *testing.T) {
	ctx := context.Background()
	srv := server(t)
	s := open(t, redis.Config{Addrs: []string{srv.Addr()}})
	const lanes = 3
	meta := online.Meta{Definition: [16]byte{1}, StateVersion: 2, Lanes: lanes, State: online.StateLive}
	for i, damage := range [][]string{
		{"HDEL", ":m", "definition"}, {"HDEL", ":m", "state_version"}, {"HDEL", ":m", "lanes"}, {"HDEL", ":m", "state"},
		{"HSET", ":m", "definition", "short"}, {"HSET", ":m", "lanes", "many"},
		{"HSET", ":w", "orders|1|0", "x"}, {"HSET", ":w", "orders|1|0", "\x01\x00\x00\x00\x00\x00\x00\x00\x00\xff"}, {"HSET", ":w", "orders", "x"},
	} {
		g := online.Generation{Project: "p", View: "v", Number: uint32(i + 1)}
		if err := s.Create(ctx, g, meta); err != nil {
			t.Fatal(err)
		}
		lane := g.LaneIDs(lanes)[0]
		key := string(lane.AppendMetaKey(nil))
		if damage[1] == ":w" {
			key = string(lane.AppendWatermarksKey(nil))
		}
		args := []any{damage[0], key}
		for _, a := range damage[2:] {
			args = append(args, a)
		}
		if err := srv.Do(ctx, args...); err != nil {
			t.Fatal(err)
		}
		got, err := s.Lanes(ctx, g, lanes)
		if err != nil {
			t.Errorf("%q: %v", damage, err)
			continue
		}
		if got[0].Meta.State != online.StateLost || got[1].Meta != meta || got[2].Meta != meta {
			t.Errorf("%q: the lanes are %+v", damage, got)
		}
		if err := s.SetState(ctx, g, online.StateGap); err != nil && !(damage[2] == "definition" && errors.Is(err, featurestore.ErrNotFound)) {
			t.Errorf("%q: the lane says not how many there are: %v", damage, err)
		}
		if err := s.Drop(ctx, g, lanes); err != nil {
			t.Fatal(err)
		}
		if err := s.Create(ctx, g, meta); err != nil {
			t.Errorf("%q: it cannot be made anew: %v", damage, err)
		}
	}
}

// A lane whose state is a word that this release does not know is no error, and not
// LOST: it says which, and may become any state that is wanted of every lane.
func TestALaneOfAnUnknownState(t *testing.T) {
	ctx, srv := context.Background(), server(t)
	s := open(t, redis.Config{Addrs: []string{srv.Addr()}})
	g, meta := online.Generation{Project: "p", View: "v", Number: 1}, online.Meta{Definition: [16]byte{1}, StateVersion: 2, Lanes: 3, State: online.StateLive}
	if err := s.Create(ctx, g, meta); err != nil {
		t.Fatal(err)
	}
	do(t, srv, "HSET", string(g.LaneIDs(3)[1].AppendMetaKey(nil)), "state", "PAUSED")
	got, err := s.Lanes(ctx, g, 3)
	if err != nil || got[0].Meta != meta || got[1].Meta.State != online.StateUnknown || got[1].Word != "PAUSED" || !got[1].Meta.SameGeneration(meta) || online.Worst(got) != online.StateUnknown {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := online.Unknown(got); err == nil || online.Unknown(got[:1]) != nil {
		t.Errorf("which it is: %v", err)
	}
	if err := s.Create(ctx, g, meta); err != nil {
		t.Errorf("made again: %v", err)
	}
	if err := s.SetState(ctx, g, online.StateGap, online.StateLive); !errors.Is(err, online.ErrStateChanged) {
		t.Errorf("from LIVE: %v", err)
	}
	if err := s.SetState(ctx, g, online.StateUnknown); !errors.Is(err, featurestore.ErrInvalid) {
		t.Errorf("it is stored: %v", err)
	}
	if err := s.SetState(ctx, g, online.StateLost); err != nil {
		t.Error(err)
	}
	if got, err := s.Lanes(ctx, g, 3); err != nil || online.Worst(got) != online.StateLost {
		t.Errorf("%+v, %v", got, err)
	}
}
