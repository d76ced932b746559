package logrecord

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
)

func TestHeadersRoundTrip(t *testing.T) {
	type pair struct {
		Key   string
		Value []byte
	}
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOf(rapid.Custom(func(t *rapid.T) pair {
			p := pair{Key: rapid.String().Draw(t, "key")}
			if rapid.Bool().Draw(t, "present") {
				p.Value = append([]byte{}, rapid.SliceOf(rapid.Byte()).Draw(t, "value")...)
			}
			return p
		})).Draw(t, "headers")
		var h Headers
		for _, p := range want {
			h = h.Append(p.Key, p.Value)
		}
		if n, err := h.Count(); err != nil || n != len(want) {
			t.Fatalf("count %d, %v; want %d", n, err, len(want))
		}
		i := 0
		for k, v := range h.All() {
			if k != want[i].Key || !bytes.Equal(v, want[i].Value) || (v == nil) != (want[i].Value == nil) {
				t.Fatalf("header %d is %q %q, want %q", i, k, v, want[i])
			}
			i++
		}
		for _, p := range want {
			if _, found := h.Get(p.Key); !found {
				t.Fatalf("header %q is not found", p.Key)
			}
		}
	})
}

func TestHeadersNeverPanic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Headers(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		n, err := h.Count()
		seen := 0
		for range h.All() {
			seen++
		}
		if err == nil && seen != n {
			t.Fatalf("count says %d, iteration %d", n, seen)
		}
		h.Get("x")
		h.ReplayOf()
	})
}

func TestReplayRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Replay{
			Generation: rapid.Uint32().Draw(t, "generation"),
			Rank:       rapid.Int64().Draw(t, "rank"),
			LogTime:    featurestore.LogTime(rapid.Int64().Draw(t, "log time")),
		}
		h := AppendReplay(Headers(nil).Append("other", nil), want)
		if got, ok := h.ReplayOf(); !ok || got != want {
			t.Fatalf("got %+v %v, want %+v", got, ok, want)
		}
	})
	if _, ok := (Headers)(nil).Append(HeaderGeneration, []byte("short")).ReplayOf(); ok {
		t.Error("a header of the wrong size counts as a replay header")
	}
}

// TestFingerprintFrozen holds the persisted form: these numbers stand in stores.
func TestFingerprintFrozen(t *testing.T) {
	for _, c := range []struct {
		name string
		r    Record
		want uint64
	}{
		{"nil nil", Record{}, 0x878a2f876980d69e},
		{"empty nil", Record{Key: []byte{}}, 0x67b7cc4c1b46da19},
		{"nil empty", Record{Value: []byte{}}, 0xa1dc8eb0a6e2d423},
		{"ab c", Record{Key: []byte("ab"), Value: []byte("c")}, 0xb14817c72f53b693},
		{"a bc", Record{Key: []byte("a"), Value: []byte("bc")}, 0xcb2f5321d9830596},
	} {
		if got := Fingerprint(&c.r); got != c.want {
			t.Errorf("%s: fingerprint %#x, want %#x", c.name, got, c.want)
		}
	}
}

func TestFingerprintTellsApart(t *testing.T) {
	seen := map[uint64]string{}
	for _, r := range []Record{
		{}, {Key: []byte{}}, {Value: []byte{}}, {Key: []byte{}, Value: []byte{}},
		{Key: []byte("ab"), Value: []byte("c")}, {Key: []byte("a"), Value: []byte("bc")},
		{Value: []byte("abc")}, {Key: []byte("abc")}, {Key: []byte{0}, Value: []byte{0}}, {Value: []byte{0, 0}},
	} {
		f := Fingerprint(&r)
		if other, clash := seen[f]; clash {
			t.Errorf("%q %q has the fingerprint of %s", r.Key, r.Value, other)
		}
		seen[f] = string(r.Key) + "|" + string(r.Value)
	}
}

func BenchmarkFingerprint(b *testing.B) {
	r := Record{Key: []byte("EWR"), Value: bytes.Repeat([]byte("x"), 200)}
	b.SetBytes(int64(len(r.Value)))
	for b.Loop() {
		Fingerprint(&r)
	}
}
