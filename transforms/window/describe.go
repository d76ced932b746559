package window

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
)

// Cover is what a window of a feature may cover, and the tile that its edges are
// aligned to. A trailing window covers at least its width and at most a tile
// more, less a microsecond; with an offset, and in a series, both edges are
// aligned, so that it may also end up to a tile early. Most is 0 where there is
// no telling (lifetime, rows, session) or no window (latest).
type Cover struct{ Tile, Least, Most featurestore.Duration }

// Cover gives the cover of feature i.
func (p *Plan) Cover(i int) Cover {
	f := &p.features[i]
	if f.Kind == Latest {
		return Cover{}
	}
	return kinds[f.Kind].cover(f)
}

// Estimate is what the state of a dense key takes: one that has events all the
// time. Bytes is a rough figure, with small values; values that grow (texts,
// distinct values, lists) are not foreseen.
type Estimate struct {
	Tiles        int // of the ladder
	BytesPerTile int
	Rows         int // raw rows
	Bytes        int
}

// mostCounted bounds the work of an estimate.
const mostCounted = 1_000_000

// Estimate gives the worst case of a dense key.
func (p *Plan) Estimate() Estimate {
	var e Estimate
	if p.tiled.layout != nil {
		e.Tiles, e.BytesPerTile = p.denseTiles(), p.tiled.tileBytes
	}
	e.Bytes = e.Tiles * e.BytesPerTile
	if p.lifetime.layout != nil {
		e.Bytes += p.sampleBytes(p.lifetime.layout)
	}
	for i := range p.sessions {
		e.Bytes += mostSessionTiles * (2 + p.sessions[i].tileBytes)
	}
	for i := range p.lists {
		l := &p.lists[i]
		rows := max(l.newest, l.exact)
		e.Rows += rows
		e.Bytes += rows * rowBytes(l.columns)
	}
	if p.raw {
		e.Rows = MostNetRows
		e.Bytes = e.Rows * rowBytes(p.net.columns)
	}
	return e
}

// denseTiles counts the tiles of a key that has events all the time, at the end
// of a month: shortly before the coarse tiles take over from the fine ones.
func (p *Plan) denseTiles() int {
	const end = 1_706_745_598_999_999 // 2024-01-31T23:59:58.999999Z
	var e edges
	p.ladder.at(end, new([]units), &e)
	n := 0
	for x := e.drop; x <= end && n < mostCounted; n++ {
		size := p.ladder.sizes[p.ladder.level(&e, x)]
		x = floor(x, size) + size
	}
	return n
}

// rowBytes is what a raw row takes, about.
func rowBytes(columns []int) int { return 6 + 4*len(columns) }

// sampleBytes is what a tile of one event takes, its values small.
func (p *Plan) sampleBytes(l *agg.Layout) int {
	inputs := make([]featurestore.Value, p.inputs)
	for i, k := range p.kinds {
		switch k {
		case featurestore.KindBool:
			inputs[i] = featurestore.BoolValue(true)
		case featurestore.KindInt64:
			inputs[i] = featurestore.Int64Value(50)
		case featurestore.KindDouble:
			inputs[i] = featurestore.DoubleValue(19.99)
		case featurestore.KindString:
			inputs[i] = featurestore.StringValue("sample")
		case featurestore.KindBytes:
			inputs[i] = featurestore.BytesValue("sample")
		case featurestore.KindTimestamp:
			inputs[i] = featurestore.TimestampValue(1_706_745_599_999_999)
		case featurestore.KindDecimal:
			inputs[i] = featurestore.DecimalValue(1999)
		}
	}
	cells := l.NewCells()
	slot := cells.Alloc()
	cells.Add(slot, &agg.Order{}, inputs)
	return len(cells.AppendTiles(nil, []agg.Slot{slot, slot, slot, slot}, make([]int64, 4)))/4 + 1
}
