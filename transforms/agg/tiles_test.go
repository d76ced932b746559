package agg_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// The inputs of the events of tiles: one of each kind that a column of its own or
// one of cells stands for, and two wheres.
var tileInputs = []featurestore.Type{
	featurestore.Int64, featurestore.Decimal(18, 2), featurestore.Timestamp, featurestore.Bool,
	featurestore.Double, featurestore.String, featurestore.Bool, featurestore.Bool,
}

const tileWhere = 6

// tileUses are the needs of tiles: every column that merges runs of bytes, for
// all events and behind each where; and, unless fast, columns that are read cell
// by cell, which make MergeTiles keep the count of each tile.
func tileUses(fast bool) []agg.Use {
	var all []agg.Use
	for _, where := range []int{-1, tileWhere, tileWhere + 1} {
		all = append(all, agg.Use{Call: agg.Call{Func: "count"}, Input: -1, Where: where})
		if !fast {
			all = append(all, agg.Use{Call: agg.Call{Func: "sum", Input: featurestore.Int64, By: featurestore.String}, By: tileWhere - 1, Where: where})
		}
		for i, in := range tileInputs[:tileWhere] {
			for _, function := range []string{"count", "sum", "avg", "min", "max", "last", "count_distinct"} {
				cellwise := in.Kind == featurestore.KindString || function == "last" || function == "count_distinct"
				c := agg.Call{Func: function, Input: in}
				if _, err := agg.Check(c); err == nil && !(fast && cellwise) {
					all = append(all, agg.Use{Call: c, Input: i, Where: where})
				}
			}
		}
	}
	return all
}

// tileLog makes the events of tiles: integers of up to so many bits, of either
// sign, in every length of varint below that; up to so many events in a tile.
type tileLog struct {
	*rand.Rand
	bits, most int
	trend      int64 // 1 or -1: each tile is above or below the one before, so that a last one counts
	together   bool  // inputs are null together, so that groups have the same counts
	offset     int64
	owed       map[int][]event // by tile: what was removed and not added
}

func (g *tileLog) integer(tile int) int64 {
	return g.trend*int64(tile)<<min(g.bits, 48) + int64(g.Uint64()>>1>>(63-g.IntN(g.bits+1))) ^ -int64(g.Uint64()&1)
}

func (g *tileLog) event(tile int) event {
	e := event{inputs: make([]featurestore.Value, len(tileInputs))}
	g.offset++
	e.order.Offset, e.order.Time = g.offset, featurestore.EventTime(tile*1000+g.IntN(1000))
	none := g.IntN(4) == 0
	for i, in := range tileInputs {
		if g.together && none || !g.together && g.IntN(8) == 0 {
			continue
		}
		switch in.Kind {
		case featurestore.KindBool:
			e.inputs[i] = featurestore.BoolValue(g.IntN(2) == 0)
		case featurestore.KindInt64:
			e.inputs[i] = featurestore.Int64Value(g.integer(tile))
		case featurestore.KindTimestamp:
			e.inputs[i] = featurestore.TimestampValue(featurestore.Instant(g.integer(tile)))
		case featurestore.KindDecimal:
			e.inputs[i] = featurestore.DecimalValue(g.integer(tile) % 1_000_000_000_000_000_000)
		case featurestore.KindDouble:
			e.inputs[i] = featurestore.DoubleValue([]float64{float64(g.integer(tile)), float64(g.IntN(1e6)-5e5) / 100, g.NormFloat64(), 1e200}[g.IntN(4)])
		default:
			e.inputs[i] = featurestore.StringValue(strconv.Itoa(g.IntN(9)))
		}
	}
	return e
}

// tiles are the events of n tiles, none in some.
func (g *tileLog) tiles(n int) [][]event {
	out := make([][]event, n)
	for i := range out {
		for range g.IntN(g.most + 1) {
			out[i] = append(out[i], g.event(i))
		}
	}
	return out
}

// soiled are cells that held events of another entity before a Reset, and of
// which some slots were taken and freed since.
func (g *tileLog) soiled(l *agg.Layout, slots int) *agg.Cells {
	c := l.NewCells()
	for i := range slots {
		s := c.Alloc()
		for range 3 {
			e := g.event(i)
			c.Add(s, &e.order, e.inputs)
		}
	}
	c.Reset()
	var taken []agg.Slot
	for range g.IntN(4) {
		taken = append(taken, c.Alloc())
	}
	for _, s := range taken[:len(taken)/2] {
		c.Free(s)
	}
	return c
}

