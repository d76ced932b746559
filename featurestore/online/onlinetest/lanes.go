package onlinetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

func testCreate(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", online.DefaultLanes)
	for i, l := range f.lanes() {
		if l.Meta != f.meta || len(l.Watermarks) != 0 {
			t.Fatalf("lane %d is created as %+v", i, l)
		}
	}
	f.apply(f.step(-1, 3, write("a", nil, Blob("1", nil))), online.OutcomeOK)
	if err := s.SetState(f.ctx, f.g, online.StateHalted); err != nil {
		t.Fatal(err)
	}
	again := f.meta
	again.State = online.StateBuilding
	if err := s.Create(f.ctx, f.g, again); err != nil {
		t.Fatalf("creating twice: %v", err)
	}
	if got := f.lanes()[0].Meta.State; got != online.StateHalted {
		t.Errorf("creating twice changed the state to %v", got)
	}
	f.wantOffset(3)
	f.wantBlob("a", Blob("1", nil))
	for _, change := range []func(*online.Meta){
		func(m *online.Meta) { m.Definition[3]++ }, func(m *online.Meta) { m.StateVersion++ }, func(m *online.Meta) { m.Lanes = 2 },
		func(m *online.Meta) { m.Lanes = 0 }, func(m *online.Meta) { m.Lanes = online.MostLanes + 1 }, func(m *online.Meta) { m.State = online.StateMissing },
	} {
		other := f.meta
		change(&other)
		f.wantKind(s.Create(f.ctx, f.g, other), featurestore.ErrInvalid)
	}
	f.meta.State = online.StateHalted
	for i, l := range f.lanes() {
		if l.Meta != f.meta {
			t.Fatalf("lane %d is %+v after a refused creation", i, l.Meta)
		}
	}
}

// testStatesRead: a read gives what the lane says of itself by then where it is asked
// for, also of entities that are absent, and of lanes that are not there.
func testStatesRead(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 4)
	f.apply(f.step(-1, 3, write("a", nil, Blob("1", nil))), online.OutcomeOK)
	id := func(lane uint16, key string, state bool) online.EntityID {
		return online.EntityID{LaneID: f.lane(lane), Key: []byte(key), Split: true, State: state}
	}
	read := func(want ...online.State) {
		t.Helper()
		ids := []online.EntityID{id(0, "a", true), id(0, "b", true), id(1, "a", true), id(2, "a", false), id(0, "c", true), id(9, "a", true)}
		parts, err := s.Get(f.ctx, ids)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range parts {
			if (p.Open != nil) != (i == 0 && want[0] != online.StateMissing) || p.Lane != want[i] {
				t.Errorf("entity %d: %s in a lane that says %q, want %q", i, show(p.Open), p.Lane, want[i])
			}
		}
	}
	const none = online.StateMissing
	for _, state := range []online.State{online.StateBuilding, online.StateLive, online.StateLost, online.StateHalted} {
		if err := s.SetState(f.ctx, f.g, state); err != nil {
			t.Fatal(err)
		}
		read(state, state, state, none, state, none)
	}
	if err := s.Drop(f.ctx, f.g, f.meta.Lanes); err != nil {
		t.Fatal(err)
	}
	read(none, none, none, none, none, none)
}

