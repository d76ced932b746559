package onlinetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// testAtomic makes each kind of check fail at the last of many writes: nothing
// of the batch may be stored.
func testAtomic(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 1)
	old := Blob("1", []byte("old"))
	f.apply(f.step(-1, 5, write("last", nil, old)), online.OutcomeOK)
	var writes []online.Write
	for i := range 50 {
		writes = append(writes, write(fmt.Sprint("new", i), nil, Blob("1", nil)))
	}
	writes = slices.Clip(writes) // each append below copies
	good := write("last", old, Blob("2", nil))
	stale := write("last", Blob("0", nil), Blob("2", nil))
	other := f.step(5, 6, append(writes, good)...)
	other.Definition[15]++
	for want, b := range map[online.Outcome]online.Batch{
		online.OutcomeVersion:    f.step(5, 6, append(writes, stale)...),
		online.OutcomeWatermark:  f.step(4, 6, append(writes, good)...),
		online.OutcomeDefinition: other,
	} {
		f.apply(b, want)
		f.wantOffset(5)
		f.wantBlob("last", old)
		for i := range 50 {
			f.wantBlob(fmt.Sprint("new", i), nil)
		}
	}
	f.apply(f.step(5, 6, append(writes, good)...), online.OutcomeOK)
	f.wantOffset(6)
	f.wantBlob("last", Blob("2", nil))
	f.wantBlob("new49", Blob("1", nil))
}

func testDefinition(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 2)
	for i := range 16 {
		b := f.step(-1, 0, write("a", nil, Blob("1", nil)))
		b.Definition[i] ^= 1
		f.apply(b, online.OutcomeDefinition)
	}
	f.apply(f.step(-1, 0, write("a", nil, Blob("1", nil))), online.OutcomeOK)
}

func testMetadataMissing(t *testing.T, s online.Store) {
	f := &fixture{t: t, ctx: callContext(t), s: s, g: online.Generation{Project: "p", View: "lost", Number: 1}, meta: Meta(7, 2)}
	f.apply(f.step(-1, 0, write("a", nil, Blob("1", nil))), online.OutcomeDefinition)
	zero := f.step(-1, 0)
	zero.Definition = [16]byte{}
	f.apply(zero, online.OutcomeDefinition)
	f.wantBlob("a", nil)
	for _, l := range f.lanes() {
		if l.Meta != (online.Meta{}) || len(l.Watermarks) != 0 {
			t.Errorf("a lane without metadata reads as %+v", l)
		}
	}
	f.wantKind(s.SetState(f.ctx, f.g, online.StateLive), featurestore.ErrNotFound)
	f.wantKind(s.SetState(f.ctx, f.g, online.StateLive, online.StateBuilding), featurestore.ErrNotFound)
}

func testWatermark(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 1)
	for _, from := range []int64{0, 1, -2, 1 << 40} { // absent is -1 only
		f.apply(f.step(from, 7), online.OutcomeWatermark)
	}
	f.apply(f.step(-1, 7), online.OutcomeOK)
	f.wantOffset(7)
	for _, from := range []int64{-1, 6, 8, 7 + 256, 7 + 1<<32, -7} { // equal, not less or greater
		f.apply(f.step(from, 9), online.OutcomeWatermark)
	}
	f.wantOffset(7)
	f.apply(f.step(7, 7), online.OutcomeOK) // a heartbeat moves nothing
	f.apply(f.step(7, 3), online.OutcomeOK) // a rewind by a person
	f.wantOffset(3)
	f.apply(f.step(3, -1), online.OutcomeOK)
	f.apply(f.step(-1, 1<<62), online.OutcomeOK) // a stored -1 is as good as none
	f.apply(f.step(1<<62, 0), online.OutcomeOK)
	other := f.step(-1, 4)
	for _, p := range []online.Partition{part(1), {Source: "departures", Generation: 2}, {Source: "Departures", Generation: 1}, {Source: "departure", Generation: 1}} {
		other.Partition = p
		f.apply(other, online.OutcomeOK)
		f.apply(other, online.OutcomeWatermark)
	}
	f.wantOffset(0)
}

// testVersion holds what is compared: the list's bytes, all of them and no more.
func testVersion(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 1)
	stored := Blob("list\x00\xff\r\n1", []byte("state"))
	f.apply(f.step(-1, 0, write("a", Blob("", nil), stored)), online.OutcomeVersion) // absent is not an empty list
	f.apply(f.step(-1, 0, write("a", nil, stored)), online.OutcomeOK)
	for _, read := range [][]byte{
		nil, Blob("", nil), Blob("list", nil), Blob("list\x00\xff\r\n2", nil), Blob("list\x00\xff\r\n1s", nil),
		Blob("LIST\x00\xff\r\n1", nil), Blob("list\x00\xfe\r\n1", nil), Blob("list\x00\xff\r\n1state and more", nil), Blob("list\x00\xff\r\n\xb1", nil),
	} {
		f.apply(f.step(0, 1, write("a", read, Blob("2", nil))), online.OutcomeVersion)
	}
	f.wantOffset(0)
	f.wantBlob("a", stored)
	f.apply(f.step(0, 1, write("a", Blob("list\x00\xff\r\n1", []byte("other state")), Blob("2", nil))), online.OutcomeOK)
	f.wantBlob("a", Blob("2", nil))
}

