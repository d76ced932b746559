package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/files"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/materialize"
)

// batches runs the batch views of a session. Where somebody is there who saves
// again, a run that fails is told and tried at the next save, of a definition or of
// the view's files: it ends nothing.
type batches struct {
	session *session
	patient bool
	due     map[string]bool   // views that a save has changed
	failed  map[string]string // views whose last run failed: their files at that time
}

// run is the drive's Materialize.
func (b *batches) run(ctx context.Context, v *definition.BatchView, cutoff featurestore.Instant) error {
	inputs := b.inputs(v) // as they were before, so that a save in between is news
	err := b.session.materialize(ctx, v, cutoff)
	delete(b.due, v.Name)
	delete(b.failed, v.Name)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if !b.patient {
		return fmt.Errorf("%s: %w", v.Place, err)
	}
	b.failed[v.Name] = inputs
	fmt.Fprint(b.session.app.Stderr, b.problem(v, err))
	return nil
}

// runDue runs what a save has made due: the views that it changed, and those that
// failed before where definitions, or the view's own files, were saved.
func (b *batches) runDue(ctx context.Context, saved bool) error {
	for _, v := range b.session.project.BatchViews {
		before, failed := b.failed[v.Name]
		if !b.due[v.Name] && !(failed && (saved || b.inputs(v) != before)) {
			continue
		}
		if err := b.run(ctx, v, b.session.parts.Clock.Now()); err != nil {
			return err
		}
		if _, still := b.failed[v.Name]; failed && !still {
			b.session.app.Note("%s is materialized", v.Name)
		}
	}
	maps.DeleteFunc(b.failed, func(name string, _ string) bool { return b.session.project.BatchView(name) == nil })
	return nil
}

// inputs tells a view's files from what is there after one of them was saved.
func (b *batches) inputs(v *definition.BatchView) string {
	found, err := files.Glob(b.session.parts.Settings.Root, v.Source.Files)
	if err != nil {
		return err.Error()
	}
	var out strings.Builder
	for _, f := range found {
		info, err := os.Stat(f.Path)
		if err != nil {
			fmt.Fprintln(&out, f.Name, err)
			continue
		}
		fmt.Fprintln(&out, f.Name, info.Size(), info.ModTime())
	}
	return out.String()
}

// problem is a run's error at the view's place in the saved files.
func (b *batches) problem(v *definition.BatchView, err error) string {
	if saved := b.session.project.BatchView(v.Name); saved != nil {
		v = saved
	}
	p := definition.Problem{
		Place: v.Place, Message: err.Error(), Width: len(v.Name),
		Hint: fmt.Sprintf("correct the view, its source %s (%s) or its files, and save: it is tried again", v.Source.Name, v.Source.Place),
	}
	if data, err := os.ReadFile(filepath.Join(b.session.parts.Settings.Root, filepath.FromSlash(v.Place.File))); err == nil {
		if lines := slices.Collect(strings.Lines(string(data))); v.Place.Line <= len(lines) {
			p.Line = strings.TrimRight(lines[v.Place.Line-1], "\r\n")
		}
	}
	return p.Format()
}

// materialize runs a batch view at a cutoff into its newest generation.
func (x *session) materialize(ctx context.Context, v *definition.BatchView, cutoff featurestore.Instant) error {
	runs, err := x.parts.RunTargets(ctx)
	if err != nil {
		return err
	}
	g := runs.Into[v.Name]
	if g.Hash != v.Hash {
		return fmt.Errorf("revision %d gives view %q another meaning: %w", runs.Revision, v.Name, registry.ErrLostRace)
	}
	_, err = materializer(x.parts, x.db).Run(ctx, materialize.Request{
		View: v, Cutoff: cutoff, Revision: runs.Revision, Lanes: g.Lanes,
		Generation: online.Generation{Project: x.parts.Settings.Project, View: v.Name, Number: g.Number},
		Bad:        func(b materialize.BadRow) { x.app.Note("%s: row %d: %s", b.File, b.Row, b.Reason) },
	})
	if err == nil && g.State == registry.Building {
		err = x.parts.TakeOver(ctx, g)
	}
	return err
}
