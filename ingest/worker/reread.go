package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/history"
	"github.com/freshet/freshet/ingest/logrecord"
)

// Widener adds fields to archived files (ingest/history).
type Widener interface {
	Lacking(source string, generation uint32, fields []string) (lacking []archive.File, missing []string, err error)
	Widen(ctx context.Context, one *history.Widening) (history.Widened, error)
}

// reread is what is read again of a source's log: by one definition, for one view.
type reread struct {
	view    *View
	source  *definition.StreamSource // by which records are decoded
	topic   string
	log     uint32   // the generation of the source's log
	fields  []int    // of the source, that files get which lack them
	trigger []string // of these, what the view needs: for others alone nothing is done
	missing []string // of these, what some file lacks
}

// rereads are what a view may need to have read again. Records say what the newest
// definition of the source reads in them; an older one, of a generation that goes on,
// says it of the fields that the newest has no more. A field that the two read from
// different places is what the newest says.
func rereads(b *definition.Binding, newest *definition.StreamSource) []reread {
	wanted := neededOf(b)
	if newest == nil {
		newest = &definition.StreamSource{Topic: b.Source.Topic}
	}
	by := reread{source: newest, topic: newest.Topic}
	old := reread{source: b.Source, topic: newest.Topic}
	for i := range newest.Fields {
		by.fields = append(by.fields, i)
	}
	for i := range b.Source.Fields {
		f := &b.Source.Fields[i]
		at := slices.IndexFunc(newest.Fields, func(n definition.Field) bool { return n.Name == f.Name })
		switch {
		case at < 0:
			old.fields = append(old.fields, i)
			if slices.Contains(wanted, i) {
				old.trigger = append(old.trigger, f.Name)
			}
		case slices.Contains(wanted, i) && f.Type.Equal(newest.Fields[at].Type) && slices.Equal(f.At(), newest.Fields[at].At()):
			by.trigger = append(by.trigger, f.Name)
		}
	}
	return slices.DeleteFunc([]reread{by, old}, func(r reread) bool { return len(r.trigger) == 0 })
}

// neededOf are the fields of a source that a view's values depend on.
func neededOf(b *definition.Binding) []int {
	fields := needed(b)
	for _, i := range []int{b.Source.Sequence, b.Source.EventID} {
		if i >= 0 {
			fields = append(fields, i)
		}
	}
	return fields
}

// reread adds to what is at rest of a source the fields that a view needs and that
// events came to rest without, where the log still has them. What it does not have
// stays as it is: rows neither come nor go. Only who leads does so.
func (w *Worker) reread(ctx context.Context, v *View, binding int) error {
	if w.c.Widener == nil {
		return nil
	}
	b := &v.view.Bindings[binding]
	w.mu.Lock()
	revision := w.revision
	w.mu.Unlock()
	project, err := w.project(ctx, revision)
	if err != nil {
		return err
	}
	logs, err := w.c.Registry.Sources(ctx)
	if err != nil {
		return err
	}
	defer w.sayRereading(v.ID(), nil)
	for _, r := range rereads(b, project.StreamSource(b.Source.Name)) {
		r.view = v
		generations := []uint32{registry.Newest(logs, b.Source.Name)}
		if w.c.Files != nil && r.source.History != nil && !r.source.Joined() {
			generations = append(generations, offline.FilesGeneration)
		}
		for _, r.log = range generations {
			for again := true; again; {
				if again, err = w.rereadFiles(ctx, &r); err != nil {
					return fmt.Errorf("reading fields of source %q again: %w", b.Source.Name, err)
				}
			}
		}
	}
	return nil
}

// rereadFiles adds fields to the files that lack them; again says that the list of
// files has changed meanwhile.
func (w *Worker) rereadFiles(ctx context.Context, r *reread) (again bool, err error) {
	lacking, missing, err := w.c.Widener.Lacking(r.source.Name, r.log, r.trigger)
	if err != nil || len(lacking) == 0 {
		return false, err
	}
	r.missing = missing
	todo, err := w.rereadable(ctx, r, lacking)
	if err != nil || len(todo) == 0 {
		return false, err
	}
	at := Rereading{OfFiles: len(todo)}
	for i := range todo {
		at.OfRows += todo[i].Rows
	}
	about := []any{"view", r.view.Name(), "generation", r.view.ID().Number, "source", r.source.Name, "fields", missing}
	w.c.Logger.Info("events at rest lack fields that a view reads: they are read again", append(about, "files", at.OfFiles, "rows", at.OfRows)...)
	read := int64(0)
	for i := range todo {
		done, changed, err := w.rereadFile(ctx, r, &todo[i], func(rows int64) {
			now := at
			now.Rows += rows
			w.sayRereading(r.view.ID(), &now)
		})
		if err != nil {
			return false, err
		}
		again = again || changed
		at.Files, at.Rows, read = at.Files+1, at.Rows+done.Rows, read+done.Read
	}
	w.c.Logger.Info("fields were read again; of rows whose record is gone or does not decode they stay null", append(about, "files", at.Files, "rows", at.Rows, "with_record", read)...)
	return again, nil
}