func testOrderOfChecks(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 1)
	b := f.step(3, 4, write("a", Blob("1", nil), Blob("2", nil)))
	b.Definition[0]++
	f.apply(b, online.OutcomeDefinition)
	b.Definition[0]--
	f.apply(b, online.OutcomeWatermark)
	b.From = -1
	f.apply(b, online.OutcomeVersion)
}

func testConsulted(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 1)
	a := Blob("1", []byte("a"))
	f.apply(f.step(-1, 0, write("a", nil, a)), online.OutcomeOK)
	f.apply(f.step(0, 1, write("a", a, nil), write("gone", nil, nil)), online.OutcomeOK)
	f.wantBlob("a", a)
	f.wantBlob("gone", nil)
	f.apply(f.step(1, 2, write("a", Blob("0", nil), nil), write("b", nil, a)), online.OutcomeVersion)
	f.apply(f.step(1, 2, write("gone", a, nil), write("b", nil, a)), online.OutcomeVersion)
	f.wantBlob("b", nil)
	f.wantOffset(1)
}

// testLaneOrder sends a chain of batches of one lane in one call, among others.
func testLaneOrder(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 3)
	var batches []online.Batch
	var last []byte
	for i := range int64(40) {
		blob := Blob(fmt.Sprint(i), []byte("x"))
		batches = append(batches, f.step(i-1, i, write("hot", last, blob)))
		elsewhere := f.step(i-1, i)
		elsewhere.Lane = f.lane(1 + uint16(i%2))
		elsewhere.Partition = part(int32(i))
		elsewhere.From = -1
		batches = append(batches, elsewhere)
		last = blob
	}
	for i, r := range s.Apply(f.ctx, batches) {
		if r.Outcome != online.OutcomeOK {
			t.Fatalf("batch %d: %v (%v)", i, r.Outcome, r.Err)
		}
	}
	f.wantBlob("hot", last)
	f.wantOffset(39)
}

func testResultsInOrder(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 1)
	one, two := Blob("1", nil), Blob("2", nil)
	stale := f.step(0, 1)
	stale.Definition[0]++
	results := s.Apply(f.ctx, []online.Batch{
		f.step(9, 10, write("a", nil, one)), f.step(-1, 0, write("a", nil, one)), stale,
		f.step(0, 1, write("a", nil, two)), f.step(0, 1, write("a", one, two)), f.step(0, 1, write("a", two, one)),
	})
	for i, want := range []online.Outcome{online.OutcomeWatermark, online.OutcomeOK, online.OutcomeDefinition, online.OutcomeVersion, online.OutcomeOK, online.OutcomeWatermark} {
		f.want(results[i], want)
	}
	f.wantBlob("a", two)
	f.wantOffset(1)
	if r := s.Apply(f.ctx, nil); len(r) != 0 {
		t.Errorf("%d results of no batch", len(r))
	}
}

func testManyWrites(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 1)
	const n = 5000
	var first, second []online.Write
	var ids []online.EntityID
	for i := range n {
		key := fmt.Sprint("key", i)
		blob := Blob("1", []byte(key))
		first = append(first, write(key, nil, blob))
		second = append(second, write(key, blob, Blob("2", []byte(key))))
		ids = append(ids, f.id(key))
	}
	f.apply(f.step(-1, 0, first...), online.OutcomeOK)
	stale := append([]online.Write{}, second...)
	stale[n-1].Expect = Prefix(Blob("0", nil))
	f.apply(f.step(0, 1, stale...), online.OutcomeVersion)
	f.apply(f.step(0, 1, second...), online.OutcomeOK)
	for i, got := range f.get(ids...) {
		if want := second[i].Blob; string(got) != string(want) {
			t.Fatalf("key %d holds %s, want %s", i, show(got), show(want))
		}
	}
}

// testTimeToLive: an hour is not over within a test, and what is written with it
// is otherwise like anything else.
func testTimeToLive(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 1)
	one, two := Blob("1", nil), Blob("2", nil)
	b := f.step(-1, 0, write("a", nil, one), write("b", nil, one))
	b.TTL = time.Hour
	f.apply(b, online.OutcomeOK)
	f.wantBlob("a", one)
	f.apply(f.step(0, 1, write("a", nil, two)), online.OutcomeVersion)
	f.apply(f.step(0, 1, write("a", one, two)), online.OutcomeOK)
	b = f.step(1, 2, write("a", two, one))
	b.TTL = time.Hour
	f.apply(b, online.OutcomeOK)
	f.wantBlob("a", one)
	f.wantBlob("b", one)
}

func testCanceled(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 1)
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	_, err := s.Get(ctx, []online.EntityID{f.id("a")})
	f.wantKind(err, featurestore.ErrUnavailable)
	r := s.Apply(ctx, []online.Batch{f.step(-1, 0, write("a", nil, Blob("1", nil)))})[0]
	f.want(r, online.OutcomeUnknown)
	f.wantKind(r.Err, featurestore.ErrUnavailable)
	_, err = s.Lanes(ctx, f.g, 1)
	f.wantKind(err, featurestore.ErrUnavailable)
	f.wantOffset(-1)
}
