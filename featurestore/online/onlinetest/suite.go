// Package onlinetest is the one suite that every driver of the online store
// passes. It speaks to the contract only, and knows no driver.
package onlinetest

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/online"
)

// Run runs the suite. open gives a store that holds nothing and is closed by the
// test's cleanup; every case opens its own.
func Run(t *testing.T, open func(t *testing.T) online.Store) {
	cases := []struct {
		name string
		test func(*testing.T, online.Store)
	}{
		{"KeyIdentity", testKeyIdentity},
		{"LanesAndGenerationsAreApart", testSeparation},
		{"BlobsAreTheCallers", testOwnership},
		{"BlobSizes", testBlobSizes},
		{"Atomic", testAtomic},
		{"Definition", testDefinition},
		{"MetadataMissing", testMetadataMissing},
		{"Watermark", testWatermark},
		{"Version", testVersion},
		{"OrderOfChecks", testOrderOfChecks},
		{"Followed", testFollowed},
		{"Whole", testWhole},
		{"Consulted", testConsulted},
		{"LaneOrder", testLaneOrder},
		{"ResultsInOrder", testResultsInOrder},
		{"ManyWrites", testManyWrites},
		{"TimeToLive", testTimeToLive},
		{"ClosedParts", testClosedParts},
		{"ClosedPartsAreAtomic", testClosedAtomic},
		{"ClosedKeyIdentity", testClosedIdentity},
		{"ClosedTimeToLive", testClosedTimeToLive},
		{"DamagedBlobs", testDamaged},
		{"CanceledContext", testCanceled},
		{"Create", testCreate},
		{"SetState", testSetState},
		{"StatesOfLanesThatAreRead", testStatesRead},
		{"Filled", testFilled},
		{"Watermarks", testWatermarks},
		{"Names", testNames},
		{"RowsKeepTheNewest", testRows},
		{"RowsInBulk", testRowsInBulk},
		{"Drop", testDrop},
		{"Notes", testNotes},
		{"ConcurrentAppliers", testConcurrentAppliers},
		{"ConcurrentReaders", testConcurrentReaders},
		{"ConcurrentReadersOfParts", testConcurrentParts},
		{"ConcurrentRows", testConcurrentRows},
		{"Model", testModel},
		{"Check", testCheck},
		{"Closed", testClosed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// timeout bounds one call, so that a store that hangs fails its test.
const timeout = 30 * time.Second

func callContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	t.Cleanup(cancel)
	return ctx
}

// fixture is one generation in a store, and the shortest way to use it.
type fixture struct {
	t    testing.TB
	ctx  context.Context
	s    online.Store
	g    online.Generation
	meta online.Meta
}

// newFixture creates a generation of a view in project p.
func newFixture(t testing.TB, s online.Store, view string, lanes uint16) *fixture {
	f := &fixture{t: t, ctx: callContext(t), s: s, g: online.Generation{Project: "p", View: view, Number: 1}, meta: Meta(7, lanes)}
	f.create()
	return f
}

func (f *fixture) create() {
	f.t.Helper()
	if err := f.s.Create(f.ctx, f.g, f.meta); err != nil {
		f.t.Fatalf("creating %s: %v", f.g, err)
	}
}

func (f *fixture) lane(n uint16) online.LaneID { return online.LaneID{Generation: f.g, Lane: n} }

// part is the partition that a test uses where it needs one only.
func part(n int32) online.Partition {
	return online.Partition{Source: "departures", Generation: 1, Number: n}
}

// step is a batch that moves partition 0 of lane 0 from one offset to another.
func (f *fixture) step(from, to int64, writes ...online.Write) online.Batch {
	return online.Batch{
		Lane: f.lane(0), Definition: f.meta.Definition, Partition: part(0),
		From: from, To: online.Watermark{Offset: to}, Writes: writes,
	}
}

func write(key string, expect, blob []byte) online.Write {
	return online.Write{Key: []byte(key), Expect: Prefix(expect), Blob: blob}
}

// apply applies one batch and wants an outcome.
func (f *fixture) apply(b online.Batch, want online.Outcome) {
	f.t.Helper()
	results := f.s.Apply(f.ctx, []online.Batch{b})
	if len(results) != 1 {
		f.t.Fatalf("%d results of one batch", len(results))
	}
	f.want(results[0], want)
}

func (f *fixture) want(r online.Result, want online.Outcome) {
	f.t.Helper()
	if r.Outcome != want || (r.Err != nil) != (want == online.OutcomeUnknown || want == online.OutcomeRefused) {
		f.t.Fatalf("outcome %v (%v), want %v", r.Outcome, r.Err, want)
	}
}

// get reads entities of views that do not split.
func (f *fixture) get(ids ...online.EntityID) [][]byte {
	f.t.Helper()
	blobs := make([][]byte, len(ids))
	for i, p := range f.parts(ids...) {
		if p.Closed != nil {
			f.t.Fatalf("a read that did not ask for closed parts gave one")
		}
		blobs[i] = p.Open
	}
	return blobs
}

func (f *fixture) parts(ids ...online.EntityID) []online.Parts {
	f.t.Helper()
	parts, err := f.s.Get(f.ctx, ids)
	if err != nil {
		f.t.Fatalf("reading: %v", err)
	}
	if len(parts) != len(ids) {
		f.t.Fatalf("%d answers for %d ids", len(parts), len(ids))
	}
	return parts
}

func (f *fixture) id(key string) online.EntityID {
	return online.EntityID{LaneID: f.lane(0), Key: []byte(key)}
}

func (f *fixture) rowID(key string) online.EntityID {
	return online.EntityID{LaneID: f.lane(codec.Lane([]byte(key), f.meta.Lanes)), Key: []byte(key)}
}

// wantBlob wants a blob of lane 0; nil for none.
func (f *fixture) wantBlob(key string, want []byte) {
	f.t.Helper()
	if got := f.get(f.id(key))[0]; (got == nil) != (want == nil) || !bytes.Equal(got, want) {
		f.t.Fatalf("key %.60q holds %s, want %s", key, show(got), show(want))
	}
}

// wantOffset wants the offset of partition 0 of lane 0; -1 for none.
func (f *fixture) wantOffset(want int64) {
	f.t.Helper()
	w, ok := f.lanes()[0].Watermarks[part(0)]
	if !ok {
		w.Offset = -1
	}
	if w.Offset != want {
		f.t.Fatalf("watermark at %d, want %d", w.Offset, want)
	}
}

func (f *fixture) lanes() []online.Lane {
	f.t.Helper()
	lanes, err := f.s.Lanes(f.ctx, f.g, f.meta.Lanes)
	if err != nil {
		f.t.Fatalf("reading lanes: %v", err)
	}
	if len(lanes) != int(f.meta.Lanes) {
		f.t.Fatalf("%d lanes, want %d", len(lanes), f.meta.Lanes)
	}
	return lanes
}

func (f *fixture) wantKind(err, kind error) {
	f.t.Helper()
	if !errors.Is(err, kind) {
		f.t.Fatalf("error %v, want kind %q", err, kind)
	}
}

func show(b []byte) string {
	if b == nil {
		return "nothing"
	}
	return string(bytes.ToValidUTF8(b[:min(len(b), 40)], []byte("?")))
}

func testCheck(t *testing.T, s online.Store) {
	if err := s.Check(callContext(t)); err != nil {
		t.Fatalf("a store fit for the suite fails its own check: %v", err)
	}
}

func testClosed(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 1)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatalf("closing: %v", err)
		}
	}
	_, err := s.Get(f.ctx, []online.EntityID{f.id("a")})
	f.wantKind(err, featurestore.ErrUnavailable)
	_, err = s.Lanes(f.ctx, f.g, 1)
	f.wantKind(err, featurestore.ErrUnavailable)
	r := s.Apply(f.ctx, []online.Batch{f.step(-1, 0)})[0]
	f.want(r, online.OutcomeUnknown)
	f.wantKind(r.Err, featurestore.ErrUnavailable)
}
