// Package skew holds what was served against what history says: it recomputes
// logged rows in mode exact, from the read times, applied lists and run ids that
// the log recorded, and compares cell by cell, bit for bit. It reads through the
// point-in-time join and does no I/O of its own.
//
// The meaning of a row is the definition of its own revision. STALE is a fact of
// serving: it is worked out from the recorded watermark, so that the value is
// compared under it.
package skew

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/pit"
)

// Joiner does point-in-time joins (pit.Joiner).
type Joiner interface {
	Join(ctx context.Context, r *pit.Request) (*pit.Result, error)
}

// Checker compares logged rows with history.
type Checker struct {
	Joiner Joiner
	// Project gives the definitions of a revision.
	Project func(ctx context.Context, revision int64) (*definition.Project, error)
	// Examples is how many differing cells of a feature are shown.
	Examples int
	// BatchRows is how many rows are held at once; 0 is 50,000. Each batch reads
	// history once.
	BatchRows int
	// Progress is told now and then how many records of a view were read, and how
	// many rows are done; nil tells nobody.
	Progress func(view string, records, rows int64)
}

const defaultBatchRows = 50_000

// Check compares every row that read gives. Rows are kept until their batch is
// done.
func (c *Checker) Check(ctx context.Context, service string, read func(each func(*Row) error) error) (*Report, error) {
	k := &check{Checker: c, service: service, projects: map[int64]*definition.Project{}, report: &Report{Service: service, Revisions: []int64{}, Features: []Feature{}}}
	limit := c.BatchRows
	if limit <= 0 {
		limit = defaultBatchRows
	}
	err := read(func(r *Row) error {
		if k.pending = append(k.pending, r); len(k.pending) < limit {
			return ctx.Err()
		}
		return k.flush(ctx)
	})
	if err != nil {
		return nil, err
	}
	if err := k.flush(ctx); err != nil {
		return nil, err
	}
	k.report.finish()
	return k.report, nil
}

// check is one run.
type check struct {
	*Checker
	service  string
	projects map[int64]*definition.Project
	pending  []*Row
	report   *Report
}

// flush compares the pending rows, by revision.
func (k *check) flush(ctx context.Context) error {
	groups := map[int64][]*Row{}
	for _, r := range k.pending {
		groups[r.Revision] = append(groups[r.Revision], r)
	}
	for _, revision := range slices.Sorted(maps.Keys(groups)) {
		if err := k.revision(ctx, revision, groups[revision]); err != nil {
			return fmt.Errorf("revision %d: %w", revision, err)
		}
	}
	k.pending = nil
	return nil
}

func (k *check) project(ctx context.Context, revision int64) (*definition.Project, error) {
	if p := k.projects[revision]; p != nil {
		return p, nil
	}
	p, err := k.Project(ctx, revision)
	if err != nil {
		return nil, err
	}
	k.projects[revision] = p
	k.report.Revisions = append(k.report.Revisions, revision)
	return p, nil
}

func (k *check) revision(ctx context.Context, revision int64, rows []*Row) error {
	project, err := k.project(ctx, revision)
	if err != nil {
		return err
	}
	service := project.Service(k.service)
	if service == nil {
		return featurestore.NotFoundf("it has no service %q, though lookups of it are logged", k.service)
	}
	g := newGroup(project, service, k.Examples)
	request := newRequest(project, service, len(rows))
	for i, r := range rows {
		b, err := g.binding(r.Schema)
		if err != nil {
			return err
		}
		request.add(i, b.Record(r))
	}
	if k.Progress != nil {
		request.Progress = func(view string, records int64) { k.Progress(view, records, k.report.Rows) }
	}
	result, err := k.Joiner.Join(ctx, &request.Request)
	if err != nil {
		return err
	}
	for i, r := range rows {
		k.report.row(r, result.IncompleteRows[i])
	}
	for c := range service.Columns {
		f := k.report.feature(&service.Columns[c])
		for i, r := range rows {
			g.compare(f, c, r, cellOf(&result.Columns[c], i), result.IncompleteRows[i])
		}
	}
	return nil
}

func cellOf(c *pit.Column, row int) featurestore.Cell {
	return featurestore.Cell{Value: c.Value(row), Status: c.Status[row]}
}

// exactRequest is a join of mode exact that is being filled.
type exactRequest struct {
	pit.Request
	keys, request []*frame.Column
}

func newRequest(p *definition.Project, s *definition.Service, rows int) *exactRequest {
	r := &exactRequest{Request: pit.Request{
		Project: p, Service: s, Mode: pit.Exact, Exact: make([]pit.ExactRow, rows),
		Spine: &pit.Spine{Time: make([]featurestore.Instant, rows), Keys: map[string]*frame.Column{}, Request: map[string]*frame.Column{}},
	}}
	r.keys = columnsOf(s.Entities, r.Spine.Keys)
	r.request = columnsOf(s.Request, r.Spine.Request)
	return r
}

func columnsOf(fields []definition.Field, into map[string]*frame.Column) []*frame.Column {
	out := make([]*frame.Column, len(fields))
	for i, f := range fields {
		out[i] = &frame.Column{Field: frame.Field{Name: f.Name, Type: f.Type}}
		into[f.Name] = out[i]
	}
	return out
}

func (r *exactRequest) add(i int, rec Record) {
	r.Exact[i], r.Spine.Time[i] = rec.ExactRow, rec.ReadTime
	for k, c := range r.keys {
		c.Append(rec.Keys[k])
	}
	for k, c := range r.request {
		c.Append(rec.Request[k])
	}
}
