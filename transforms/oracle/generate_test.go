package oracle_test

import (
	"math/rand/v2"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// gen makes small random views and logs that sit on the edges: of tiles,
// windows, lateness, number ranges and orders.
type gen struct{ *rand.Rand }

func newGen(seed uint64) gen { return gen{rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))} }

func (g gen) chance(percent int) bool { return g.IntN(100) < percent }

func pick[T any](g gen, of ...T) T { return of[g.IntN(len(of))] }

// orNot is a choice that is made in some percent of cases.
func orNot[T any](g gen, percent int, of ...T) (none T) {
	if g.chance(percent) {
		return pick(g, of...)
	}
	return none
}

const (
	second = featurestore.Second
	minute = featurestore.Minute
	hour   = featurestore.Hour
	day    = featurestore.Day
)

// columns are what rows may have: a view uses some of them.
var columns = []featurestore.Type{
	featurestore.Int64, featurestore.Double, featurestore.Decimal(10, 2), featurestore.Decimal(18, 4),
	featurestore.String, featurestore.Bytes, featurestore.Timestamp, featurestore.Bool,
	featurestore.List(featurestore.Double), featurestore.Map(featurestore.Int64),
}

const whereColumn = 7

// scenario is a view and the log of one entity, by partition, each in offset
// order.
type scenario struct {
	config window.Config
	inputs []featurestore.Type // of the rows
	parts  [][]record
	seed   uint64 // of the order of feeding and of the read times
	sparse bool   // large: fed in large batches and read at few instants
}

// record is what one record of a log brings: an event, or a retraction and the
// row that takes its place.
type record []window.Row

func (g gen) scenario() *scenario {
	s := &scenario{seed: g.Uint64()}
	v := &viewGen{gen: g}
	s.config = v.config()
	s.inputs = v.compact(&s.config)
	s.parts = g.log(s)
	return s
}

// instants are interesting read times that are not before least: on edges of
// windows, ttls, tiles, units and events.
func (g gen) instants(s *scenario, rows []window.Row, least featurestore.Instant, n int) []featurestore.Instant {
	out := []featurestore.Instant{least, least + featurestore.Instant(g.Int64N(int64(minute)))}
	for range n {
		if len(rows) == 0 {
			break
		}
		f := pick(g, s.config.Features...)
		e := featurestore.Instant(rows[g.IntN(len(rows))].Time)
		t := e + featurestore.Instant(g.span(s, &f))
		switch {
		case f.Kind == window.Calendar && g.chance(60):
			t = g.unitEdge(&f, t)
		case f.Kind == window.Tumbling && g.chance(50):
			t = t.Floor(f.Width)
		case f.Kind == window.Hopping && g.chance(50):
			t = t.Floor(f.Step)
		case g.chance(30):
			t = t.Floor(pick(g, second, minute, hour))
		}
		if t += featurestore.Instant(g.IntN(3) - 1); t >= least {
			out = append(out, t)
		}
	}
	return out
}

// span is from an event to where it leaves a window, or the retention.
func (g gen) span(s *scenario, f *window.Feature) featurestore.Duration {
	if g.chance(20) {
		return 0
	}
	span := f.Offset + f.Width
	switch f.Kind {
	case window.Latest:
		span = s.config.TTL
	case window.Series:
		span += featurestore.Duration(g.Int64N(f.Count)) * f.Step
	case window.Hopping:
		span += pick(g, 0, f.Step)
	case window.Tumbling:
		span += pick(g, 0, f.Width)
	case window.Calendar:
		span = pick(g, 0, day, 25*hour, 7*day, 31*day)
	default:
	}
	tile := pick(g, second, minute, hour)
	lateness := pick(g, s.config.Sources...).AllowedLateness
	return span + pick(g, 0, 0, 0, tile, tile+lateness, lateness)
}

// unitEdge is where a unit of the calendar begins in the zone, near t.
func (g gen) unitEdge(f *window.Feature, t featurestore.Instant) featurestore.Instant {
	x := t.Time().In(f.Zone)
	y, m, d := x.Date()
	switch f.Unit {
	case window.Month:
		d = 1
	case window.Week:
		d -= (int(x.Weekday()) + 6) % 7
	default:
	}
	return featurestore.InstantOf(dateIn(f.Zone, y, m, d+g.IntN(2)))
}
