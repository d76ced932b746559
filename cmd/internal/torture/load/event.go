// Package load makes the events of the torture run, remembers which of them the
// log has committed, and says by the oracle what each value must be. It folds
// nothing: it knows every event's fields because it drew them.
package load

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/freshet/freshet/featurestore"
)

// Event is one record as a producer writes it.
type Event struct {
	User   string // "" is null
	Page   int64
	Kind   string
	Amount int64 // hundredths
	Price  float64
	N      int64
	NullN  bool
	Keep   bool
	Vec    []float64
	ID     string
	Seq    int64

	Time    featurestore.EventTime
	LogTime featurestore.LogTime // whole milliseconds
	Poison  string               // the record's bytes where it is no event
	Extra   string               // members that no definition knows
	Bare    bool                 // optional fields are absent

	Op      Op                     // of a change record
	Before  *Event                 // the row that it takes away; nil for none
	Mutated featurestore.EventTime // when the change happened
}

// JSON is the record's value.
func (e *Event) JSON() []byte {
	if e.Poison != "" {
		return []byte(e.Poison)
	}
	switch e.Op {
	case "":
	case Tombstone:
		return nil
	default:
		return e.changeJSON()
	}
	user, n := "null", "null"
	if e.User != "" {
		user = strconv.Quote(e.User)
	}
	if !e.NullN {
		n = strconv.FormatInt(e.N, 10)
	}
	vec := make([]string, len(e.Vec))
	for i, x := range e.Vec {
		vec[i] = strconv.FormatFloat(x, 'g', -1, 64)
	}
	more := fmt.Sprintf(`,"n":%s,"vec":[%s]`, n, strings.Join(vec, ","))
	if e.Bare {
		more = ""
	}
	if e.Extra != "" {
		more += "," + e.Extra
	}
	return fmt.Appendf(nil, `{"user":%s,"page":%d,"kind":%q,"amount":"%s","price":%s,"keep":%t,"id":%q,"seq":%d,"at":%d%s}`,
		user, e.Page, e.Kind, featurestore.FormatDecimal(e.Amount, 2), strconv.FormatFloat(e.Price, 'g', -1, 64), e.Keep, e.ID, e.Seq, int64(e.Time), more)
}

// value is a field of the event by its name, as its declared type.
func (e *Event) value(field string, t featurestore.Type) featurestore.Value {
	switch field {
	case "user":
		if e.User == "" {
			return featurestore.Null
		}
		return featurestore.StringValue(e.User)
	case "page":
		return featurestore.Int64Value(e.Page)
	case "kind":
		return featurestore.StringValue(e.Kind)
	case "amount":
		unscaled := e.Amount
		for range t.Scale - 2 {
			unscaled *= 10
		}
		return featurestore.DecimalValue(unscaled)
	case "price":
		return featurestore.DoubleValue(e.Price)
	case "n":
		if e.NullN || e.Bare {
			return featurestore.Null
		}
		return featurestore.Int64Value(e.N)
	case "keep":
		return featurestore.BoolValue(e.Keep)
	case "vec":
		if e.Bare {
			return featurestore.Null
		}
		var list []featurestore.Value
		for _, x := range e.Vec {
			list = append(list, featurestore.DoubleValue(x))
		}
		return featurestore.ListValue(list)
	case "id":
		return featurestore.StringValue(e.ID)
	case "seq":
		return featurestore.Int64Value(e.Seq)
	}
	return featurestore.Null
}

// Mix says what a generator draws.
type Mix struct {
	Users  int
	Zipf   float64               // exponent of the users' shares; 0 is even
	Hot    float64               // share of one user
	Pages  int                   // of the second view
	Poison float64               // share of records that are no events
	Late   float64               // share of events beyond the lateness
	Ahead  float64               // share of events too far ahead of their log time
	Again  float64               // share of events whose id was there before
	Bare   float64               // share of events without their optional fields
	Extra  string                // further members of every event
	Plain  bool                  // every event has happened just before its log time
	Skew   featurestore.Duration // of the producers' clocks, either way
	Step   featurestore.Duration // that the log's time moves by at most from one record to the next
}

// UsualMix is a bit of everything.
func UsualMix() Mix {
	return Mix{Users: 40, Pages: 12, Poison: 0.003, Late: 0.02, Ahead: 0.003, Again: 0.1, Step: 2 * featurestore.Second}
}

// Generator draws events. It is not safe for concurrent use.
type Generator struct {
	Mix  Mix
	r    *rand.Rand
	zipf *rand.Zipf
	now  featurestore.Instant // of the log
	ids  []string
}