// of is a slot that the events of tiles were added to one by one.
func of(c *agg.Cells, tiles ...[]event) agg.Slot {
	s := c.Alloc()
	for _, t := range tiles {
		for i := range t {
			c.Add(s, &t[i].order, t[i].inputs)
		}
	}
	return s
}

// TestTilesInBytes writes tiles, reads them into cells that another entity had
// before, and merges them straight from bytes. Whatever way they take, they hold
// what the events that were added one by one give.
func TestTilesInBytes(t *testing.T) {
	for _, n := range []int{1, 8, 41, 300} {
		for _, fast := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d, fast %t", n, fast), func(t *testing.T) {
				rapid.Check(t, func(t *rapid.T) { checkTiles(t, n, fast) })
			})
		}
	}
}

func checkTiles(t *rapid.T, n int, fast bool) {
	uses := rapid.SliceOfN(rapid.SampledFrom(tileUses(fast)), 3, 9).Draw(t, "uses")
	layout, finishers, err := agg.Compile(uses)
	if err != nil {
		t.Fatal(err)
	}
	if layout.Origins() && fast {
		t.Fatalf("a column of %+v is read cell by cell", uses)
	}
	g := &tileLog{
		Rand:     rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)),
		bits:     rapid.SampledFrom([]int{6, 13, 20, 27, 34, 48, 63}).Draw(t, "bits"),
		trend:    rapid.SampledFrom([]int64{0, 0, 1, -1}).Draw(t, "trend"),
		most:     rapid.SampledFrom([]int{1, 3, 150}).Draw(t, "most"),
		together: rapid.Bool().Draw(t, "together"),
	}
	if n > 41 {
		g.most = min(g.most, 5)
	}
	tiles := g.tiles(n)
	fresh := layout.NewCells()
	var slots []agg.Slot
	origins := make([]int64, n)
	for i := range tiles {
		slots = append(slots, of(fresh, tiles[i]))
		origins[i] = int64(i) * 1000
	}
	if layout.Owes() {
		g.owe(fresh, slots, tiles)
	}
	written := fresh.AppendTiles(nil, slots, origins)
	checkDecoded(t, g, layout, written, fresh, slots, origins)
	checkMerged(t, g, layout, finishers, tiles, fresh, slots, origins)
}

// owe removes from some tiles events that others have.
func (g *tileLog) owe(cells *agg.Cells, slots []agg.Slot, tiles [][]event) {
	g.owed = map[int][]event{}
	for i, s := range slots {
		from := tiles[g.IntN(len(tiles))]
		if g.IntN(3) > 0 {
			continue
		}
		for _, e := range from {
			cells.Remove(s, &e.order, e.inputs)
			g.owed[i] = append(g.owed[i], e)
		}
	}
}

// checkDecoded reads tiles into cells that are not new.
func checkDecoded(t *rapid.T, g *tileLog, layout *agg.Layout, written []byte, fresh *agg.Cells, slots []agg.Slot, origins []int64) {
	n := len(slots)
	used := g.soiled(layout, g.IntN(2*n+2))
	got := used.AllocAll(nil, n)
	if len(got) != n {
		t.Fatalf("%d slots, want %d", len(got), n)
	}
	whole := used.Alloc()
	used.Merge(whole, got)
	for _, s := range append(got, whole) {
		if !used.Blank(s) {
			t.Fatalf("slot %d of %v is not blank", s, got)
		}
	}
	r := pack.NewReader(written)
	used.DecodeTiles(&r, got, origins)
	if r.Err() != nil || len(r.Rest()) > 0 {
		t.Fatalf("%x: %v, and %d bytes are left", written, r.Err(), len(r.Rest()))
	}
	for i := range got {
		if a, b := used.Append(nil, got[i], 0), fresh.Append(nil, slots[i], 0); !bytes.Equal(a, b) {
			t.Fatalf("tile %d of %d is %x, written as %x", i, n, a, b)
		}
	}
	if again := used.AppendTiles(nil, got, origins); !bytes.Equal(again, written) {
		t.Fatalf("tiles %x are read and written as %x", written, again)
	}
	into, want := fresh.Alloc(), fresh.Alloc()
	used.Merge(whole, got)
	fresh.Merge(want, slots)
	for i := range slots {
		fresh.Merge(into, slots[i:i+1])
	}
	a, b, c := used.Append(nil, whole, 0), fresh.Append(nil, want, 0), fresh.Append(nil, into, 0)
	if !bytes.Equal(a, b) || !bytes.Equal(a, c) {
		t.Fatalf("%d tiles that were read merge to %x, those written to %x, one by one to %x", n, a, b, c)
	}
}

