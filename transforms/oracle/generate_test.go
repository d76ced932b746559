package oracle_test

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

// gen makes small random views and logs that sit on the edges: of tiles,
// windows, lateness, number ranges and orders.
type gen struct{ *rand.Rand }

func newGen(seed uint64) gen { return gen{rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))} }

func (g gen) chance(percent int) bool { return g.IntN(100) < percent }

func pick[T any](g gen, of ...T) T { return of[g.IntN(len(of))] }

// inputs are the columns of every row: index in Row.Inputs -> type.
var inputs = []featurestore.Type{
	featurestore.Int64, featurestore.Double, featurestore.Decimal(10, 2), featurestore.Decimal(18, 4),
	featurestore.String, featurestore.Bytes, featurestore.Timestamp, featurestore.Bool,
}

const whereInput = 7

const (
	second = featurestore.Second
	minute = featurestore.Minute
	hour   = featurestore.Hour
	day    = featurestore.Day
)

func (g gen) config() window.Config {
	var c window.Config
	for range 1 + g.IntN(2) {
		c.Sources = append(c.Sources, window.SourceRule{
			AllowedLateness: pick(g, 0, second, 30*second, 5*minute, hour),
			HasEventID:      g.chance(40),
		})
	}
	widths := pick(g, []featurestore.Duration{second, 10 * second, 24 * second, minute}, []featurestore.Duration{minute, 2 * minute, 4 * minute, 10 * minute},
		[]featurestore.Duration{minute, 24 * minute, hour, 3 * hour}, []featurestore.Duration{10 * minute, 2 * hour, day, 7 * day, 30 * day})
	latest := g.IntN(5) // 0: only latest values, 1: some, else none
	if latest == 0 || latest == 1 {
		c.TTL = pick(g, 0, 5*second, minute, hour)
	}
	tile := g.tile(widths)
	for range 1 + g.IntN(5) {
		if latest == 0 || latest == 1 && g.chance(40) {
			in := g.IntN(len(inputs))
			c.Features = append(c.Features, window.Feature{Kind: window.Latest, Type: inputs[in], Input: in, Where: -1})
		} else {
			c.Features = append(c.Features, g.trailing(widths, tile))
		}
	}
	for i := range c.Features {
		f := &c.Features[i]
		f.Name = "f" + string(rune('0'+i))
		if g.chance(25) {
			f.Default = g.value(f.Type)
		}
	}
	return c
}

// tile is a view's declared tile, which must divide each window, or 0.
func (g gen) tile(widths []featurestore.Duration) featurestore.Duration {
	tile := pick(g, 0, 0, second, 10*second, minute, 5*minute, hour, day)
	for _, w := range widths {
		if tile != 0 && w%tile != 0 {
			return 0
		}
	}
	return tile
}

func (g gen) trailing(widths []featurestore.Duration, tile featurestore.Duration) window.Feature {
	f := window.Feature{Kind: window.Trailing, Tile: tile, Input: -1, Where: -1, Width: pick(g, widths...), EmptyNull: g.chance(15)}
	if g.chance(30) {
		f.Offset = pick(g, second, 7*second, minute, f.Width, 3*f.Width)
	}
	if g.chance(25) {
		f.Where = whereInput
	}
	f.Call.Func = pick(g, "count", "count", "sum", "avg", "min", "max", "first", "last", "var_samp", "var_pop", "stddev_samp", "stddev_pop",
		"count_distinct", "time_since_last")
	switch f.Call.Func {
	case "time_since_last":
		f.Offset = 0
	case "count":
		if g.chance(50) {
			f.Input = g.IntN(len(inputs))
		}
	case "sum", "avg", "var_samp", "var_pop", "stddev_samp", "stddev_pop":
		f.Input = g.IntN(4)
	case "min", "max":
		f.Input = pick(g, 0, 1, 2, 4, 6)
	default:
		f.Input = g.IntN(len(inputs))
		f.Call.RespectNulls = (f.Call.Func == "first" || f.Call.Func == "last") && g.chance(40)
	}
	if f.Call.Func == "count_distinct" {
		f.Call.Max = pick[int64](g, 0, 2, 3, 5)
	}
	if f.Input >= 0 {
		f.Call.Input = inputs[f.Input]
	}
	f.Type = resultType(f.Call)
	return f
}

