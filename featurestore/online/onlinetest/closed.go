package onlinetest

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore/online"
)

// both is the id of an entity of lane 0 with its closed part.
func (f *fixture) both(key string) online.EntityID {
	id := f.id(key)
	id.Split = true
	return id
}

// wantParts wants both parts of an entity of lane 0; nil for none.
func (f *fixture) wantParts(key string, open, closed []byte) {
	f.t.Helper()
	got := f.parts(f.both(key))[0]
	if (got.Open == nil) != (open == nil) || (got.Closed == nil) != (closed == nil) || !bytes.Equal(got.Open, open) || !bytes.Equal(got.Closed, closed) {
		f.t.Fatalf("key %.60q holds %s and %s, want %s and %s", key, show(got.Open), show(got.Closed), show(open), show(closed))
	}
}

// closing is a write with a closed part.
func closing(key string, expect, blob, closed []byte) online.Write {
	w := write(key, expect, blob)
	w.Closed = closed
	return w
}

// testClosedParts sets, leaves, replaces and removes a closed part, alone and
// among entities that have none.
func testClosedParts(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 1)
	one, two, three, four := Blob("1", []byte("open")), Blob("2", nil), Blob("3", []byte("x")), Blob("4", nil)
	first, second := []byte("closed\x00\r\n\xff"), bytes.Repeat([]byte{7}, 3000)
	f.apply(f.step(-1, 0, write("plain", nil, one), closing("a", nil, one, first), closing("b", nil, one, second), write("other", nil, two)), online.OutcomeOK)
	f.wantParts("a", one, first)
	f.wantParts("b", one, second)
	f.wantParts("plain", one, nil)
	f.wantBlob("a", one) // who does not ask does not pay

	keep := write("a", one, two)
	keep.Renew = true
	f.apply(f.step(0, 1, keep, write("b", one, two), closing("plain", one, two, nil)), online.OutcomeOK)
	f.wantParts("a", two, first)
	f.wantParts("b", two, second)
	f.wantParts("plain", two, nil)

	f.apply(f.step(1, 2, closing("a", two, three, second), closing("b", two, three, []byte{}), closing("plain", two, three, []byte{})), online.OutcomeOK)
	f.wantParts("a", three, second)
	f.wantParts("b", three, nil)
	f.wantParts("plain", three, nil)

	f.apply(f.step(2, 3, closing("a", three, nil, first), closing("b", three, four, first), closing("gone", nil, nil, first)), online.OutcomeOK)
	f.wantParts("a", three, second) // only consulted: nothing of it changes
	f.wantParts("b", four, first)
	f.wantParts("gone", nil, nil)
}

// testClosedAtomic refuses batches that would have changed closed parts.
func testClosedAtomic(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 1)
	old, next := Blob("1", nil), Blob("2", nil)
	f.apply(f.step(-1, 5, closing("a", nil, old, []byte("a1")), closing("b", nil, old, []byte("b1")), write("last", nil, old)), online.OutcomeOK)
	writes := []online.Write{closing("a", old, next, []byte("a2")), closing("b", old, next, []byte{}), closing("c", nil, next, []byte("c2"))}
	for want, b := range map[online.Outcome]online.Batch{
		online.OutcomeVersion:   f.step(5, 6, append(writes[:3:3], write("last", Blob("0", nil), next))...),
		online.OutcomeWatermark: f.step(4, 6, append(writes[:3:3], write("last", old, next))...),
	} {
		f.apply(b, want)
		f.wantParts("a", old, []byte("a1"))
		f.wantParts("b", old, []byte("b1"))
		f.wantParts("c", nil, nil)
	}
	// Two batches of one lane in one call: the second sees the first.
	third := Blob("3", nil)
	for _, r := range s.Apply(f.ctx, []online.Batch{f.step(5, 6, writes...), f.step(6, 7, closing("a", next, third, nil), closing("b", next, third, []byte("b3")), closing("c", next, third, []byte{}))}) {
		f.want(r, online.OutcomeOK)
	}
	f.wantParts("a", third, []byte("a2"))
	f.wantParts("b", third, []byte("b3"))
	f.wantParts("c", third, nil)
}

