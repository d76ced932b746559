package pit

import (
	"context"
	"math"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/transforms/window"
)

// A view's records are sorted by entity and, within it, by the instant from
// which on they are visible (mode available) and their position. The columns of
// the sort, in order; those of sequences and inputs follow.
const (
	colEntity = iota
	colVisible
	colSource
	colGeneration
	colPartition
	colOffset
	colStep // of the two events of one record
	colTime
	colLogTime
	colChange
	colMutated
	colID
	colSequence // one for each source that declares a sequence
)

const sortKeys = colStep + 1

// streamJoin is the join of one stream view.
type streamJoin struct {
	r    *Request
	o    *output
	view *definition.StreamView

	reads []read
	ids   *entities

	sequences  []int // by source: column of its sequence, -1 for none
	firstInput int
	fields     []frame.Field

	last    featurestore.Instant // no read is later
	records int64
	highest map[featurestore.PartitionID]featurestore.LogTime

	// disordered says that log times do not ascend with the offsets of some
	// partition (a producer's clock), so that what is visible at an instant is no
	// prefix of it.
	disordered bool
}

func (j *Joiner) joinStream(ctx context.Context, r *Request, o *output, view *definition.StreamView) error {
	s := &streamJoin{r: r, o: o, view: view, highest: map[featurestore.PartitionID]featurestore.LogTime{}}
	var err error
	if s.reads, s.ids, err = readsOf(r, o, view, view.Entity); err != nil {
		return err
	}
	for _, rd := range s.reads {
		s.last = max(s.last, rd.at)
	}
	s.layOut()
	var sweep sweeper
	order := frame.Order{Fields: s.fields, Keys: sortKeys}
	err = j.Sorter.Sort(ctx, order,
		func(add func(*frame.Frame) error) error { return s.feed(ctx, j.Events, add) },
		func(f *frame.Frame) error {
			if sweep == nil {
				sweep = s.sweeper()
			}
			s.drive(f, sweep)
			return ctx.Err()
		})
	if err != nil {
		return err
	}
	if sweep == nil {
		sweep = s.sweeper()
	}
	sweep.finish()
	return nil
}

// layOut decides the columns of the sort.
func (s *streamJoin) layOut() {
	integer := func(name string) frame.Field { return frame.Field{Name: name, Type: featurestore.Int64} }
	s.fields = []frame.Field{
		integer("entity"), integer("visible"), integer("source"), integer("generation"), integer("partition"), integer("offset"), integer("step"),
		integer("time"), integer("log_time"), integer("change"), integer("mutated"), {Name: "id", Type: featurestore.String},
	}
	for _, b := range s.view.Bindings {
		at := -1
		if i := b.Source.Sequence; i >= 0 {
			at = len(s.fields)
			s.fields = append(s.fields, frame.Field{Name: "sequence", Type: b.Source.Fields[i].Type})
		}
		s.sequences = append(s.sequences, at)
	}
	s.firstInput = len(s.fields)
	if len(s.view.Bindings) > 0 {
		for _, p := range s.view.Bindings[0].Inputs {
			s.fields = append(s.fields, frame.Field{Name: "input", Type: p.Type()})
		}
	}
}