func resultType(c agg.Call) featurestore.Type {
	switch c.Func {
	case "count", "count_distinct":
		return featurestore.Int64
	case "sum":
		if c.Input.Kind == featurestore.KindDecimal {
			return featurestore.Decimal(featurestore.MaxDecimalPrecision, c.Input.Scale)
		}
		return c.Input
	case "min", "max", "first", "last":
		return c.Input
	}
	return featurestore.Double
}

// log makes the rows of one entity, by partition, each in offset order.
func (g gen) log(c window.Config) [][]window.Row {
	var parts [][]window.Row
	start := pick[int64](g, 0, 1_710_000_000, -100, -90_000) * int64(second)
	plan := partitionPlan{start: start, pace: pick(g, second, 20*second, 3*minute, 2*hour), producer: g.chance(25), tile: second}
	for i := range c.Features {
		if f := &c.Features[i]; f.Kind == window.Trailing && f.Tile != 0 {
			plan.tile = f.Tile
		}
	}
	for source := range c.Sources {
		for partition := range 1 + g.IntN(2) {
			id := featurestore.PartitionID{Source: uint16(source), Generation: pick[uint32](g, 0, 1), Partition: int32(partition)}
			parts = append(parts, g.partition(c.Sources[source], id, plan))
		}
	}
	return parts
}

type partitionPlan struct {
	start    int64
	pace     featurestore.Duration
	producer bool                  // log times may go back
	tile     featurestore.Duration // of the view, or a guess
}

func (g gen) partition(rule window.SourceRule, id featurestore.PartitionID, p partitionPlan) []window.Row {
	var rows []window.Row
	a, offset := p.start, int64(g.IntN(3))
	n := g.IntN(12)
	if g.chance(5) {
		n = 60
	}
	for range n {
		a += g.step(p)
		if len(rows) > 0 && g.chance(10) { // where the ids of an earlier row's tile are forgotten
			e := featurestore.Instant(rows[g.IntN(len(rows))].Time)
			edge := int64(e.Floor(p.tile)) + int64(p.tile) + int64(rule.AllowedLateness) + int64(g.IntN(2))
			if p.producer || edge > a {
				a = edge
			}
		}
		row := window.Row{Position: featurestore.Position{PartitionID: id, Offset: offset}, LogTime: featurestore.LogTime(a)}
		row.Time = featurestore.EventTime(g.eventTime(a, rule, p))
		if len(rows) > 0 && g.chance(25) { // a tie
			row.Time = rows[g.IntN(len(rows))].Time
		}
		if len(rows) > 0 && p.producer && g.chance(20) { // another clock's record of the same moment
			twin := rows[g.IntN(len(rows))]
			row.Time, row.LogTime = twin.Time, twin.LogTime
		}
		row.Sequence = pick(g, featurestore.Null, featurestore.Null, featurestore.Int64Value(1), featurestore.Int64Value(-2), featurestore.Int64Value(7))
		row.ID = pick(g, "", "k", "k", "l", "m")
		for _, t := range inputs {
			row.Inputs = append(row.Inputs, g.value(t))
		}
		rows = append(rows, row)
		offset += 1 + int64(g.IntN(3))
	}
	return rows
}

func (g gen) step(p partitionPlan) int64 {
	switch {
	case p.producer && g.chance(15):
		return -g.Int64N(int64(p.pace) * 2)
	case g.chance(15):
		return 0
	case g.chance(8):
		return g.Int64N(int64(p.pace) * 200)
	case g.chance(50):
		return g.Int64N(5) * int64(p.pace)
	}
	return g.Int64N(int64(p.pace) * 2)
}

