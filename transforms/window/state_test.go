package window_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

const second = int64(featurestore.Second)

// rich is a view that uses everything a state holds: two sources, one with
// event ids, windows of several tiles, an offset, a where, text and latest
// values.
func rich(t testing.TB) *window.Plan {
	trailing := func(fn string, in featurestore.Type, input, where int, w, o featurestore.Duration) window.Feature {
		return window.Feature{Name: fn, Call: agg.Call{Func: fn, Input: in}, Input: input, Where: where, Width: w, Offset: o}
	}
	p, err := window.Compile(window.Config{
		TTL:     2 * featurestore.Hour,
		Sources: []window.SourceRule{{AllowedLateness: 10 * featurestore.Minute}, {AllowedLateness: featurestore.Minute, HasEventID: true}},
		Features: []window.Feature{
			trailing("count", featurestore.Type{}, -1, -1, 10*featurestore.Minute, 0),
			trailing("sum", featurestore.Double, 0, -1, 4*featurestore.Minute, 0),
			trailing("stddev_pop", featurestore.Double, 0, 2, featurestore.Hour, featurestore.Hour),
			trailing("count_distinct", featurestore.String, 1, -1, featurestore.Hour, 0),
			trailing("last", featurestore.String, 1, 2, 24*featurestore.Hour, 0),
			trailing("min", featurestore.String, 1, -1, 30*featurestore.Minute, 0),
			{Name: "newest", Kind: window.Latest, Type: featurestore.String, Input: 1, Where: -1},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// logOf draws one partition's records: log times mostly ascend, event times
// scatter around them, ids repeat.
func logOf(t *rapid.T, source uint16, partition int32) []window.Row {
	var rows []window.Row
	a := rapid.Int64Range(0, 7200).Draw(t, "start")
	for i := range rapid.IntRange(0, 40).Draw(t, "n") {
		a += rapid.Int64Range(-30, 600).Draw(t, "step")
		e := a + rapid.Int64Range(-700, 320).Draw(t, "behind")
		row := window.Row{Time: featurestore.EventTime(e * second), LogTime: featurestore.LogTime(a * second)}
		row.Source, row.Partition, row.Offset = source, partition, int64(2*i)
		row.ID = rapid.SampledFrom([]string{"", "k", "l"}).Draw(t, "id")
		row.Inputs = []featurestore.Value{
			rapid.SampledFrom([]featurestore.Value{featurestore.Null, featurestore.DoubleValue(0.1), featurestore.DoubleValue(1e16), featurestore.DoubleValue(-3)}).Draw(t, "x"),
			rapid.SampledFrom([]featurestore.Value{featurestore.Null, featurestore.StringValue("a"), featurestore.StringValue("bb")}).Draw(t, "s"),
			rapid.SampledFrom([]featurestore.Value{featurestore.Null, featurestore.BoolValue(true)}).Draw(t, "w"),
		}
		rows = append(rows, row)
	}
	return rows
}

func fingerprint(p *window.Plan, s *window.State) []byte {
	newest, folded := s.Newest()
	return p.AppendState(fmt.Appendf(nil, "%v %v %v|", s.Applied, newest, folded), s)
}

// recode sends a settled state through its bytes.
func recode(t *rapid.T, p *window.Plan, s *window.State) *window.State {
	newest, folded := s.Newest()
	var back window.State
	h := window.Header{Applied: slices.Clone(s.Applied), Newest: newest, Folded: folded}
	if err := p.DecodeWhole(p.AppendState(nil, s), h, &back); err != nil {
		t.Fatalf("decode: %v", err)
	}
	return &back
}

// TestStateIsAFunctionOfItsAppliedList feeds the same partitions with other
// batches, other interleaving, restarts and replays.
func TestStateIsAFunctionOfItsAppliedList(t *testing.T) {
	p := rich(t)
	rapid.Check(t, func(t *rapid.T) {
		logs := [][]window.Row{logOf(t, 0, 0), logOf(t, 0, 1), logOf(t, 1, 0)}
		var want []byte
		for run := range 3 {
			s := new(window.State)
			next := make([]int, len(logs))
			for {
				open := slices.DeleteFunc([]int{0, 1, 2}, func(i int) bool { return next[i] == len(logs[i]) })
				if len(open) == 0 {
					break
				}
				i := rapid.SampledFrom(open).Draw(t, "partition")
				p.Apply(s, &logs[i][next[i]])
				if back := rapid.IntRange(0, 9).Draw(t, "replay"); back == 0 {
					before := fmt.Sprint(s.Applied)
					p.Apply(s, &logs[i][0])
					if v := p.Apply(s, &logs[i][next[i]]); v == window.Folded || v == window.Pending || fmt.Sprint(s.Applied) != before {
						t.Fatalf("a replayed row is %v", v)
					}
				}
				next[i]++
				switch rapid.IntRange(0, 5).Draw(t, "settle") {
				case 0:
					p.Settle(s)
				case 1:
					p.Settle(s)
					s = recode(t, p, s)
				}
			}
			p.Settle(s)
			got := fingerprint(p, s)
			p.Settle(s)
			if again := fingerprint(p, s); !bytes.Equal(again, got) {
				t.Fatalf("settling twice changes the state:\n%q\n%q", got, again)
			}
			if back := fingerprint(p, recode(t, p, s)); !bytes.Equal(back, got) {
				t.Fatalf("decoding changes the state:\n%q\n%q", got, back)
			}
			if run > 0 && !bytes.Equal(got, want) {
				t.Fatalf("run %d:\n%q\nwant\n%q", run, got, want)
			}
			want = got
		}
	})
}

// TestSettleChangesNoValue reads before and after settling.
func TestSettleChangesNoValue(t *testing.T) {
	p := rich(t)
	rapid.Check(t, func(t *rapid.T) {
		rows := logOf(t, 0, 0)
		var lazy, eager window.State
		for i := range rows {
			p.Apply(&lazy, &rows[i])
			p.Apply(&eager, &rows[i])
			p.Settle(&eager)
			at := p.ReadTime(&lazy) + featurestore.Instant(rapid.Int64Range(0, 4000).Draw(t, "later")*second)
			got, want := make([]featurestore.Cell, 7), make([]featurestore.Cell, 7)
			p.Read(&eager, at, got)
			p.Read(&lazy, at, want)
			for f := range got {
				if !got[f].Value.Equal(want[f].Value) || got[f].Status != want[f].Status {
					t.Fatalf("feature %s at %s: settled %v, unsettled %v", p.Features()[f].Name, at, got[f], want[f])
				}
			}
		}
	})
}

// TestStateStaysSmall is the ladder's purpose: a window of 7 days over years of
// events holds few tiles, in few bytes.
func TestStateStaysSmall(t *testing.T) {
	p := basic(t, featurestore.Int64, featurestore.Hour, featurestore.Day, 7*featurestore.Day)
	var s window.State
	row := window.Row{Inputs: make([]featurestore.Value, 1)}
	most := 0
	for i := range 60_000 {
		at := int64(i) * 61 * second
		row.Offset, row.Time, row.LogTime = int64(i), featurestore.EventTime(at), featurestore.LogTime(at)
		row.Inputs[0] = featurestore.Int64Value(int64(i % 50))
		p.Apply(&s, &row)
		p.Settle(&s)
		most = max(most, s.Tiles())
	}
	// 7 days of hours, the last hour or so in minutes, five minutes between.
	if want := 7*24 + 24 + 2*60 + 2*12; most > want {
		t.Errorf("%d tiles, want at most %d", most, want)
	}
	body := p.AppendState(nil, &s)
	if perTile := float64(len(body)) / float64(s.Tiles()); perTile > 12 {
		t.Errorf("%.1f bytes a tile (%d in all), want at most 12", perTile, len(body))
	}
	if len(body) > 2560 {
		t.Errorf("the state takes %d bytes in %d tiles, want at most 2560", len(body), s.Tiles())
	}
}

// fuzzed are views whose states hold everything: tiles of trailing windows, of all
// kinds, and raw rows of a change feed.
func fuzzed(t testing.TB) []*window.Plan {
	all, err := window.Compile(window.Config{TTL: featurestore.Hour, Sources: []window.SourceRule{{AllowedLateness: 10 * featurestore.Minute}, {HasEventID: true}},
		Features: append(every(time.UTC), window.Feature{Name: "newest", Kind: window.Latest, Type: featurestore.String, Input: 1, Where: -1})})
	if err != nil {
		t.Fatal(err)
	}
	changes, err := window.Compile(window.Config{Sources: []window.SourceRule{{AllowedLateness: featurestore.Hour, Changes: true}, {HasEventID: true}}, Features: every(time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	return []*window.Plan{rich(t), all, changes}
}

// FuzzParts decodes any bytes as the two parts of a state, and reads straight
// from them: nothing panics, what decodes encodes to the same bytes, and both
// ways of reading agree on it.
func FuzzParts(f *testing.F) {
	plans := fuzzed(f)
	var h window.Header
	for k, p := range plans {
		var s window.State
		for i := range 80 {
			at := int64(i) * 100 * second
			row := window.Row{Time: featurestore.EventTime(at + 50*second*int64(i%7)), LogTime: featurestore.LogTime(at), ID: fmt.Sprint(i)}
			row.Source, row.Offset = uint16(i%2), int64(i)
			row.Inputs = []featurestore.Value{featurestore.DoubleValue(float64(i) / 10), featurestore.StringValue(fmt.Sprint(i)), featurestore.BoolValue(true)}
			p.Apply(&s, &row)
		}
		p.Settle(&s)
		h = headerOf(&s)
		f.Add(uint8(k), p.AppendOpen(nil, &s), p.AppendClosed(nil, &s))
	}
	f.Fuzz(func(t *testing.T, k uint8, open, closed []byte) {
		p := plans[int(k)%len(plans)]
		var s window.State
		var sc window.Scratch
		out, packed := make([]featurestore.Cell, len(p.Features())), make([]featurestore.Cell, len(p.Features()))
		at := h.ReadTime()
		straight := p.ReadPacked(window.Packed{Open: open, Closed: closed, Header: h}, at, &sc, packed)
		if err := p.DecodeState(open, closed, h, &s); err != nil {
			return
		}
		if straight != nil {
			t.Fatalf("decodes, but cannot be read: %v", straight)
		}
		if !bytes.Equal(p.AppendOpen(nil, &s), open) || !bytes.Equal(p.AppendClosed(nil, &s), closed) {
			t.Fatalf("%x and %x decode and encode to other bytes", open, closed)
		}
		p.Read(&s, at, out)
		for i := range out {
			if !out[i].Value.Equal(packed[i].Value) || out[i].Status != packed[i].Status {
				t.Fatalf("%s: %v, packed %v", p.Features()[i].Name, out[i], packed[i])
			}
		}
		p.Settle(&s)
	})
}
