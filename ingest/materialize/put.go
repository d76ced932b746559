package materialize

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/latest"
	"github.com/freshet/freshet/featurestore/offline/runs"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/pit"
)

// putRows is how many rows go to the store in one call.
const putRows = 4096

// put sends the rows of a run's file to the online store. Rows of batch views
// never expire there: past the ttl of its view a value is EXPIRED, and not
// unknown.
func (m *Materializer) put(ctx context.Context, r Request, report *Report, path string) error {
	p := newPutter(ctx, m, &r, report)
	if _, err := m.runFile(ctx, &p.layout, path, p.each); err != nil {
		return err
	}
	return p.flush(&report.Put, &report.Written)
}

// runFile gives the rows that a run wrote; ok is false, and there are none, where
// the file has the columns of another definition.
func (m *Materializer) runFile(ctx context.Context, layout *pit.RunLayout, path string, each func(*frame.Frame) error) (ok bool, err error) {
	file := frame.File{Path: filepath.Join(m.Dir, filepath.FromSlash(path)), Name: path, Format: definition.Parquet}
	table, fields, err := m.Reader.Load(ctx, file)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, m.Reader.Unload(ctx, table)) }()
	if !layout.Matches(fields) {
		return false, nil
	}
	return true, m.Reader.Columns(ctx, table, layout.Fields, each)
}

// putter turns rows of runs into blobs and sends them in chunks.
type putter struct {
	m        *Materializer
	ctx      context.Context
	r        *Request
	report   *Report
	keyTypes []featurestore.Type
	types    []featurestore.Type
	layout   pit.RunLayout
	row      []featurestore.Value
	chunk    []online.Row
}

func newPutter(ctx context.Context, m *Materializer, r *Request, report *Report) *putter {
	p := &putter{m: m, ctx: ctx, r: r, report: report, types: latest.StoredTypes(r.View), layout: pit.LayoutOf(r.View)}
	for _, k := range r.View.Entity.Keys {
		p.keyTypes = append(p.keyTypes, k.Type)
	}
	p.row = make([]featurestore.Value, len(p.layout.Fields))
	return p
}

func (p *putter) each(f *frame.Frame) error {
	l, run := &p.layout, madeBy(&p.report.Run)
	for i := range f.Len() {
		f.Row(i, p.row)
		key, err := codec.AppendKey(nil, p.keyTypes, p.row[:len(p.keyTypes)])
		if err != nil {
			return err
		}
		row := codec.BatchRow{
			Definition: p.r.View.Hash, Key: key,
			AvailableAt: featurestore.LogTime(p.row[l.Available].Timestamp()), File: p.row[l.File].Str(), FileRow: p.row[l.Row].Int64(),
		}
		latest.Store(p.r.View, &run, &latest.Row{Time: featurestore.EventTime(p.row[l.Time].Timestamp()), Values: p.row[l.Feature:]}, &row)
		if err := p.add(&row, &p.report.Put, &p.report.Written); err != nil {
			return err
		}
	}
	return nil
}

// madeBy is a run as a stored row names it.
func madeBy(r *runs.Run) latest.Run {
	return latest.Run{ID: r.ID, Cutoff: r.Cutoff, Completed: r.Completed}
}

// add puts a row into the chunk; put and written count what is sent with it.
func (p *putter) add(row *codec.BatchRow, put, written *int64) error {
	p.chunk = append(p.chunk, online.Row{Key: row.Key, Blob: codec.AppendBatchRow(nil, p.types, row)})
	if len(p.chunk) < putRows {
		return nil
	}
	return p.flush(put, written)
}

func (p *putter) flush(put, written *int64) error {
	if len(p.chunk) == 0 {
		return nil
	}
	n, err := p.m.Store.PutRows(p.ctx, p.r.Generation, p.r.Lanes, p.chunk, 0)
	if err != nil {
		return err
	}
	*put += int64(len(p.chunk))
	*written += int64(n)
	p.chunk = p.chunk[:0]
	if p.r.Progress != nil {
		p.r.Progress(Progress{Read: p.report.Read, Put: p.report.Put})
	}
	return nil
}