func testSetState(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 70)
	other := newFixture(t, s, "w", 2)
	for _, state := range []online.State{online.StateBuilding, online.StateLive, online.StateLost, online.StateGap, online.StateHalted, online.StateCatchingUp} {
		if err := s.SetState(f.ctx, f.g, state); err != nil {
			t.Fatal(err)
		}
		f.meta.State = state
		for i, l := range f.lanes() {
			if l.Meta != f.meta {
				t.Fatalf("lane %d is %+v, want %+v", i, l.Meta, f.meta)
			}
		}
		f.apply(f.step(-1, -1), online.OutcomeOK) // a state is for readers: it does not stop an apply
	}
	if err := s.SetState(f.ctx, f.g, online.StateLive, online.StateGap, online.StateCatchingUp); err != nil {
		t.Fatal(err)
	}
	for _, from := range [][]online.State{{online.StateLost}, {online.StateCatchingUp, online.StateBuilding}} {
		if err := s.SetState(f.ctx, f.g, online.StateGap, from...); !errors.Is(err, online.ErrStateChanged) {
			t.Errorf("a state that is another: %v", err)
		}
	}
	f.meta.State = online.StateLive
	for i, l := range f.lanes() {
		if l.Meta != f.meta {
			t.Fatalf("lane %d is %+v, want %+v", i, l.Meta, f.meta)
		}
	}
	for _, state := range []online.State{online.StateMissing, 99} {
		f.wantKind(s.SetState(f.ctx, f.g, state), featurestore.ErrInvalid)
	}
	if got := other.lanes()[0].Meta; got != other.meta {
		t.Errorf("another generation became %+v", got)
	}
}

func testFilled(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 3)
	a, b := part(1), part(2)
	move := func(lane uint16, p online.Partition, from, to int64) {
		t.Helper()
		step := f.step(from, to)
		step.Lane, step.Partition = f.lane(lane), p
		f.apply(step, online.OutcomeOK)
	}
	move(0, a, -1, 7)
	move(1, a, -1, 7)
	move(1, b, -1, 300)
	through := []map[online.Partition]int64{{a: 7}, {a: 7, b: 300}, {}}
	none := f.g
	none.Number++
	f.wantKind(s.Filled(f.ctx, none, through), featurestore.ErrNotFound)
	want := func(states ...online.State) {
		t.Helper()
		for i, l := range f.lanes() {
			if l.Meta.State != states[i] {
				t.Errorf("lane %d is %s, want %s", i, l.Meta.State, states[i])
			}
		}
	}
	set := func(state online.State) {
		t.Helper()
		if err := s.SetState(f.ctx, f.g, state); err != nil {
			t.Fatal(err)
		}
	}
	set(online.StateBuilding)
	for _, other := range []map[online.Partition]int64{{a: 7, b: 299}, {a: -1}, {a: 7, part(3): 0}} {
		through[1] = other
		if err := s.Filled(f.ctx, f.g, through); !errors.Is(err, online.ErrStateChanged) {
			t.Errorf("a watermark that is another: %v", err)
		}
		want(online.StateCatchingUp, online.StateBuilding, online.StateCatchingUp)
	}
	through[1] = map[online.Partition]int64{b: 300} // more may be applied
	for range 2 {
		if err := s.Filled(f.ctx, f.g, through); err != nil {
			t.Fatal(err)
		}
		want(online.StateCatchingUp, online.StateCatchingUp, online.StateCatchingUp)
	}
	set(online.StateGap)
	if err := s.Filled(f.ctx, f.g, through); err != nil {
		t.Fatal(err)
	}
	want(online.StateGap, online.StateGap, online.StateGap)
}

func testWatermarks(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 3)
	want := []map[online.Partition]online.Watermark{{}, {}, {}}
	for lane := range uint16(2) {
		for p := range int32(20) {
			id := online.Partition{Source: []string{"departures", "weather"}[p%2], Generation: uint32(p % 3), Number: p}
			w := online.Watermark{
				Offset: int64(p) << 35, LogTime: featurestore.LogTime(featurestore.MaxInstant) - featurestore.LogTime(p),
				FetchTime: featurestore.MinInstant + featurestore.Instant(lane),
			}
			for i := range int(p) % (online.MaxPrints + 1) {
				w.Prints = append(w.Prints, online.Fingerprint{Offset: w.Offset - int64(i*i), LogTime: featurestore.LogTime(i - 4), Hash: 0xffffffffffffff00 + uint64(p)})
			}
			b := f.step(-1, 0)
			b.Lane, b.Partition, b.To = f.lane(lane), id, w
			f.apply(b, online.OutcomeOK)
			w.Prints = slices.Clone(w.Prints)
			clear(b.To.Prints) // that is the writer's again
			want[lane][id] = w
		}
	}
	for range 2 {
		for i, l := range f.lanes() {
			if !reflect.DeepEqual(l.Watermarks, want[i]) {
				t.Errorf("lane %d has watermarks\n%+v, want\n%+v", i, l.Watermarks, want[i])
			}
			for _, w := range l.Watermarks { // they are the reader's
				clear(w.Prints)
			}
		}
	}
}

