package materialize

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/latest"
	"github.com/freshet/freshet/featurestore/offline/runs"
)

// The aggregates of an entity are those of the newest run, also where that run
// saw no row of it any more: it has left the table, and reads as one that never
// was in it. So each run of a view with aggregates marks online, as of the newest
// run (that with the greatest cutoff), who stands in an older one and not in that
// one. Who left before was marked by the run before.

// leave marks the entities that have left the table. It comes before put, so that
// a run that looks further back never shows them meanwhile.
func (m *Materializer) leave(ctx context.Context, r Request, report *Report) error {
	if len(r.View.Aggregates) == 0 {
		return nil
	}
	newest, before, err := m.older(&r, &report.Run)
	if err != nil {
		return err
	}
	if lost, err := m.missing(append(pathsOf(&newest), before...)); err != nil || len(lost) > 0 || len(before) == 0 {
		report.Lost = lost
		return err
	}
	p := newPutter(ctx, m, &r, report)
	run := madeBy(&newest)
	fields := []frame.Field{{Name: "key", Type: featurestore.Bytes}, {Name: "before", Type: featurestore.Int64}}
	last, written := "", int64(0)
	err = m.Writer.Sort(ctx, frame.Order{Fields: fields, Keys: len(fields)}, func(add func(*frame.Frame) error) error {
		for _, path := range pathsOf(&newest) {
			if err := p.keys(path, fields, featurestore.Int64Value(0), add); err != nil {
				return err
			}
		}
		for _, path := range before {
			if err := p.keys(path, fields, featurestore.Int64Value(1), add); err != nil {
				return err
			}
		}
		return nil
	}, func(f *frame.Frame) error {
		for i := range f.Len() {
			key := f.Columns[0].Text[i]
			if key == last {
				continue
			}
			if last = strings.Clone(key); f.Columns[1].Int(i) == 0 {
				continue
			}
			row := codec.BatchRow{Definition: r.View.Hash, Key: []byte(last)}
			latest.Store(r.View, &run, nil, &row)
			if err := p.add(&row, &report.Gone, &written); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.flush(&report.Gone, &written)
}

// older is the newest run, and the files of those whose entities may have left by
// it: where run is the newest, of the one before it and of runs that broke off
// while they went online; else of run itself.
func (m *Materializer) older(r *Request, run *runs.Run) (newest runs.Run, before []string, err error) {
	recorded, err := m.Record.List(r.View.Name)
	if err != nil {
		return newest, nil, err
	}
	known := map[string]bool{run.ID: true}
	others := slices.DeleteFunc(slices.Clone(recorded), func(o runs.Run) bool {
		known[o.ID] = true
		return o.ID == run.ID || o.Definition != run.Definition
	})
	if len(others) > 0 {
		other := slices.MaxFunc(others, func(a, b runs.Run) int {
			return cmp.Or(cmp.Compare(a.Cutoff, b.Cutoff), cmp.Compare(a.Completed, b.Completed))
		})
		if cmp.Or(cmp.Compare(other.Cutoff, run.Cutoff), cmp.Compare(other.Completed, run.Completed)) > 0 {
			return other, pathsOf(run), nil
		}
		before = pathsOf(&other)
	}
	broken, err := m.unrecorded(r.View.Name, known)
	return *run, append(before, broken...), err
}

func pathsOf(run *runs.Run) (out []string) {
	for _, f := range run.Files {
		out = append(out, f.Path)
	}
	return out
}

// missing are the files that are not there: somebody has cleared old runs away.
func (m *Materializer) missing(paths []string) (out []string, err error) {
	for _, path := range paths {
		switch _, err := os.Stat(filepath.Join(m.Dir, filepath.FromSlash(path))); {
		case errors.Is(err, fs.ErrNotExist):
			out = append(out, path)
		case err != nil:
			return nil, err
		}
	}
	return out, nil
}

// unrecorded are the files of runs that are not on record.
func (m *Materializer) unrecorded(view string, known map[string]bool) (out []string, err error) {
	entries, err := os.ReadDir(filepath.Join(m.Dir, "views", view))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		id, ok := strings.CutPrefix(e.Name(), "run=")
		if !ok || known[id] {
			continue
		}
		out = append(out, runPath(view, id))
	}
	none, err := m.missing(out) // of runs that broke off before they had written, and put nothing online
	return slices.DeleteFunc(out, func(path string) bool { return slices.Contains(none, path) }), err
}

// keys adds the keys of a run's file, marked.
func (p *putter) keys(path string, fields []frame.Field, mark featurestore.Value, add func(*frame.Frame) error) error {
	out := frame.New(fields)
	_, err := p.m.runFile(p.ctx, &p.layout, path, func(f *frame.Frame) error {
		for i := range f.Len() {
			f.Row(i, p.row)
			key, err := codec.AppendKey(nil, p.keyTypes, p.row[:len(p.keyTypes)])
			if err != nil {
				return err
			}
			out.AppendRow([]featurestore.Value{featurestore.BytesValue(string(key)), mark})
		}
		err := add(out)
		out.Reset()
		return err
	})
	return err
}
