package oracle_test

import (
	"math"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// logGen makes the log of one entity.
type logGen struct {
	gen
	s        *scenario
	pace     featurestore.Duration
	producer bool                  // log times may go back
	tile     featurestore.Duration // of the view, or a guess
	// sane: a row is retracted once, by its own partition and after it was added.
	// Views that subtract cannot tell what else may be in a log.
	sane bool
	all  []window.Row // of the partitions so far
}

func (g gen) log(s *scenario) [][]record {
	start := pick[int64](g, 0, 1_710_000_000, -100, -90_000) * int64(second)
	l := &logGen{gen: g, s: s, pace: pick(g, second, 20*second, 3*minute, 2*hour), producer: g.chance(25), tile: second}
	raw := slices.ContainsFunc(s.config.Features, func(f window.Feature) bool { return !subtracts(&f) })
	l.sane = !raw || g.chance(50)
	for i := range s.config.Features {
		f := &s.config.Features[i]
		if f.Tile != 0 {
			l.tile = f.Tile
		}
		if f.Kind == window.Calendar && g.chance(70) {
			l.pace = pick(g, 20*minute, 2*hour, 20*hour)
			start = g.edgeOf(f)*int64(second) - g.Int64N(12)*int64(l.pace)
		}
	}
	var parts [][]record
	for source := range s.config.Sources {
		for partition := range 1 + g.IntN(2) {
			id := featurestore.PartitionID{Source: uint16(source), Generation: pick[uint32](g, 0, 1), Partition: int32(partition)}
			parts = append(parts, l.partition(id, start))
		}
	}
	return parts
}

func (g gen) edgeOf(f *window.Feature) int64 {
	for _, z := range zones {
		if z.name == f.Zone.String() && g.chance(60) {
			return z.edge
		}
	}
	return 1_709_251_200 // 2024-03-01
}

// subtracts reports whether a retraction is subtracted from the feature's tiles.
func subtracts(f *window.Feature) bool {
	if f.Kind == window.Latest || f.Kind == window.Rows || f.Kind == window.Session || f.Exact || f.By >= 0 {
		return false
	}
	return slices.Contains(subtracted, f.Call.Func)
}

func (g *logGen) partition(id featurestore.PartitionID, start int64) []record {
	var records []record
	var rows []window.Row // all of them
	var live []window.Row // accepted and not retracted
	rule := g.s.config.Sources[id.Source]
	a, offset, mutated := start, int64(g.IntN(3)), int64(math.MinInt64)
	n := g.IntN(10)
	if g.chance(3) {
		n = 40
	}
	for range n {
		a += g.step()
		if len(rows) > 0 && g.chance(10) { // where the ids of an earlier row's tile are forgotten
			e := featurestore.Instant(rows[g.IntN(len(rows))].Time)
			edge := int64(e.Floor(g.tile)) + int64(g.tile) + int64(rule.AllowedLateness) + int64(g.IntN(2))
			if g.producer || edge > a {
				a = edge
			}
		}
		row := window.Row{Position: featurestore.Position{PartitionID: id, Offset: offset}, LogTime: featurestore.LogTime(a)}
		g.fill(&row, rule, rows)
		rec := record{row}
		if rule.Changes && g.chance(85) {
			mutated = g.change(&rec, &live, rule, mutated)
		}
		for _, r := range rec {
			if accepted(&r, rule) && r.Change != featurestore.Retracted && r.ID == "" {
				live = append(live, r)
			}
		}
		records, rows = append(records, rec), append(rows, rec...)
		g.all = append(g.all, rec...)
		offset += 1 + int64(g.IntN(3))
	}
	return records
}

// fill makes an ordinary event of a row.
func (g *logGen) fill(row *window.Row, rule window.SourceRule, rows []window.Row) {
	row.Time = featurestore.EventTime(g.eventTime(int64(row.LogTime), rule))
	apart := rule.Changes && g.sane // no tie with another partition
	switch {
	case len(rows) > 0 && g.chance(25): // a tie
		row.Time = rows[g.IntN(len(rows))].Time
	case apart:
		row.Time = row.Time/10*10 + featurestore.EventTime(row.Partition)
	case len(g.all) > 0 && g.chance(25):
		row.Time = g.all[g.IntN(len(g.all))].Time
	}
	if len(rows) > 0 && g.producer && g.chance(20) { // another clock's record of the same moment
		twin := rows[g.IntN(len(rows))]
		row.Time, row.LogTime = twin.Time, twin.LogTime
	}
	row.Sequence = pick(g.gen, featurestore.Null, featurestore.Null, featurestore.Int64Value(1), featurestore.Int64Value(-2), featurestore.Int64Value(7))
	row.ID = pick(g.gen, "", "k", "k", "l", "m")
	for _, t := range g.s.inputs {
		row.Inputs = append(row.Inputs, g.value(t))
	}
	switch {
	case len(rows) > 0 && g.chance(15): // the same again
		row.Inputs = rows[g.IntN(len(rows))].Inputs
	case rule.Changes && !apart && len(g.all) > 0 && g.chance(50): // a row as another one
		twin := g.all[g.IntN(len(g.all))]
		row.Time, row.Inputs = twin.Time, twin.Inputs
	}
}

// change makes a record of a change feed: a new row, a changed one, or one that
// is gone.
func (g *logGen) change(rec *record, live *[]window.Row, rule window.SourceRule, mutated int64) int64 {
	row := &(*rec)[0]
	row.Change, row.ID = featurestore.Added, ""
	when := g.eventTime(int64(row.LogTime), rule)
	if g.sane {
		when = max(when, mutated)
	}
	row.Mutated = featurestore.EventTime(when)
	if g.chance(30) { // an old row
		row.Time -= 10 * featurestore.EventTime(g.Int64N(int64(g.pace)*5))
	}
	if g.chance(50) {
		return when
	}
	before := *row
	switch {
	case !g.sane && len(g.all) > 0 && g.chance(30): // of another partition, perhaps of another source
		twin := g.all[g.IntN(len(g.all))]
		before.Time, before.Inputs = twin.Time, twin.Inputs
	case len(*live) > 0 && (g.sane || g.chance(85)):
		i := g.IntN(len(*live))
		before.Time, before.Inputs = (*live)[i].Time, (*live)[i].Inputs
		before.Change = featurestore.Retracted
		if !accepted(&before, rule) {
			return when
		}
		if g.sane || g.chance(80) {
			*live = slices.Delete(*live, i, i+1)
		}
	case g.sane:
		return when
	}
	before.Change = featurestore.Retracted
	if g.chance(40) {
		*rec = record{before}
	} else {
		*rec = record{before, *row}
	}
	return when
}

// accepted reports whether a row is neither late, as no change is, nor ahead.
func accepted(r *window.Row, rule window.SourceRule) bool {
	late, visible := int64(r.Time) < int64(r.LogTime)-int64(rule.AllowedLateness), r.Time
	if r.Change != featurestore.NoChange {
		late, visible = false, max(r.Time, r.Mutated)
	}
	return !late && int64(visible) <= int64(r.LogTime)+int64(5*minute)
}

func (g *logGen) step() int64 {
	switch {
	case g.producer && g.chance(15):
		return -g.Int64N(int64(g.pace) * 2)
	case g.chance(15):
		return 0
	case g.chance(8):
		return g.Int64N(int64(g.pace) * 200)
	case g.chance(50):
		return g.Int64N(5) * int64(g.pace)
	}
	return g.Int64N(int64(g.pace) * 2)
}

// eventTime is near the log time, on an edge, or beyond it.
func (g *logGen) eventTime(a int64, rule window.SourceRule) int64 {
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
		return int64(featurestore.Instant(a).Floor(pick(g.gen, second, 10*second, minute, hour)))
	case 7:
		return int64(featurestore.Instant(a).Floor(minute)) - 1
	case 8:
		return a - g.Int64N(late+1)
	case 9:
		return a - g.Int64N(int64(g.pace))
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
	case featurestore.KindList:
		return featurestore.ListValue(g.values(*t.Elem, g.IntN(4)))
	case featurestore.KindMap:
		keys := pick(g, nil, []string{""}, []string{"a", "b"}, []string{"b", "c", "d"})
		return featurestore.MapValue(keys, g.values(*t.Elem, len(keys)))
	}
	limit := int64(math.Pow10(t.Precision)) - 1
	return featurestore.DecimalValue(pick(g, 0, 10, 20, -5, limit, -limit, g.Int64N(limit)))
}

func (g gen) values(t featurestore.Type, n int) []featurestore.Value {
	var out []featurestore.Value
	for range n {
		out = append(out, g.value(t))
	}
	return out
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
func (g gen) interleave(parts [][]record) []record {
	parts = slices.Clone(parts)
	var out []record
	for {
		parts = slices.DeleteFunc(parts, func(p []record) bool { return len(p) == 0 })
		if len(parts) == 0 {
			return out
		}
		i := g.IntN(len(parts))
		out = append(out, parts[i][0])
		parts[i] = parts[i][1:]
	}
}
