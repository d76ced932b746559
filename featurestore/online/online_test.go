package online_test

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

func TestWatermarkRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := online.Watermark{
			Offset:    rapid.Int64().Draw(t, "offset"),
			LogTime:   featurestore.LogTime(rapid.Int64().Draw(t, "log time")),
			FetchTime: featurestore.Instant(rapid.Int64().Draw(t, "fetch time")),
		}
		for range rapid.IntRange(0, online.MaxPrints).Draw(t, "prints") {
			w.Prints = append(w.Prints, online.Fingerprint{
				Offset:  rapid.Int64().Draw(t, "print offset"),
				LogTime: featurestore.LogTime(rapid.Int64().Draw(t, "print time")),
				Hash:    rapid.Uint64().Draw(t, "hash"),
			})
		}
		b := online.AppendWatermark(nil, w)
		got, err := online.DecodeWatermark(b)
		if err != nil || !reflect.DeepEqual(got, w) {
			t.Fatalf("%+v became %+v (%v)", w, got, err)
		}
		if !bytes.HasPrefix(b, online.AppendWatermarkHead(nil, w.Offset)) {
			t.Fatal("a watermark does not begin with its head")
		}
		for n := range b {
			if _, err := online.DecodeWatermark(b[:n]); err == nil {
				t.Fatalf("cut to %d of %d bytes, it still decodes", n, len(b))
			}
		}
		if _, err := online.DecodeWatermark(append(b, 0)); err == nil {
			t.Fatal("a trailing byte is accepted")
		}
	})
}

// The stored form may not change: stores hold it for years.
func TestWatermarkFormatIsFrozen(t *testing.T) {
	w := online.Watermark{Offset: 258, LogTime: 3, FetchTime: 5, Prints: []online.Fingerprint{{Offset: 257, LogTime: 2, Hash: 0x0807060504030201}}}
	want := []byte{1, 2, 1, 0, 0, 0, 0, 0, 0, 6, 4, 1, 2, 1, 1, 2, 3, 4, 5, 6, 7, 8}
	if got := online.AppendWatermark(nil, w); !bytes.Equal(got, want) {
		t.Errorf("% x, want % x", got, want)
	}
}

func FuzzDecodeWatermark(f *testing.F) {
	f.Add(online.AppendWatermark(nil, online.Watermark{Offset: 7, Prints: []online.Fingerprint{{Offset: 7, Hash: 1}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		w, err := online.DecodeWatermark(b)
		if err != nil {
			return
		}
		again, err := online.DecodeWatermark(online.AppendWatermark(nil, w))
		if err != nil || !reflect.DeepEqual(again, w) {
			t.Fatalf("%+v became %+v (%v)", w, again, err)
		}
	})
}

func TestPartitionField(t *testing.T) {
	for _, p := range []online.Partition{{"departures", 1, 0}, {"a|b", 0, 7}, {"", math.MaxUint32, math.MaxInt32}, {"x", 2, -1}} {
		field := string(p.AppendField(nil))
		if got, err := online.ParsePartition(field); err != nil || got != p {
			t.Errorf("%+v became %q, then %+v (%v)", p, field, got, err)
		}
	}
	for _, field := range []string{"", "a", "a|1", "a|1|", "a||1", "a|01|1", "a|1|+1", "a|1|4294967296"} {
		if p, err := online.ParsePartition(field); err == nil {
			t.Errorf("%q is accepted as %+v", field, p)
		}
	}
}

func TestKeysStayInTheirLane(t *testing.T) {
	l := online.LaneID{Generation: online.Generation{Project: "p", View: "v", Number: 12}, Lane: 7}
	for got, want := range map[string]string{
		string(l.AppendWatermarksKey(nil)):                   "{p.v.12.7}:w",
		string(l.AppendMetaKey(nil)):                         "{p.v.12.7}:m",
		string(l.AppendEntityKey(nil, []byte("u1}:{x\x00"))): "{p.v.12.7}:e:u1}:{x\x00",
		string(l.AppendPrefix(nil)):                          "{p.v.12.",
	} {
		if got != want {
			t.Errorf("key %q, want %q", got, want)
		}
	}
	for _, g := range []online.Generation{{View: "v"}, {Project: "p"}, {Project: "a.b", View: "v"}, {Project: "p", View: "v}"}, {Project: "p", View: "*"}} {
		if err := g.Check(); !errors.Is(err, featurestore.ErrInvalid) {
			t.Errorf("generation %+v: error %v, want invalid", g, err)
		}
	}
}

func TestStates(t *testing.T) {
	for s := online.StateBuilding; s <= online.StateCatchingUp; s++ {
		if got, err := online.ParseState(s.String()); err != nil || got != s {
			t.Errorf("state %d became %q, then %d (%v)", s, s, got, err)
		}
	}
	for _, name := range []string{"", "live", "STATE(9)", online.StateUnknown.String()} {
		if _, err := online.ParseState(name); err == nil {
			t.Errorf("state %q is accepted", name)
		}
	}
}

func TestRowOrder(t *testing.T) {
	order, err := online.RowOrder([]byte{2, 0, 'a', 'b', 'c'})
	if err != nil || string(order) != "ab" {
		t.Errorf("order %q (%v), want ab", order, err)
	}
	for _, blob := range [][]byte{nil, {1}, {1, 0}, {0, 1, 2}} {
		if _, err := online.RowOrder(blob); !errors.Is(err, featurestore.ErrInvalid) {
			t.Errorf("row % x: error %v, want invalid", blob, err)
		}
	}
}
