package pit

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// live sweeps mode available where each partition's log times ascend: records
// come in the order in which they became visible, and one state goes along.
type live struct {
	*answers
	fold
	entity int
}

func (l *live) row(entity int, visible featurestore.Instant, r *window.Row) {
	if entity != l.entity {
		l.answer(forever)
		l.entity = entity
		l.plan = l.s.view.Plan
		l.reset()
	}
	l.answer(visible) // a record is seen by reads after it became visible
	if l.left(entity) {
		l.apply(r)
	}
}

// answer answers the entity's reads up to an instant from the state as it is.
func (l *live) answer(until featurestore.Instant) {
	if l.entity < 0 {
		return
	}
	for {
		r := l.before(l.entity, until)
		if r == nil {
			return
		}
		newest, seen := l.read(r.at, l.cells)
		l.s.o.set(r.role, r.row, l.cells, newest, seen)
	}
}

func (l *live) finish() {
	l.answer(forever)
	l.rest()
}

// buffered hands all records of an entity at once to answer, with its reads.
type buffered struct {
	*answers
	answer  func(rows []buffer, reads []read)
	entity  int
	rows    []buffer
	inputs  []featurestore.Value // an arena of the rows' inputs
	started bool
}

// buffer is one record of the entity.
type buffer struct {
	window.Row
	visible featurestore.Instant
}

// seen is the event's Visible: a change is seen no earlier than it happened.
func (b *buffer) seen() featurestore.EventTime { return seenAt(&b.Row) }

func seenAt(r *window.Row) featurestore.EventTime {
	if r.Change == featurestore.NoChange {
		return r.Time
	}
	return max(r.Time, r.Mutated)
}

func (b *buffered) row(entity int, visible featurestore.Instant, r *window.Row) {
	if !b.started || entity != b.entity {
		b.flush()
		b.started, b.entity = true, entity
	}
	if cap(b.inputs)-len(b.inputs) < len(r.Inputs) {
		b.inputs = make([]featurestore.Value, 0, max(4096, 2*cap(b.inputs), len(r.Inputs)))
	}
	from := len(b.inputs)
	b.inputs = append(b.inputs, r.Inputs...)
	copied := *r
	copied.Inputs = b.inputs[from:len(b.inputs):len(b.inputs)]
	b.rows = append(b.rows, buffer{Row: copied, visible: visible})
}

func (b *buffered) flush() {
	if b.started {
		b.answer(b.rows, b.of(b.entity))
	}
	b.rows, b.inputs = b.rows[:0], b.inputs[:0]
}

func (b *buffered) finish() {
	b.flush()
	b.rest()
}
