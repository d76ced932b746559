package codec_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

// numbers is a view of three windows x (count, sum, avg, min, max) of doubles,
// whose values take no memory of their own.
func numbers(t testing.TB) *window.Plan {
	c := window.Config{Sources: []window.SourceRule{{AllowedLateness: featurestore.Hour}}}
	for _, w := range []featurestore.Duration{featurestore.Hour, featurestore.Day, 7 * featurestore.Day} {
		c.Features = append(c.Features, window.Feature{Call: agg.Call{Func: "count"}, Input: -1, Where: -1, Width: w})
		for _, f := range []string{"sum", "avg", "min", "max"} {
			c.Features = append(c.Features, window.Feature{Call: agg.Call{Func: f, Input: featurestore.Double}, Input: 0, Where: -1, Width: w})
		}
	}
	p, err := window.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// denseState has an event a minute for two weeks.
func denseState(p *window.Plan) *window.State {
	s := new(window.State)
	row := window.Row{Inputs: make([]featurestore.Value, 1)}
	for i := range int64(14 * 24 * 60) {
		row.Offset, row.Time, row.LogTime = i, featurestore.EventTime(i*60*second), featurestore.LogTime(i*60*second)
		row.Inputs[0] = featurestore.DoubleValue(float64(i*7919%1000) / 100)
		p.Apply(s, &row)
	}
	p.Settle(s)
	return s
}

// packedReader opens and reads, with memory that is used again.
type packedReader struct {
	plan    *window.Plan
	scratch window.Scratch
	list    featurestore.Applied
}

func (r *packedReader) read(open, closed []byte, h codec.Header, at featurestore.Instant, out []featurestore.Cell) error {
	in, grown, err := codec.OpenEntity(open, closed, h, r.list[:0])
	if err != nil {
		return err
	}
	r.list = grown
	return codec.ReadEntity(in, r.plan, at, &r.scratch, out)
}

// TestReadEntity: opening and reading gives what decoding and reading gives, of
// one state after another, without an allocation where values need none.
func TestReadEntity(t *testing.T) {
	every, plain := everyPartial(t), numbers(t)
	for _, c := range []struct {
		name   string
		plan   *window.Plan
		state  *window.State
		allocs bool
	}{
		{"with pending rows", every, goldenState(t, every), true},
		{"all open", every, smallState(t, every), true},
		{"empty", every, new(window.State), true},
		{"numbers", plain, denseState(plain), false},
	} {
		h := header()
		open, closed := codec.AppendEntity(nil, nil, h, c.plan, c.state)
		at := c.plan.ReadTime(c.state) + 1
		want, got := make([]featurestore.Cell, len(c.plan.Features())), make([]featurestore.Cell, len(c.plan.Features()))
		c.plan.Read(c.state, at, want)
		r := packedReader{plan: c.plan}
		read := func() {
			if err := r.read(open, closed, h, at, got); err != nil {
				t.Fatal(err)
			}
		}
		read()
		for i := range want {
			if want[i].Status != got[i].Status || !want[i].Value.Equal(got[i].Value) {
				t.Errorf("%s, feature %d: %v, want %v", c.name, i, got[i], want[i])
			}
		}
		if n := testing.AllocsPerRun(50, read); n != 0 && !c.allocs {
			t.Errorf("%s: %v allocations a read", c.name, n)
		}
	}
}

// TestOpenEntity: what DecodeEntity refuses of header, key, checksum and parts is
// refused alike, and the list is left as it was.
func TestOpenEntity(t *testing.T) {
	p := everyPartial(t)
	open, closed := codec.AppendEntity(nil, nil, header(), p, goldenState(t, p))
	_, other := codec.AppendEntity(nil, nil, header(), p, earlierState(t, p))
	before := featurestore.Applied{{Offset: 9}}
	for name, c := range map[string]struct {
		open, closed []byte
		header       codec.Header
		want         error
	}{
		"another key":         {open, closed, codec.Header{Definition: header().Definition, Key: []byte("x")}, codec.ErrKey},
		"another definition":  {open, closed, codec.Header{Key: header().Key}, codec.ErrDefinition},
		"a missing part":      {open, nil, header(), codec.ErrClosed},
		"another closed part": {open, other, header(), codec.ErrClosed},
		"a turned bit":        {turned(open, len(open)/2), closed, header(), codec.ErrChecksum},
		"a bit of the closed": {open, turned(closed, len(closed)/2), header(), codec.ErrChecksum},
		"an end":              {open[:1], closed, header(), codec.ErrTruncated},
	} {
		in, list, err := codec.OpenEntity(c.open, c.closed, c.header, before)
		if !errors.Is(err, c.want) || in.Open != nil || !slices.Equal(list, before) {
			t.Errorf("%s: %v, %v, %v", name, in, list, err)
		}
		if decoded := codec.DecodeEntity(c.open, c.closed, c.header, p, new(window.State)); decoded == nil || decoded.Error() != err.Error() {
			t.Errorf("%s: opening says %v, decoding %v", name, err, decoded)
		}
	}
	in, list, err := codec.OpenEntity(open, closed, header(), before)
	if err != nil || len(list) != 1+len(in.Applied) || !slices.Equal(list[1:], in.Applied) || list[0] != before[0] {
		t.Errorf("the list is %v, the state's %v, %v", list, in.Applied, err)
	}
}

func turned(blob []byte, at int) []byte {
	b := bytes.Clone(blob)
	b[at] ^= 8
	return b
}

func BenchmarkReadEntity(b *testing.B) {
	p := numbers(b)
	s := denseState(p)
	h := header()
	open, closed := codec.AppendEntity(nil, nil, h, p, s)
	at, out := p.ReadTime(s), make([]featurestore.Cell, len(p.Features()))
	b.Run("packed", func(b *testing.B) {
		r := packedReader{plan: p}
		b.ReportAllocs()
		for b.Loop() {
			if err := r.read(open, closed, h, at, out); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decoded", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var fresh window.State
			if err := codec.DecodeEntity(open, closed, h, p, &fresh); err != nil {
				b.Fatal(err)
			}
			p.Read(&fresh, at, out)
		}
	})
}
