package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
)

// restLooks is how many times longer than a log what is at rest goes without a look.
const restLooks = 5

// noteWithin bounds how long the end of a process takes to note what is at rest.
const noteWithin = 2 * time.Second

func (w *Worker) inspector() Inspector {
	return Inspector{Project: w.c.Project, Log: w.c.Log, Online: w.c.Online, History: w.c.History}
}

// wasAtRest looks whether offsets of a partition are known to have been at rest.
func (w *Worker) wasAtRest(source string, p offline.Partition) func(context.Context, offline.Range) (bool, error) {
	return func(ctx context.Context, r offline.Range) (bool, error) {
		return w.inspector().wasAtRest(ctx, source, p, r)
	}
}

// watchRest notes in the online store what is at rest, and looks whether what was is
// still there. Every process does, whichever partitions it reads: several share one
// folder, and one that has another is told so. Live views go on with what they have;
// where a generation had to wait for what is missing, and nothing is any more, the
// arrangement ends.
func (w *Worker) watchRest(ctx context.Context, cancel context.CancelFunc, a *arrangement) error {
	if !w.c.NoteRest {
		return nil
	}
	sources := sourcesOf(a)
	ticker := time.NewTicker(restLooks * w.c.Recheck)
	defer ticker.Stop()
	said := ""
	for {
		var failed error
		for _, s := range sources {
			if err := w.lookAtRest(ctx, s, registry.Newest(a.logs, s.Name)); err != nil {
				failed = fmt.Errorf("source %q: %w", s.Name, err)
			}
		}
		switch {
		case failed == nil:
			said = ""
		case said != failed.Error() && ctx.Err() == nil:
			said = failed.Error()
			w.c.Logger.Warn("whether all that was at rest is still there is not known", "error", failed)
		}
		if failed == nil && w.wholeAgain() {
			cancel()
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// sourcesOf are the sources that some view of an arrangement reads, by name, as they are
// defined now where they still are.
func sourcesOf(a *arrangement) []*definition.StreamSource {
	of := map[string]*definition.StreamSource{}
	for _, v := range a.views {
		for _, b := range v.view.Bindings {
			if of[b.Source.Name] = a.current.StreamSource(b.Source.Name); of[b.Source.Name] == nil {
				of[b.Source.Name] = b.Source
			}
		}
	}
	var out []*definition.StreamSource
	for _, name := range slices.Sorted(maps.Keys(of)) {
		out = append(out, of[name])
	}
	return out
}

func (w *Worker) lookAtRest(ctx context.Context, s *definition.StreamSource, log uint32) error {
	x := w.inspector()
	missing, err := x.Missing(ctx, s, log)
	if err != nil {
		return err
	}
	removed, err := x.Removed(ctx, s.Name)
	if err != nil {
		return err
	}
	w.mu.Lock()
	before := w.missing[s.Name]
	w.missing[s.Name], w.removed[s.Name] = missing, removed
	w.noted[s.Name] = s
	w.mu.Unlock()
	switch {
	case len(missing) > 0 && (len(before) == 0 || MissingText(before) != MissingText(missing)):
		w.c.Logger.Error("events at rest are lost: views that are live go on, and none can be built before that is mended", "source", s.Name, "error", &MissingError{missing})
	case len(missing) == 0 && len(before) > 0:
		w.c.Logger.Info("no events at rest are missing any more, or that was accepted", "source", s.Name)
	}
	return x.Note(ctx, s)
}

// wholeAgain lets generations go on that had to wait for what is not missing any more,
// and reports whether there are some.
func (w *Worker) wholeAgain() (some bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.views {
		if !r.lacks || slices.ContainsFunc(r.view.view.Bindings, func(b definition.Binding) bool { return len(w.missing[b.Source.Name]) > 0 }) {
			continue
		}
		r.lacks, r.broken, r.why, r.recheck = false, false, "", 0
		some = true
	}
	return some
}

// noteRest notes, at the end of a process, what it has put at rest last.
func (w *Worker) noteRest() {
	ctx, cancel := context.WithTimeout(context.Background(), noteWithin)
	defer cancel()
	for _, name := range slices.Sorted(maps.Keys(w.noted)) {
		if err := w.inspector().Note(ctx, w.noted[name]); err != nil {
			w.c.Logger.Warn("what is at rest could not be noted: it is noted at the next start", "source", name, "error", err)
			return
		}
	}
}

// Missing is what was at rest and is not any more, as this process saw last.
func (w *Worker) Missing() []Missing {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bySource(w.missing)
}

// Removed is what was applied and is nowhere, because compaction has removed it before it
// was at rest, as this process saw last.
func (w *Worker) Removed() []Missing {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bySource(w.removed)
}

func bySource(of map[string][]Missing) (out []Missing) {
	for _, name := range slices.Sorted(maps.Keys(of)) {
		out = append(out, of[name]...)
	}
	return out
}

// whole is a MissingError where history lacks something that was at rest of the sources
// of a view.
func (w *Worker) whole(ctx context.Context, v *definition.StreamView) error {
	for i := range v.Bindings {
		if err := w.wholeSource(ctx, v.Bindings[i].Source); err != nil {
			return fmt.Errorf("view %q: %w", v.Name, err)
		}
	}
	return nil
}

func (w *Worker) wholeSource(ctx context.Context, s *definition.StreamSource) error {
	if !w.c.NoteRest {
		return nil
	}
	logs, err := w.c.Registry.Sources(ctx)
	if err != nil {
		return err
	}
	missing, err := w.inspector().Missing(ctx, s, registry.Newest(logs, s.Name))
	if err == nil && len(missing) > 0 {
		err = &MissingError{missing}
	}
	return err
}

// replayableRest is an error where history lacks something that it held of what is to be
// replayed: what is folded anew from less would be wrong. What a person has accepted to
// be lost is no reason.
func (w *Worker) replayableRest(ctx context.Context, v *View, s *definition.StreamSource, through map[online.Partition]int64) error {
	err := w.wholeSource(ctx, s)
	var lost *MissingError
	if errors.As(err, &lost) {
		needed := func(m Missing) bool { to, some := through[m.Partition]; return some && m.Ranges[0].From <= to }
		if slices.ContainsFunc(lost.Missing, needed) {
			return fmt.Errorf("%w: view %q: %w", errRebuild, v.Name(), err)
		}
		return nil
	}
	return err
}

// acceptedOf is what a person has accepted to be lost of a source, by partition.
func (w *Worker) acceptedOf(ctx context.Context, s *definition.StreamSource) (map[online.Partition]restNote, error) {
	if !w.c.NoteRest {
		return nil, nil
	}
	return w.notesOf(ctx, acceptedNotes, s)
}

func (w *Worker) notesOf(ctx context.Context, name string, s *definition.StreamSource) (map[online.Partition]restNote, error) {
	notes, err := w.inspector().notes(ctx, name, s.Name)
	if err != nil {
		return nil, err
	}
	out := map[online.Partition]restNote{}
	for p, k := range notes {
		out[online.Partition{Source: s.Name, Generation: p.Generation, Number: p.Partition}] = k
	}
	return out, nil
}

// withAccepted adds to complete ranges what was accepted to be lost: there is nothing of
// it to read, and nothing to wait for.
func withAccepted(ranges []offline.Range, k restNote) []offline.Range {
	return offline.Union(append(ranges, k.ranges()...)...)
}
