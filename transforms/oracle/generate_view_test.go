package oracle_test

import (
	"slices"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

// zones have days that are longer or shorter, by an hour or half of one, that
// begin at one or twice, or that never were; and offsets that are no whole hours.
// edge is the second of such a change.
var zones = []struct {
	name string
	edge int64
}{
	{"UTC", 1_709_251_200}, {"America/New_York", 1_710_054_000}, {"America/New_York", 1_730_613_600}, {"Europe/Berlin", 1_711_846_800},
	{"Asia/Kolkata", 1_709_231_400}, {"Australia/Lord_Howe", 1_712_415_600}, {"America/Sao_Paulo", 1_541_300_400}, {"Pacific/Apia", 1_325_239_200},
	{"America/St_Johns", 1_162_089_060}, {"Asia/Kathmandu", 504_901_800}, {"Africa/Monrovia", 63_593_070}, {"America/Havana", 1_604_206_800},
}

func dateIn(zone *time.Location, y int, m time.Month, d int) time.Time {
	return time.Date(y, m, d, 0, 0, 0, 0, zone)
}

// viewGen makes a view. Its features are of one scale, so that one log is of
// interest to all of them.
type viewGen struct {
	gen
	widths   []featurestore.Duration
	subtract bool // only features that subtract
	latest   int  // percent of Latest features
}

func (g *viewGen) config() window.Config {
	var c window.Config
	changes := g.chance(25)
	for range 1 + g.IntN(2) {
		c.Sources = append(c.Sources, window.SourceRule{
			AllowedLateness: pick(g.gen, 0, second, 30*second, 5*minute, hour),
			HasEventID:      g.chance(40),
			Changes:         changes && g.chance(75),
		})
	}
	g.subtract = changes && g.chance(40)
	g.widths = pick(g.gen, []featurestore.Duration{second, 10 * second, 24 * second, minute}, []featurestore.Duration{minute, 2 * minute, 4 * minute, 10 * minute},
		[]featurestore.Duration{minute, 24 * minute, hour, 3 * hour}, []featurestore.Duration{10 * minute, 2 * hour, day, 7 * day, 30 * day})
	if g.latest = pick(g.gen, 0, 0, 0, 40, 100); g.latest > 0 && !g.subtract {
		c.TTL = pick(g.gen, 0, 5*second, minute, hour)
	}
	for i := range 1 + g.IntN(5) {
		f := g.feature()
		f.Name = "f" + string(rune('0'+i))
		if g.chance(20) {
			f.Default = g.value(f.Type)
		}
		c.Features = append(c.Features, f)
	}
	if tile := pick(g.gen, 0, 0, second, 10*second, minute, 5*minute, hour, day); tile != 0 && fits(&c, tile) {
		for i := range c.Features {
			switch f := &c.Features[i]; f.Kind {
			case window.Latest, window.Lifetime, window.Rows:
			default:
				f.Tile = tile
			}
		}
	}
	return c
}

// fits reports whether a view may declare the tile.
func fits(c *window.Config, tile featurestore.Duration) bool {
	return !slices.ContainsFunc(c.Features, func(f window.Feature) bool {
		switch f.Kind {
		case window.Latest, window.Lifetime, window.Rows:
			return false
		case window.Session:
			return tile > f.Width
		case window.Hopping, window.Series:
			return f.Width%tile != 0 || f.Step%tile != 0
		case window.Calendar:
			return !dividesOffsets(f.Zone, tile)
		default:
			return f.Width%tile != 0
		}
	})
}

// dividesOffsets asks for the offset of every 20th day from 1970 to 2038.
func dividesOffsets(zone *time.Location, tile featurestore.Duration) bool {
	for s := int64(0); s < 1<<31; s += 20 * 86_400 {
		_, offset := time.Unix(s, 0).In(zone).Zone()
		if featurestore.Duration(offset)*second%tile != 0 {
			return false
		}
	}
	return true
}

func (g *viewGen) feature() window.Feature {
	f := window.Feature{Input: -1, Second: -1, By: -1, Where: -1, EmptyNull: g.chance(15)}
	if !g.subtract && g.chance(g.latest) {
		f.Kind, f.Input = window.Latest, g.IntN(len(columns))
		f.Type, f.EmptyNull = columns[f.Input], false
		return f
	}
	g.call(&f)
	f.Where = orNot(g.gen, 25, whereColumn+1) - 1
	kinds := []window.Kind{window.Trailing, window.Trailing, window.Trailing, window.Lifetime, window.Tumbling, window.Hopping, window.Calendar}
	if !g.subtract {
		kinds = append(kinds, window.Trailing, window.Rows, window.Session, window.Session)
	}
	if f.Type.Kind != featurestore.KindList && f.Type.Kind != featurestore.KindMap {
		kinds = append(kinds, window.Series)
	}
	f.Kind = pick(g.gen, kinds...)
	g.window(&f)
	return f
}

func (g *viewGen) window(f *window.Feature) {
	w := pick(g.gen, g.widths...)
	switch f.Kind {
	case window.Trailing:
		f.Width = w
		f.Offset = orNot(g.gen, 30, second, 7*second, minute, w, 3*w)
		if !g.subtract && g.chance(25) {
			f.Exact, f.MaxRows = true, pick[int64](g.gen, 0, 1, 2, 3, 5, 10)
			f.Width = pick(g.gen, w, w, w+second, 3*second)
			f.Offset = pick(g.gen, f.Offset, 0, 0, f.Offset+1)
		}
	case window.Rows:
		f.Count = pick[int64](g.gen, 1, 2, 3, 5, 100)
	case window.Session:
		f.Width = pick(g.gen, w, w, second, second+1, 90*second)
	case window.Tumbling:
		f.Width = pick(g.gen, w, w, 7*second)
	case window.Hopping:
		f.Width, f.Step = w, pick(g.gen, w, second, 10*second, minute, pick(g.gen, g.widths...), 3*w)
	case window.Calendar:
		zone := pick(g.gen, zones...)
		f.Zone, _ = time.LoadLocation(zone.name)
		f.Unit, f.Complete = pick(g.gen, window.Day, window.Day, window.Week, window.Month), g.chance(50)
	case window.Series:
		f.Width, f.Step, f.Count = w, pick(g.gen, w, w, second, minute, 2*w, w/2), pick[int64](g.gen, 1, 2, 3, 6)
		f.Type = featurestore.List(f.Type)
	default:
	}
}

// compact leaves only the columns that features use, as compiled views do:
// otherwise a row could differ from the one that retracts it in what nobody
// looks at.
func (g *viewGen) compact(c *window.Config) []featurestore.Type {
	var used []int
	for _, f := range c.Features {
		for _, at := range []int{f.Input, f.Second, f.By, f.Where} {
			if at >= 0 && !slices.Contains(used, at) {
				used = append(used, at)
			}
		}
	}
	slices.Sort(used)
	var types []featurestore.Type
	for _, at := range used {
		types = append(types, columns[at])
	}
	for i := range c.Features {
		f := &c.Features[i]
		for _, at := range []*int{&f.Input, &f.Second, &f.By, &f.Where} {
			if *at >= 0 {
				*at = slices.Index(used, *at)
			}
		}
	}
	return types
}

// Which columns an aggregate takes.
var (
	numeric = []int{0, 1, 2, 3}
	scalar  = []int{0, 1, 2, 3, 4, 5, 6, 7}
	keyed   = []int{0, 2, 4, 4, 6, 7}
	all     = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
)

const vectorColumn = 8

// takes says which columns an aggregate takes; nil is none.
func takes(function string) []int {
	switch function {
	case "count_null", "first", "last", "lag", "min_by", "max_by":
		return all
	case "sum", "avg":
		return append(slices.Clone(numeric), vectorColumn)
	case "min", "max":
		return append(slices.Clone(scalar), vectorColumn)
	case "first_n", "last_n", "last_distinct_n", "top_n", "bottom_n", "count_distinct", "approx_count_distinct", "distinct":
		return scalar
	case "histogram":
		return keyed
	case "var_pop", "var_samp", "stddev_pop", "stddev_samp", "skew", "kurtosis", "quantile", "median", "approx_quantile", "ewm_sum", "ewm_avg":
		return numeric
	}
	return nil
}

var subtracted = []string{"count", "count", "count_null", "sum", "avg", "var_pop", "var_samp", "stddev_pop", "stddev_samp", "skew", "kurtosis"}

var functions = append([]string{
	"sum", "avg", "min", "max", "min", "max", "first", "last", "first", "last", "first_n", "last_n", "last_distinct_n", "lag", "time_since_last", "time_since_first",
	"min_by", "max_by", "top_n", "bottom_n", "count_distinct", "approx_count_distinct", "distinct", "quantile", "approx_quantile", "median",
	"histogram", "ewm_sum", "ewm_count", "ewm_avg",
}, subtracted...)

// call chooses the aggregate, its arguments and the type of its value.
func (g *viewGen) call(f *window.Feature) {
	from := functions
	if g.subtract {
		from = subtracted
	}
	c := &f.Call
	g.parameters(f, pick(g.gen, from...))
	if cols := takes(c.Func); cols != nil {
		f.Input = pick(g.gen, cols...)
	}
	if c.Func == "count" {
		f.Input = orNot(g.gen, 50, 1, 2, 5, 8, 9, 10) - 1
	}
	if f.Input >= 0 {
		c.Input = columns[f.Input]
	}
	f.Type = resultType(*c)
	single := f.Type.Kind != featurestore.KindList && f.Type.Kind != featurestore.KindMap
	if single && !g.subtract && g.chance(25) {
		f.By = pick(g.gen, keyed...)
		c.By, c.MaxKeys = columns[f.By], pick[int64](g.gen, 0, 1, 2, 3)
		f.Type = featurestore.Map(f.Type)
	}
}

// parameters chooses what a call has beside x.
func (g *viewGen) parameters(f *window.Feature, function string) {
	c := &f.Call
	c.Func = function
	switch c.Func {
	case "first", "last":
		c.RespectNulls = g.chance(40)
	case "first_n", "last_n", "last_distinct_n", "top_n", "bottom_n":
		c.N = pick[int64](g.gen, 1, 2, 3, 10)
	case "lag":
		c.N = pick[int64](g.gen, 0, 1, 2, 5)
	case "min_by", "max_by":
		f.Second = pick(g.gen, scalar...)
		c.Second = columns[f.Second]
	case "count_distinct":
		c.Max = pick[int64](g.gen, 0, 2, 3, 5)
	case "distinct", "histogram":
		c.Max = pick[int64](g.gen, 1, 2, 3, 100)
	case "quantile", "approx_quantile":
		c.Share = pick(g.gen, agg.Share{}, agg.Share{Unscaled: 1}, agg.Share{Unscaled: 5, Digits: 1}, agg.Share{Unscaled: 99, Digits: 2},
			agg.Share{Unscaled: 333_333_333_333_333_333, Digits: 18}, agg.Share{Unscaled: 125, Digits: 3})
	case "ewm_sum", "ewm_count", "ewm_avg":
		c.HalfLife = pick(g.gen, second, second+1, 10*second, minute, hour, 3*day)
	}
}

func resultType(c agg.Call) featurestore.Type {
	switch c.Func {
	case "count", "count_null", "count_distinct", "approx_count_distinct":
		return featurestore.Int64
	case "sum":
		if c.Input.Kind == featurestore.KindDecimal {
			return featurestore.Decimal(featurestore.MaxDecimalPrecision, c.Input.Scale)
		}
		return c.Input
	case "avg":
		if c.Input.Kind == featurestore.KindList {
			return c.Input
		}
	case "min", "max", "first", "last", "lag", "min_by", "max_by":
		return c.Input
	case "first_n", "last_n", "last_distinct_n", "top_n", "bottom_n", "distinct":
		return featurestore.List(c.Input)
	case "histogram":
		return featurestore.Map(featurestore.Int64)
	}
	return featurestore.Double
}