// feed evaluates the records of every source and keeps those of the spine's
// entities.
func (s *streamJoin) feed(ctx context.Context, events Events, add func(*frame.Frame) error) error {
	if len(s.reads) == 0 {
		return nil
	}
	batch := frame.New(s.fields)
	row := make([]featurestore.Value, len(s.fields))
	for i := range s.view.Bindings {
		e := newEvaluator(&s.view.Bindings[i])
		err := events.Scan(ctx, e.b.Source, uint16(i), e.fields(), func(list []featurestore.Event) error {
			for k := range list {
				if s.take(e, &list[k], row) {
					batch.AppendRow(row)
				}
			}
			s.records += int64(len(list))
			if s.r.Progress != nil {
				s.r.Progress(s.view.Name, s.records)
			}
			err := add(batch)
			batch.Reset()
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// take writes one event as a row of the sort, or reports that no read sees it.
func (s *streamJoin) take(e *evaluator, ev *featurestore.Event, row []featurestore.Value) bool {
	visible := int64(ev.LogTime) + int64(e.b.Source.ApplyDelay)
	if s.r.Mode == Available && visible >= int64(s.last) && e.b.Source.EventID < 0 {
		return false // no read sees it, and no id of it decides about another
	}
	if !e.keeps(ev.Fields) {
		return false
	}
	e.keys(ev.Fields, s.ids.values)
	entity, ok := s.ids.find()
	if !ok {
		return false
	}
	if high, found := s.highest[ev.PartitionID]; !found || ev.LogTime > high {
		s.highest[ev.PartitionID] = ev.LogTime
	} else if ev.LogTime < high {
		s.disordered = true
	}
	if s.r.Mode != Available {
		visible = 0 // the order is that of positions
	}
	for i, n := range [...]int64{int64(entity), visible, int64(ev.Source), int64(ev.Generation), int64(ev.Partition), ev.Offset, stepOf(ev.Change), int64(ev.Time), int64(ev.LogTime), int64(ev.Change), int64(ev.Mutated)} {
		row[i] = featurestore.Int64Value(n)
	}
	row[colID] = featurestore.StringValue(ev.ID)
	for source, at := range s.sequences {
		if at >= 0 {
			row[at] = featurestore.Null
			if source == int(ev.Source) {
				row[at] = ev.Sequence
			}
		}
	}
	copy(row[s.firstInput:], e.row(ev.Fields))
	return true
}

// stepOf orders the events of one record: a row is taken away before another one
// takes its place.
func stepOf(c featurestore.Change) int64 {
	if c == featurestore.Retracted {
		return 0
	}
	return 1
}

// sweeper answers the reads of the view from records that come in order.
type sweeper interface {
	// row takes the next record; r is valid during the call, but for its texts.
	row(entity int, visible featurestore.Instant, r *window.Row)
	// finish answers what is left.
	finish()
}

func (s *streamJoin) sweeper() sweeper {
	answers := &answers{s: s, cells: make([]featurestore.Cell, len(s.view.Features))}
	switch {
	case s.r.Mode == EventTime:
		return &buffered{answers: answers, answer: newEventTime(answers).entity}
	case s.r.Mode == Exact:
		return &buffered{answers: answers, answer: newExact(answers).entity}
	case s.disordered:
		return &buffered{answers: answers, answer: newDisordered(answers).entity}
	}
	return &live{answers: answers, entity: -1}
}

// drive hands sorted rows to the sweeper.
func (s *streamJoin) drive(f *frame.Frame, to sweeper) {
	row := window.Row{Inputs: make([]featurestore.Value, len(s.fields)-s.firstInput)}
	for i := range f.Len() {
		at := func(c int) int64 { return f.Columns[c].Int(i) }
		row.Position = featurestore.Position{
			PartitionID: featurestore.PartitionID{Source: uint16(at(colSource)), Generation: uint32(at(colGeneration)), Partition: int32(at(colPartition))},
			Offset:      at(colOffset),
		}
		row.Time, row.LogTime = featurestore.EventTime(at(colTime)), featurestore.LogTime(at(colLogTime))
		row.Change, row.Mutated = featurestore.Change(at(colChange)), featurestore.EventTime(at(colMutated))
		row.ID = f.Columns[colID].Text[i]
		row.Sequence = featurestore.Null
		if c := s.sequences[row.Source]; c >= 0 {
			row.Sequence = f.Columns[c].Value(i)
		}
		for k := range row.Inputs {
			row.Inputs[k] = f.Columns[s.firstInput+k].Value(i)
		}
		to.row(int(at(colEntity)), featurestore.Instant(at(colVisible)), &row)
	}
}

// answers is where the reads of a view stand, in order, and how they are
// answered.
type answers struct {
	s     *streamJoin
	next  int
	cells []featurestore.Cell
}

// before gives the next read of an entity whose instant is at most until, or
// nil; reads of entities before it, which have no record left to come, are
// answered as unknown on the way.
func (a *answers) before(entity int, until featurestore.Instant) *read {
	for a.next < len(a.s.reads) {
		r := &a.s.reads[a.next]
		if r.entity > entity || r.entity == entity && r.at > until {
			return nil
		}
		a.next++
		if r.entity == entity {
			return r
		}
		a.unknown(r)
	}
	return nil
}

// of gives all reads of an entity.
func (a *answers) of(entity int) []read {
	for a.next < len(a.s.reads) && a.s.reads[a.next].entity < entity {
		a.unknown(&a.s.reads[a.next])
		a.next++
	}
	first := a.next
	for a.next < len(a.s.reads) && a.s.reads[a.next].entity == entity {
		a.next++
	}
	return a.s.reads[first:a.next]
}

// left reports whether reads of an entity are left.
func (a *answers) left(entity int) bool {
	return a.next < len(a.s.reads) && a.s.reads[a.next].entity == entity
}

// rest answers every read that is left as one of an unknown entity.
func (a *answers) rest() {
	for ; a.next < len(a.s.reads); a.next++ {
		a.unknown(&a.s.reads[a.next])
	}
}

// unknown answers a read of an entity without records.
func (a *answers) unknown(r *read) {
	a.s.view.Plan.Read(nil, r.at, a.cells)
	a.s.o.set(r.role, r.row, a.cells, 0, false)
	if a.s.r.Mode == Exact && len(a.s.r.Exact[r.row].Applied[r.role]) > 0 {
		a.s.o.miss(r.row)
	}
}

const forever = featurestore.Instant(math.MaxInt64)