// rereadable are the files of which the log still has something, where it may be the
// log that they came from. What was found to be another is not read again and again.
func (w *Worker) rereadable(ctx context.Context, r *reread, lacking []archive.File) (todo []archive.File, err error) {
	if r.log == offline.FilesGeneration { // the files say it
		return slices.DeleteFunc(lacking, func(f archive.File) bool { return w.isUnlike(r, &f) }), nil
	}
	shared := &sourceLog{source: r.source.Name, topic: r.topic, generation: r.log, log: w.c.Log, views: w.filledOf(r.source.Name)}
	shared.partitions, err = w.c.Log.Partitions(ctx, r.topic)
	if errors.Is(err, featurestore.ErrNotFound) {
		return nil, nil
	}
	if err == nil {
		err = shared.compare(ctx, nil)
	}
	gap := (*GapError)(nil)
	if errors.As(err, &gap) {
		err = nil
	}
	bounds := map[int32]logrecord.Bounds{}
	for i := range lacking {
		f := &lacking[i]
		at, known := bounds[f.Partition]
		if !known && int(f.Partition) < shared.partitions && err == nil {
			at, err = w.c.Log.Bounds(ctx, r.topic, f.Partition)
			bounds[f.Partition] = at
		}
		switch {
		case err != nil:
			return nil, err
		case int(f.Partition) >= shared.partitions, f.To <= at.Start, w.isUnlike(r, f): // it is gone, has expired, or was looked at
		case gap != nil:
			w.unlike(r, f, errors.New(gap.Reason))
		case f.To > at.End:
			w.unlike(r, f, fmt.Errorf("it ends at %d", at.End))
		default:
			todo = append(todo, *f)
		}
	}
	return todo, nil
}

// filledOf are the views of a source whose watermarks say something of its log.
func (w *Worker) filledOf(source string) []*View {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []*View
	for _, id := range w.sorted() {
		r := w.views[id]
		if _, reads := r.view.binding[source]; reads && r.full {
			out = append(out, r.view)
		}
	}
	return out
}

// mostBusy is how often a file is tried that another process works on, before others
// have their turn.
const mostBusy = 5

// rereadFile adds fields to one file.
func (w *Worker) rereadFile(ctx context.Context, r *reread, f *archive.File, progress func(rows int64)) (done history.Widened, again bool, err error) {
	progress(0)
	wait := backoff{}
	open := func(ctx context.Context) (history.Records, error) {
		if r.log == offline.FilesGeneration {
			return w.openFiled(ctx, r, f)
		}
		return w.openRecords(ctx, r, f)
	}
	one := &history.Widening{Source: r.source, Fields: r.fields, File: *f, Open: open, Progress: progress}
	for tries := 1; ; tries++ {
		done, err = w.c.Widener.Widen(ctx, one)
		switch {
		case errors.Is(err, history.ErrBusy) && tries == mostBusy:
			return done, false, featurestore.Unavailablef("another process puts partition %d of the archive of source %q in order, or was stopped while it did (`freshet archive compact`): fields are read again once it has ended", f.Partition, r.source.Name)
		case errors.Is(err, history.ErrBusy):
			if err := wait.sleep(ctx); err != nil {
				return done, false, err
			}
		case errors.Is(err, history.ErrReplaced), errors.Is(err, errExpires):
			return done, true, nil
		case errors.Is(err, history.ErrOtherRecord):
			w.unlike(r, f, err)
			return history.Widened{}, false, nil
		default:
			return done, false, err
		}
	}
}

// unlike notes that a file cannot get its fields from the log, until the partitions are
// arranged anew.
func (w *Worker) unlike(r *reread, f *archive.File, why error) {
	w.c.Logger.Warn("fields of events at rest cannot be read again: the log, or the history files, do not seem to be those that they came from; they are null",
		"source", r.source.Name, "fields", r.missing, "log", f.Generation, "partition", f.Partition, "offsets", fmt.Sprintf("%d-%d", f.From, f.To-1), "error", why)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlikely[r.source.Name+"/"+f.Path] = true
}

func (w *Worker) isUnlike(r *reread, f *archive.File) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.unlikely[r.source.Name+"/"+f.Path]
}

// fillable is what a generation is filled from: what is at rest now, with the fields
// that could be read again. What comes to rest meanwhile, perhaps by a process that
// does not know the newest definition yet, it takes from the log.
func (w *Worker) fillable(ctx context.Context, v *View, binding int) (offline.Spec, error) {
	s := v.view.Bindings[binding].Source
	spec := offline.Spec{Source: s, Index: uint16(binding)}
	if w.c.Widener == nil {
		return spec, nil
	}
	segments, err := w.c.History.Segments(ctx, s)
	if err != nil {
		return spec, err
	}
	spec.Only, spec.Bounds = true, map[offline.Partition]offline.Range{}
	for _, g := range segments {
		to := spec.Bounds[g.Partition].To
		spec.Bounds[g.Partition] = offline.Range{To: max(to, g.Offsets.To)}
	}
	return spec, w.reread(ctx, v, binding)
}