// checkMerged merges tiles from bytes, in runs with needs of their own.
func checkMerged(t *rapid.T, g *tileLog, layout *agg.Layout, finishers []agg.Finisher, tiles [][]event, fresh *agg.Cells, slots []agg.Slot, origins []int64) {
	used := g.soiled(layout, g.IntN(8))
	m := new(agg.TileMerge)
	cut := g.IntN(len(tiles)) // written in two parts, which merge into the same slots
	into := used.Alloc()
	var all [][]event
	var owed []event
	needs, needed := layout.NewNeeds(), []int(nil)
	for i := range finishers {
		if g.IntN(4) > 0 {
			needs.Finisher(&finishers[i])
			needed = append(needed, i)
		}
	}
	for _, part := range [][2]int{{0, cut}, {cut, len(tiles)}} {
		m.Runs, m.Origins = m.Runs[:0], origins[part[0]:part[1]]
		for at := part[0]; at < part[1]; {
			run := agg.TileRun{Tiles: 1 + g.IntN(part[1]-at)}
			if g.IntN(4) > 0 {
				run.Into, run.Needs = into, needs
				all = append(all, tiles[at:at+run.Tiles]...)
				for i := range run.Tiles {
					owed = append(owed, g.owed[at+i]...)
				}
			}
			m.Runs = append(m.Runs, run)
			at += run.Tiles
		}
		r := pack.NewReader(fresh.AppendTiles(nil, slots[part[0]:part[1]], m.Origins))
		used.MergeTiles(&r, m)
		if r.Err() != nil || len(r.Rest()) > 0 {
			t.Fatalf("runs %+v: %v, and %d bytes are left", m.Runs, r.Err(), len(r.Rest()))
		}
	}
	oracle := layout.NewCells()
	want := of(oracle, all...)
	for _, e := range owed {
		oracle.Remove(want, &e.order, e.inputs)
	}
	for _, i := range needed {
		f := &finishers[i]
		a, b := f.Read(used, into, 5e9), f.Read(oracle, want, 5e9)
		if !a.Value.Equal(b.Value) || a.Status != b.Status {
			t.Fatalf("finisher %d of %d tiles from bytes: %v, of their events: %v", i, len(tiles), a, b)
		}
	}
	if len(needed) == len(finishers) {
		if a, b := used.Append(nil, into, 0), oracle.Append(nil, want, 0); !bytes.Equal(a, b) {
			t.Fatalf("%d tiles from bytes are %x, their events %x", len(tiles), a, b)
		}
	}
}

// Tiles that add up to no event, and hold what is owed all the same, hold it too where
// they are merged from bytes.
func TestOwedTilesFromBytes(t *testing.T) {
	sum := agg.Call{Func: "sum", Input: featurestore.Int64}
	layout, finishers, err := agg.Compile([]agg.Use{{Call: agg.Call{Func: "count"}, Input: -1, Where: -1}, {Call: sum, Input: 0, Where: -1}})
	if err != nil {
		t.Fatal(err)
	}
	cells := layout.NewCells()
	slots := []agg.Slot{cells.Alloc(), cells.Alloc()}
	cells.Add(slots[0], &agg.Order{}, []featurestore.Value{featurestore.Int64Value(5)})
	cells.Remove(slots[1], &agg.Order{}, []featurestore.Value{featurestore.Int64Value(15)})
	r := pack.NewReader(cells.AppendTiles(nil, slots, nil))
	into, want := layout.NewCells(), cells.Alloc()
	needs := layout.NewNeeds()
	for i := range finishers {
		needs.Finisher(&finishers[i])
	}
	m := &agg.TileMerge{Runs: []agg.TileRun{{Tiles: 2, Into: into.Alloc(), Needs: needs}}}
	into.MergeTiles(&r, m)
	cells.Merge(want, slots)
	if a, b := into.Append(nil, m.Runs[0].Into, 0), cells.Append(nil, want, 0); r.Err() != nil || !bytes.Equal(a, b) || into.Blank(m.Runs[0].Into) {
		t.Errorf("%v: from bytes they are %x, want %x", r.Err(), a, b)
	}
}