// NewGenerator begins at an instant of the log.
func NewGenerator(seed uint64, mix Mix, at featurestore.Instant) *Generator {
	g := &Generator{Mix: mix, r: rand.New(rand.NewPCG(seed, 77)), now: at.Floor(featurestore.Millisecond)}
	if mix.Zipf > 1 {
		g.zipf = rand.NewZipf(g.r, mix.Zipf, 1, uint64(mix.Users-1))
	}
	return g
}

// Now is the log's time.
func (g *Generator) Now() featurestore.Instant { return g.now }

func (g *Generator) user() string {
	switch {
	case g.Mix.Hot > 0 && g.r.Float64() < g.Mix.Hot:
		return "u0"
	case g.zipf != nil:
		return fmt.Sprintf("u%d", g.zipf.Uint64())
	}
	return fmt.Sprintf("u%d", g.r.IntN(g.Mix.Users))
}

// Next draws an event.
func (g *Generator) Next() Event {
	g.now += featurestore.Instant(g.r.Int64N(int64(g.Mix.Step)+1)) / 1000 * 1000
	e := Event{
		User: g.user(), Page: g.r.Int64N(int64(g.Mix.Pages)), Kind: []string{"view", "cart", "buy", "läse", "back", "x"}[g.r.IntN(6)],
		Amount: g.r.Int64N(2_000_000) - 500_000, Price: g.price(), N: g.r.Int64N(9) - 2, NullN: g.r.IntN(15) == 0, Keep: g.r.IntN(20) != 0,
		Seq: g.r.Int64N(3), LogTime: featurestore.LogTime(g.now),
	}
	for range g.r.IntN(4) {
		e.Vec = append(e.Vec, g.price())
	}
	if g.r.IntN(60) == 0 {
		e.User = ""
	}
	if g.Mix.Skew > 0 {
		e.LogTime += featurestore.LogTime(g.r.Int64N(2*int64(g.Mix.Skew))-int64(g.Mix.Skew)) / 1000 * 1000
	}
	e.Time = g.eventTime(e.LogTime)
	e.ID = g.id()
	e.Extra, e.Bare = g.Mix.Extra, g.Mix.Bare > 0 && g.r.Float64() < g.Mix.Bare
	if g.r.Float64() < g.Mix.Poison {
		e.Poison = []string{"", "{", "[1]", `{"user":3}`, `{"user":"u1","at":"soon"}`, "\xff\xfe", `{"user":"u1","user":"u2","at":"x"}`, `{"at":1e400}`}[g.r.IntN(8)]
		if e.Poison == "" {
			e.Poison = " "
		}
	}
	return e
}

// eventTime is mostly shortly before the log time, sometimes exactly at an edge,
// ahead, or late.
func (g *Generator) eventTime(a featurestore.LogTime) featurestore.EventTime {
	t := featurestore.EventTime(a)
	if g.Mix.Plain {
		return t - 1
	}
	if g.r.Float64() < g.Mix.Late {
		return t - featurestore.EventTime(Lateness) - 1 - featurestore.EventTime(g.r.Int64N(int64(featurestore.Hour)))
	}
	if g.r.Float64() < g.Mix.Ahead {
		return t + featurestore.EventTime(5*featurestore.Minute) + 1 + featurestore.EventTime(g.r.Int64N(int64(featurestore.Hour)))
	}
	switch g.r.IntN(12) {
	case 0:
		return t - featurestore.EventTime(Lateness) // just not late
	case 1:
		return t + featurestore.EventTime(g.r.Int64N(int64(5*featurestore.Minute))) // pending
	case 3:
		return featurestore.EventTime(featurestore.Instant(t).Floor(featurestore.Minute))
	case 4, 5:
		return t - featurestore.EventTime(g.r.Int64N(int64(Lateness)))
	}
	return t - featurestore.EventTime(g.r.Int64N(int64(3*featurestore.Second)))
}

func (g *Generator) price() float64 {
	switch g.r.IntN(8) {
	case 0:
		return 0.1
	case 1:
		return 1e15 * (g.r.Float64() - 0.5)
	}
	return float64(g.r.Int64N(100_000)) / 1000
}

// id repeats one of the last hundred at times, and some events have none.
func (g *Generator) id() string {
	if g.r.IntN(4) == 0 {
		return ""
	}
	if len(g.ids) > 0 && g.r.Float64() < g.Mix.Again {
		return g.ids[g.r.IntN(len(g.ids))]
	}
	id := fmt.Sprintf("%x", g.r.Uint64())
	if g.ids = append(g.ids, id); len(g.ids) > 100 {
		g.ids = g.ids[1:]
	}
	return id
}