// eventTime is near the log time, on an edge, or beyond it.
func (g gen) eventTime(a int64, rule window.SourceRule, p partitionPlan) int64 {
	late := int64(rule.AllowedLateness)
	ahead := int64(5 * minute)
	switch g.IntN(13) {
	case 12:
		return a + 1
	case 0:
		return a - late
	case 1:
		return a - late - 1
	case 2:
		return a + ahead
	case 3:
		return a + ahead + 1
	case 4:
		return a + 1 + g.Int64N(ahead)
	case 5:
		return a + g.Int64N(int64(3*second))
	case 6:
		return int64(featurestore.Instant(a).Floor(pick(g, second, 10*second, minute, hour)))
	case 7:
		return int64(featurestore.Instant(a).Floor(minute)) - 1
	case 8:
		return a - g.Int64N(late+1)
	case 9:
		return a - g.Int64N(int64(p.pace))
	}
	return a
}

func (g gen) value(t featurestore.Type) featurestore.Value {
	if g.chance(12) {
		return featurestore.Null
	}
	switch t.Kind {
	case featurestore.KindBool:
		return featurestore.BoolValue(g.chance(70))
	case featurestore.KindInt64:
		return featurestore.Int64Value(pick(g, 0, 1, -1, 5, 1000, math.MaxInt64, math.MinInt64, math.MaxInt64-1, 1<<53+1, g.Int64N(100), int64(g.Uint64())))
	case featurestore.KindDouble:
		return featurestore.DoubleValue(g.double())
	case featurestore.KindString:
		return featurestore.StringValue(pick(g, "", "a", "b", "a\x00", "ä", "a longer text that is no short one"))
	case featurestore.KindBytes:
		return featurestore.BytesValue(pick(g, "", "\x00", "\xff\xfe", "a"))
	case featurestore.KindTimestamp:
		return featurestore.TimestampValue(featurestore.Instant(pick(g, 0, -1, 1_710_000_000_000_000, g.Int64N(1000))))
	}
	limit := int64(math.Pow10(t.Precision)) - 1
	return featurestore.DecimalValue(pick(g, 0, 10, 20, -5, limit, -limit, g.Int64N(limit)))
}

func (g gen) double() float64 {
	switch g.IntN(8) {
	case 0:
		return pick(g, 1e308, -1e308, math.MaxFloat64, -math.MaxFloat64)
	case 1:
		return pick(g, 5e-324, -5e-324, 2.2250738585072014e-308, 1e-310)
	case 2:
		return pick(g, 1e16, 1, -1e16, 1e200, -1e200)
	case 3:
		return math.Float64frombits(g.Uint64())
	case 4:
		return math.Copysign(0, -1)
	}
	return pick(g, 0.1, 0.2, 0.3, 1.5, -2.25, 100, 1.0/3)
}

// interleave merges the partitions into one feeding order, which keeps the
// order of each.
func (g gen) interleave(parts [][]window.Row) []window.Row {
	parts = slices.Clone(parts)
	var out []window.Row
	for {
		parts = slices.DeleteFunc(parts, func(p []window.Row) bool { return len(p) == 0 })
		if len(parts) == 0 {
			return out
		}
		i := g.IntN(len(parts))
		out = append(out, parts[i][0])
		parts[i] = parts[i][1:]
	}
}

// instants are interesting read times that are not before least: on edges of
// windows, ttls, tiles and events.
func (g gen) instants(c window.Config, rows []window.Row, least featurestore.Instant) []featurestore.Instant {
	out := []featurestore.Instant{least, least + featurestore.Instant(g.Int64N(int64(minute)))}
	for range 12 {
		if len(rows) == 0 {
			break
		}
		f := c.Features[g.IntN(len(c.Features))]
		e := featurestore.Instant(rows[g.IntN(len(rows))].Time)
		span := f.Offset + f.Width
		if f.Kind == window.Latest {
			span = c.TTL
		}
		tile := pick(g, second, minute, hour)
		span += pick(g, 0, 0, tile, tile+c.Sources[0].AllowedLateness, c.Sources[len(c.Sources)-1].AllowedLateness)
		if g.chance(20) {
			span = 0
		}
		t := e + featurestore.Instant(span)
		if g.chance(30) {
			t = t.Floor(tile)
		}
		out = append(out, t+featurestore.Instant(g.IntN(3)-1))
	}
	out = slices.DeleteFunc(out, func(t featurestore.Instant) bool { return t < least })
	slices.Sort(out)
	return slices.Compact(out)
}
