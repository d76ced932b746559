package onlinetest

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/online"
)

// hostileKeys are keys that a store may confuse with each other or with its own
// bytes. No two are equal.
func hostileKeys() []string {
	keys := []string{
		"", "a", "A", "ab", "a\x00", "a\x00b", "\x00", "\x00\x00", "\xff", "\xff\xff", "é", "e\u0301", " ", "a ",
		"{", "}", "{}", "u1}:{x", "}:e:a", "}:c:a", ":c:", "c:a", "e:a", ":w", ":m", "{p.keys.1.0}:e:a", "{p.keys.1.1}:e:a", "w:departures|1|0",
		"\r\n", "a\r\n$1\r\nb", "*", "?", "[a]", "\\", "'", "\"", "$", "%s", "../../etc", "NULL", "nil", "0", "00", "-1",
		"\u202eabc", "🛫", strings.Repeat("k", 1024), strings.Repeat("k", 1023), strings.Repeat("k", 1023) + "K",
	}
	for i := range 256 {
		keys = append(keys, "byte "+string([]byte{byte(i)}))
	}
	return keys
}

func testKeyIdentity(t *testing.T, s online.Store) {
	f := newFixture(t, s, "keys", 2)
	keys := hostileKeys()
	var b online.Batch
	var ids []online.EntityID
	for i, k := range keys {
		f.wantBlob(k, nil)
		b.Writes = append(b.Writes, write(k, nil, Blob(fmt.Sprint(i), []byte(k))))
		ids = append(ids, f.id(k))
	}
	f.apply(f.step(-1, 0, b.Writes...), online.OutcomeOK)
	for i, got := range f.get(ids...) {
		if want := b.Writes[i].Blob; !bytes.Equal(got, want) {
			t.Errorf("key %.60q holds %s, want %s", keys[i], show(got), show(want))
		}
	}
	for i, k := range keys { // each is written alone, and no other changes
		f.apply(f.step(int64(i), int64(i+1), write(k, b.Writes[i].Blob, Blob("new", []byte(k)))), online.OutcomeOK)
	}
	for i, got := range f.get(ids...) {
		if want := Blob("new", []byte(keys[i])); !bytes.Equal(got, want) {
			t.Errorf("key %.60q holds %s, want %s", keys[i], show(got), show(want))
		}
	}
	if lanes := f.lanes(); len(lanes[0].Watermarks) != 1 || lanes[0].Meta != f.meta || lanes[1].Meta != f.meta {
		t.Errorf("entity keys changed the lanes: %+v", lanes)
	}
}

func testSeparation(t *testing.T, s online.Store) {
	ctx := callContext(t)
	meta := Meta(7, 12)
	var ids []online.EntityID
	for _, g := range []online.Generation{
		{Project: "p", View: "v", Number: 1}, {Project: "p", View: "v", Number: 11}, {Project: "p", View: "v", Number: math.MaxUint32},
		{Project: "p", View: "v1", Number: 1}, {Project: "pv", View: "v", Number: 1}, {Project: "p", View: "v_1", Number: 1},
	} {
		if err := s.Create(ctx, g, meta); err != nil {
			t.Fatal(err)
		}
		for _, lane := range []uint16{0, 1, 11} {
			ids = append(ids, online.EntityID{LaneID: online.LaneID{Generation: g, Lane: lane}, Key: []byte("1")})
		}
	}
	var batches []online.Batch
	for i, id := range ids {
		batches = append(batches, online.Batch{
			Lane: id.LaneID, Definition: meta.Definition, Partition: part(0), From: -1, To: online.Watermark{Offset: int64(i)},
			Writes: []online.Write{{Key: id.Key, Blob: Blob(fmt.Sprint(i), nil)}},
		})
	}
	for i, r := range s.Apply(ctx, batches) {
		if r.Outcome != online.OutcomeOK {
			t.Fatalf("batch of %s: %v (%v): two lanes are one", batches[i].Lane.AppendTag(nil), r.Outcome, r.Err)
		}
	}
	blobs, err := s.Get(ctx, ids)
	if err != nil {
		t.Fatal(err)
	}
	for i := range ids {
		if !bytes.Equal(blobs[i].Open, Blob(fmt.Sprint(i), nil)) {
			t.Errorf("%s holds %s, want %d", ids[i].AppendTag(nil), show(blobs[i].Open), i)
		}
	}
}

func testOwnership(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 1)
	blob := Blob("1", []byte("payload"))
	b := f.step(-1, 0, write("a", nil, blob))
	want := bytes.Clone(blob)
	f.apply(b, online.OutcomeOK)
	clear(blob)
	clear(b.Writes[0].Key)
	f.wantBlob("a", want)
	twice := f.get(f.id("a"), f.id("a"))
	clear(twice[0])
	if !bytes.Equal(twice[1], want) {
		t.Error("two results of a read share their bytes")
	}
	f.wantBlob("a", want)
	if got := f.get(); len(got) != 0 {
		t.Errorf("reading nothing gives %d blobs", len(got))
	}
}

func testBlobSizes(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 1)
	offset := int64(-1)
	for _, n := range []int{0, 1, 4095, 4096, 65535, 65536, 1 << 20, 5<<20 + 3} {
		payload := bytes.Repeat([]byte{0, 1, '\r', '\n', 0xff, 0xfe}, n/6+1)[:n]
		key := fmt.Sprint(n)
		list := strings.Repeat("l", min(n, 60000))
		blob := Blob(list, payload)
		f.apply(f.step(offset, offset+1, write(key, nil, blob)), online.OutcomeOK)
		f.wantBlob(key, blob)
		f.apply(f.step(offset+1, offset+2, write(key, Blob(list, nil), Blob("x", payload))), online.OutcomeOK)
		f.wantBlob(key, Blob("x", payload))
		offset += 2
	}
}
