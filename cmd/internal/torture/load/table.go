package load

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

const balances = `kind: Entity
name: user
keys: [{name: user, type: string}]
---
kind: StreamSource
name: rows
kafka: {topic: PREFIX.rows}
format: debezium
timestamp: {field: at, format: unix_us}
allowed_lateness: 10m
fields: {user: string, kind: string, amount: "decimal(12,2)", price: double, n: int64}
---
kind: StreamView
name: balances
entity: user
source: rows
features:
  - {name: n, agg: count, windows: [10m, 1h, lifetime]}
  - {name: total, agg: sum(amount), windows: [1h, lifetime]}
  - {name: mean, agg: avg(amount), window: lifetime}
  - {name: price_sum, agg: sum(price), window: 1h}
  - {name: price_sd, agg: stddev_samp(price), window: lifetime}
  - {name: low, agg: min(n), window: 1h}
  - {name: high, agg: max(price), window: lifetime}
  - {name: newest, agg: last(kind), window: lifetime}
  - {name: kinds, agg: "count_distinct(kind, max: 4)", window: 1h}
  - {name: spread, agg: "histogram(kind, max: 10)", window: lifetime}
  - {name: recent, agg: "last_n(n, 3)", window: 1h}
  - {name: by_kind, agg: sum(amount), by: kind, window: lifetime}
`

// Balances are the documents of a project about a table's changes.
func Balances(prefix string) string { return strings.ReplaceAll(balances, "PREFIX", prefix) }

// Op is what a record does with a row of a table; "" is no change record.
type Op string

// The operations of a change feed.
const (
	Create    Op = "c"
	Update    Op = "u"
	Remove    Op = "d"
	Tombstone Op = "tombstone" // says nothing
)

// Table draws changes of a table's rows. It is not safe for concurrent use.
type Table struct {
	events *Generator
	r      *rand.Rand
	rows   []Event // that stand
	ids    []int64
	next   int64
}

// NewTable takes new rows from a generator.
func NewTable(seed uint64, g *Generator) *Table {
	return &Table{events: g, r: rand.New(rand.NewPCG(seed, 9))}
}

// Next draws a change; id is that of the row, by which records are keyed.
func (t *Table) Next() (id int64, e Event) {
	fresh := t.events.Next()
	fresh.Poison = ""
	if fresh.User == "" {
		fresh.User = "u0"
	}
	fresh.Mutated = featurestore.EventTime(featurestore.Instant(fresh.LogTime)) // whole milliseconds
	if t.r.IntN(40) == 0 {
		fresh.Mutated -= featurestore.EventTime(Lateness + featurestore.Second) // a change is never late
	}
	op := t.r.IntN(10)
	if op < 4 || len(t.rows) == 0 {
		t.next++
		fresh.Op = Create
		fresh.Time = min(fresh.Time, fresh.Mutated)
		t.rows, t.ids = append(t.rows, fresh), append(t.ids, t.next)
		return t.next, fresh
	}
	i := t.r.IntN(len(t.rows))
	old := t.rows[i]
	id = t.ids[i]
	if op < 8 {
		fresh.Op, fresh.Before = Update, &old
		if fresh.Time = old.Time; t.r.IntN(3) > 0 {
			fresh.User = old.User
		}
		t.rows[i] = fresh
		return id, fresh
	}
	t.rows, t.ids = slices.Delete(t.rows, i, i+1), slices.Delete(t.ids, i, i+1)
	fresh.Op, fresh.Before, fresh.Time = Remove, &old, old.Time
	return id, fresh
}

// changeJSON is the envelope of a change.
func (e *Event) changeJSON() []byte {
	before, after := "null", "null"
	if e.Before != nil {
		before = e.Before.rowJSON()
	}
	if e.Op != Remove {
		after = e.rowJSON()
	}
	ms := int64(e.Mutated) / 1000
	return fmt.Appendf(nil, `{"before":%s,"after":%s,"op":"%s","source":{"ts_ms":%d,"table":"rows"},"ts_ms":%d}`, before, after, e.Op, ms, ms+3)
}

func (e *Event) rowJSON() string {
	n := "null"
	if !e.NullN {
		n = strconv.FormatInt(e.N, 10)
	}
	return fmt.Sprintf(`{"user":%q,"kind":%q,"amount":"%s","price":%s,"n":%s,"at":%d}`, e.User, e.Kind, featurestore.FormatDecimal(e.Amount, 2), strconv.FormatFloat(e.Price, 'g', -1, 64), n, int64(e.Time))
}

// effect is an event with what it does to a row.
type effect struct {
	event  *Event
	change featurestore.Change
}

// effects are what a record does: an event is added, a change takes a row away,
// adds one, or both.
func (e *Placed) effects() []effect {
	switch e.Op {
	case Create:
		return []effect{{&e.Event, featurestore.Added}}
	case Update:
		return []effect{{e.Before, featurestore.Retracted}, {&e.Event, featurestore.Added}}
	case Remove:
		return []effect{{e.Before, featurestore.Retracted}}
	case Tombstone:
		return nil
	}
	return []effect{{&e.Event, featurestore.NoChange}}
}

// changed says of a row what became of it.
func (e *Placed) changed(r window.Row, x effect) window.Row {
	r.Change, r.Time = x.change, x.event.Time
	if x.change != featurestore.NoChange {
		r.Mutated = e.Mutated
	}
	return r
}