func testNames(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 1)
	for _, name := range []string{"", "a.b", "a}", "{a", "a:b", "*", "a\r\nb", "A"} {
		for _, g := range []online.Generation{{Project: name, View: "v"}, {Project: "p", View: name}} {
			f.wantKind(s.Create(f.ctx, g, f.meta), featurestore.ErrInvalid)
			f.wantKind(s.Drop(f.ctx, g, 1), featurestore.ErrInvalid)
			_, err := s.PutRows(f.ctx, g, 1, nil, 0)
			f.wantKind(err, featurestore.ErrInvalid)
		}
	}
}

func testDrop(t *testing.T, s online.Store) {
	const lanes = 4
	var all []*fixture
	for i, g := range []online.Generation{
		{Project: "p", View: "v", Number: 1}, {Project: "p", View: "v", Number: 11}, {Project: "p", View: "v", Number: 2},
		{Project: "p", View: "v1", Number: 1}, {Project: "q", View: "v", Number: 1}, {Project: "p", View: "v", Number: 0},
	} {
		f := &fixture{t: t, ctx: callContext(t), s: s, g: g, meta: Meta(byte(i), lanes)}
		f.create()
		f.fill(lanes, 600)
		all = append(all, f)
	}
	for range 2 { // twice is as good as once
		if err := s.Drop(callContext(t), all[0].g, lanes); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range all[0].lanes() {
		if l.Meta != (online.Meta{}) || len(l.Watermarks) != 0 {
			t.Errorf("after the drop a lane reads as %+v", l)
		}
	}
	if n := all[0].count(lanes, 600); n != 0 {
		t.Errorf("%d entities are left", n)
	}
	for _, f := range all[1:] {
		if n := f.count(lanes, 600); n != lanes*600 || f.lanes()[lanes-1].Meta != f.meta {
			t.Errorf("%s lost entities or metadata: %d left", f.g, n)
		}
		f.wantOffset(0)
	}
	all[0].create()
	all[0].fill(lanes, 1)
}

// fill writes n entities to each lane, hostile keys among them.
func (f *fixture) fill(lanes uint16, n int) {
	f.t.Helper()
	for lane := range lanes {
		b := f.step(-1, 0)
		b.Lane = f.lane(lane)
		for i := range n {
			w := write(fillKey(i), nil, Blob("1", nil))
			if i%3 == 0 {
				w.Closed = []byte("closed")
			}
			b.Writes = append(b.Writes, w)
		}
		f.apply(b, online.OutcomeOK)
	}
}

func (f *fixture) count(lanes uint16, n int) int {
	f.t.Helper()
	var ids []online.EntityID
	for lane := range lanes {
		for i := range n {
			ids = append(ids, online.EntityID{LaneID: f.lane(lane), Key: []byte(fillKey(i)), Split: true})
		}
	}
	found := 0
	for i, p := range f.parts(ids...) {
		if p.Open != nil {
			found++
		}
		if (p.Closed != nil) != (p.Open != nil && i%n%3 == 0) {
			f.t.Fatalf("entity %d has a closed part: %v", i, p.Closed != nil)
		}
	}
	return found
}

func fillKey(i int) string { return fmt.Sprintf("k}%d:{\r\n\x00", i) }