// testClosedIdentity gives every hostile key a closed part of its own.
func testClosedIdentity(t *testing.T, s online.Store) {
	f := newFixture(t, s, "keys", 1)
	keys := hostileKeys()
	var writes []online.Write
	for i, k := range keys {
		writes = append(writes, closing(k, nil, Blob(fmt.Sprint(i), nil), fmt.Append(nil, "closed ", i)))
	}
	f.apply(f.step(-1, 0, writes...), online.OutcomeOK)
	for i, k := range keys {
		f.wantParts(k, Blob(fmt.Sprint(i), nil), fmt.Append(nil, "closed ", i))
	}
	for i, k := range keys {
		f.apply(f.step(int64(i), int64(i+1), closing(k, Blob(fmt.Sprint(i), nil), Blob("x", nil), []byte{})), online.OutcomeOK)
		f.wantParts(k, Blob("x", nil), nil)
		if i+1 < len(keys) {
			f.wantParts(keys[i+1], Blob(fmt.Sprint(i+1), nil), fmt.Append(nil, "closed ", i+1))
		}
	}
}

// testClosedTimeToLive: an hour is not over within a test; drivers hold the
// instants themselves.
func testClosedTimeToLive(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 1)
	one, two, three := Blob("1", nil), Blob("2", nil), Blob("3", nil)
	b := f.step(-1, 0, closing("a", nil, one, []byte("closed")))
	b.TTL = time.Hour
	f.apply(b, online.OutcomeOK)
	f.wantParts("a", one, []byte("closed"))
	for i, blobs := range [][2][]byte{{one, two}, {two, three}} {
		w := write("a", blobs[0], blobs[1])
		w.Renew = true
		b := f.step(int64(i), int64(i+1), w)
		b.TTL = time.Duration(1-i) * time.Hour // at last none
		f.apply(b, online.OutcomeOK)
		f.wantParts("a", blobs[1], []byte("closed"))
	}
}

// testDamaged: a blob that no writer has left is compared as it stands, whole, so
// that whoever rebuilds its entity replaces that very damage and nothing else.
func testDamaged(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 1)
	damage := []byte("\xff\xffdamage")
	f.apply(f.step(-1, 0, online.Write{Key: []byte("a"), Blob: damage, Closed: []byte("?")}), online.OutcomeOK)
	f.wantParts("a", damage, []byte("?"))
	whole := Blob("1", []byte("rebuilt"))
	for _, other := range [][]byte{nil, {}, []byte("\xff\xffdamaged")} {
		f.apply(f.step(0, 0, online.Write{Key: []byte("a"), Expect: other, Blob: whole}), online.OutcomeVersion)
	}
	f.apply(f.step(0, 0, online.Write{Key: []byte("none"), Expect: []byte{}, Blob: whole}), online.OutcomeVersion)
	f.apply(f.step(0, 0, online.Write{Key: []byte("a"), Expect: damage, Blob: whole, Closed: []byte{}}), online.OutcomeOK)
	f.wantParts("a", whole, nil)
}

// testConcurrentParts reads both parts while one writer replaces them, now one,
// now both: no answer mixes two moments.
func testConcurrentParts(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 1)
	const steps = 200
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { f.readParts(done) })
	}
	var last []byte
	closed := -1
	for n := range steps {
		w := online.Write{Key: []byte("a"), Expect: Prefix(last)}
		switch n % 4 {
		case 0, 1:
			closed = n
			w.Closed = bytes.Repeat(fmt.Appendf(nil, "%08d", n), 200)
		case 2:
			w.Renew = closed >= 0
		case 3:
			closed = -1
			w.Closed = []byte{}
		}
		w.Blob = Blob(fmt.Sprintf("%08d", n), fmt.Appendf(nil, "%08d", closed))
		f.apply(f.step(int64(n)-1, int64(n), w), online.OutcomeOK)
		last = w.Blob
	}
	close(done)
	wg.Wait()
}

// readParts holds that the closed part is the one that the open part names.
func (f *fixture) readParts(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		default:
		}
		parts, err := f.s.Get(f.ctx, []online.EntityID{f.both("a")})
		if err != nil {
			f.t.Errorf("reading: %v", err)
			return
		}
		p := parts[0]
		if p.Open == nil {
			continue
		}
		want := []byte(nil)
		if name := p.Open[len(Prefix(p.Open)):]; !bytes.HasPrefix(name, []byte("-")) {
			want = bytes.Repeat(name, 200)
		}
		if (p.Closed == nil) != (want == nil) || !bytes.Equal(p.Closed, want) {
			f.t.Errorf("the open part %s came with the closed part %s", show(p.Open), show(p.Closed))
			return
		}
	}
}
