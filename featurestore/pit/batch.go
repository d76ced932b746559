package pit

import (
	"context"
	"errors"
	"slices"
	"sort"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/latest"
)

// batchJoin is the join of one batch view.
type batchJoin struct {
	r     *Request
	o     *output
	view  *definition.BatchView
	reads []read
	ids   *entities
	runs  []Run // ascending by completion; each with the greatest cutoff up to it
	fold  *cutFold
	cells []featurestore.Cell
}

func (j *Joiner) joinBatch(ctx context.Context, r *Request, o *output, view *definition.BatchView) error {
	b := &batchJoin{r: r, o: o, view: view, fold: newCutFold(view), cells: make([]featurestore.Cell, len(view.Features))}
	var err error
	if b.reads, b.ids, err = readsOf(r, o, view, view.Entity); err != nil {
		return err
	}
	if r.Mode == Exact {
		return b.exact(ctx, j.Batches)
	}
	if b.runs, err = j.Batches.Runs(ctx, view); err != nil {
		return err
	}
	b.runs = slices.Clone(b.runs)
	for i := 1; i < len(b.runs); i++ {
		b.runs[i].Cutoff = max(b.runs[i].Cutoff, b.runs[i-1].Cutoff)
	}
	return b.sweep(ctx, j)
}

// The columns of the sort, in order; the values follow. They are the order of
// batch rows within an entity.
const (
	batchEntity = iota
	batchTime
	batchAvailable
	batchFile
	batchRow
	batchValues
)

// sweep sorts the rows of the spine's entities and answers the reads.
func (b *batchJoin) sweep(ctx context.Context, j *Joiner) error {
	var fields []frame.Field
	for _, name := range []string{"entity", "time", "available", "file", "row"} {
		fields = append(fields, frame.Field{Name: name, Type: featurestore.Int64})
	}
	fields = append(fields, NewBatchEvaluator(b.view).Columns()...)
	var rows []candidate
	current, next := -1, 0
	flush := func(entity int) {
		b.fold.entity(rows)
		for ; next < len(b.reads) && b.reads[next].entity < entity; next++ {
			if b.reads[next].entity != current {
				b.answer(&b.reads[next], nil)
			} else {
				b.answer(&b.reads[next], b.row(b.reads[next].at))
			}
		}
		rows, current = rows[:0], entity
	}
	err := j.Sorter.Sort(ctx, frame.Order{Fields: fields, Keys: batchValues},
		func(add func(*frame.Frame) error) error { return b.feed(ctx, j.Batches, fields, add) },
		func(f *frame.Frame) error {
			for i := range f.Len() {
				if entity := int(f.Columns[batchEntity].Int(i)); entity != current {
					flush(entity)
				}
				rows = append(rows, b.candidate(f, i))
			}
			return ctx.Err()
		})
	if err != nil {
		return err
	}
	flush(len(b.ids.number))
	return nil
}

func (b *batchJoin) candidate(f *frame.Frame, i int) candidate {
	c := candidate{time: featurestore.EventTime(f.Columns[batchTime].Int(i)), available: featurestore.LogTime(f.Columns[batchAvailable].Int(i))}
	c.values = make([]featurestore.Value, len(f.Columns)-batchValues)
	for k := range c.values {
		c.values[k] = f.Columns[batchValues+k].Value(i)
	}
	return c
}

func (b *batchJoin) feed(ctx context.Context, batches Batches, fields []frame.Field, add func(*frame.Frame) error) error {
	if len(b.reads) == 0 {
		return nil
	}
	eval := NewBatchEvaluator(b.view)
	batch := frame.New(fields)
	row := make([]featurestore.Value, len(fields))
	records := int64(0)
	return batches.Scan(ctx, b.view.Source, eval.Fields(), func(list []SourceRow) error {
		for i := range list {
			in := &list[i]
			eval.Keys(in.Fields, b.ids.values)
			entity, ok := b.ids.find()
			if !ok {
				continue
			}
			for k, n := range [...]int64{int64(entity), int64(in.Time), int64(in.Available), in.File, in.Row} {
				row[k] = featurestore.Int64Value(n)
			}
			eval.Values(in.Fields, row[batchValues:])
			batch.AppendRow(row)
		}
		records += int64(len(list))
		if b.r.Progress != nil {
			b.r.Progress(b.view.Name, records)
		}
		err := add(batch)
		batch.Reset()
		return err
	})
}

func (b *batchJoin) answer(r *read, row *latest.Row) {
	latest.Cells(b.view, row, r.at, b.cells)
	b.o.set(r.role, r.row, b.cells, timeOf(row), row != nil)
}

// row is what a read at t sees of the entity at hand, or nil. Mode event_time
// sees all that happened before its delay, and its windows end at t.
func (b *batchJoin) row(t featurestore.Instant) *latest.Row {
	if b.r.Mode == EventTime {
		return b.fold.row(cut{end: featurestore.EventTime(int64(t) - int64(b.r.Delay)), known: neverAvailable, at: t})
	}
	cutoff, ok := b.cutoff(t)
	if !ok {
		return nil
	}
	at := min(t, cutoff)
	return b.fold.row(cut{end: featurestore.EventTime(at), known: featurestore.LogTime(cutoff), at: at})
}

// cutoff is the greatest of the runs that had completed by t, since a run that
// looks further back replaces nothing: of those on record from the first of them
// on, before it of the schedule's ticks, and without a schedule of a run at t.
func (b *batchJoin) cutoff(t featurestore.Instant) (featurestore.Instant, bool) {
	n := sort.Search(len(b.runs), func(i int) bool { return b.runs[i].Completed > t })
	if n > 0 {
		return b.runs[n-1].Cutoff, true
	}
	if b.view.Schedule.Text != "" {
		return b.view.Schedule.Latest(t)
	}
	return t, true
}

// exact answers each read from what the recorded run wrote for the entity.
func (b *batchJoin) exact(ctx context.Context, batches Batches) error {
	wanted := map[string]map[int]*latest.Row{} // run -> entity -> its row
	for i := range b.reads {
		if id := b.run(&b.reads[i]); id != "" {
			if wanted[id] == nil {
				wanted[id] = map[int]*latest.Row{}
			}
			wanted[id][b.reads[i].entity] = nil
		}
	}
	for id, rows := range wanted {
		err := batches.RunRows(ctx, b.view, id, func(list []RunRow) error {
			for i := range list {
				copy(b.ids.values, list[i].Keys)
				if n, ok := b.ids.find(); ok {
					if _, ok := rows[n]; ok {
						rows[n] = &latest.Row{Time: list[i].Time, Values: append([]featurestore.Value(nil), list[i].Values...)}
					}
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, featurestore.ErrNotFound) {
			return err
		}
	}
	for i := range b.reads {
		r := &b.reads[i]
		id := b.run(r)
		row := wanted[id][r.entity]
		if id != "" && row == nil {
			b.o.miss(r.row)
		}
		b.answer(r, row)
	}
	return nil
}

func timeOf(row *latest.Row) featurestore.EventTime {
	if row == nil {
		return 0
	}
	return row.Time
}

// run is the run that a lookup recorded for a role, or "".
func (b *batchJoin) run(r *read) string { return b.r.Exact[r.row].Runs[r.role] }
