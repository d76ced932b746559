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
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/pit"
)

// putRows is how many rows go to the store in one call.
const putRows = 4096

// put sends the rows of a run's file to the online store. Rows of batch views
// never expire there: past the ttl of its view a value is EXPIRED, and not
// unknown.
func (m *Materializer) put(ctx context.Context, r Request, report *Report, path string) (err error) {
	file := frame.File{Path: filepath.Join(m.Dir, filepath.FromSlash(path)), Name: path, Format: definition.Parquet}
	table, _, err := m.Reader.Load(ctx, file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Reader.Unload(ctx, table)) }()
	p := &putter{m: m, ctx: ctx, r: &r, report: report, types: latest.StoredTypes(r.View)}
	for _, k := range r.View.Entity.Keys {
		p.keyTypes = append(p.keyTypes, k.Type)
	}
	p.layout = pit.LayoutOf(r.View)
	p.row = make([]featurestore.Value, len(p.layout.Fields))
	if err := m.Reader.Columns(ctx, table, p.layout.Fields, p.each); err != nil {
		return err
	}
	return p.flush()
}

// putter turns rows of the file into blobs and sends them in chunks.
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

func (p *putter) each(f *frame.Frame) error {
	for i := range f.Len() {
		f.Row(i, p.row)
		row, err := p.blob()
		if err != nil {
			return err
		}
		p.chunk = append(p.chunk, row)
		if len(p.chunk) == putRows {
			if err := p.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *putter) blob() (online.Row, error) {
	l := &p.layout
	key, err := codec.AppendKey(nil, p.keyTypes, p.row[:len(p.keyTypes)])
	if err != nil {
		return online.Row{}, err
	}
	row := codec.BatchRow{
		Definition:  p.r.View.Hash,
		Key:         key,
		Run:         p.report.Run.ID,
		Completed:   p.report.Run.Completed,
		AvailableAt: featurestore.LogTime(p.row[l.Available].Timestamp()),
		File:        p.row[l.File].Str(),
		FileRow:     p.row[l.Row].Int64(),
	}
	made := latest.Row{Time: featurestore.EventTime(p.row[l.Time].Timestamp()), Values: p.row[l.Feature:]}
	latest.Store(p.r.View, &made, p.report.Run.Cutoff, &row)
	return online.Row{Key: key, Blob: codec.AppendBatchRow(nil, p.types, &row)}, nil
}

func (p *putter) flush() error {
	if len(p.chunk) == 0 {
		return nil
	}
	n, err := p.m.Store.PutRows(p.ctx, p.r.Generation, p.r.Lanes, p.chunk, 0)
	if err != nil {
		return err
	}
	p.report.Put += int64(len(p.chunk))
	p.report.Written += int64(n)
	p.chunk = p.chunk[:0]
	if p.r.Progress != nil {
		p.r.Progress(Progress{Read: p.report.Read, Put: p.report.Put})
	}
	return nil
}
