package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/history"
	"github.com/freshet/freshet/featurestore/pit"
	"github.com/freshet/freshet/ingest/decode"
	archive "github.com/freshet/freshet/ingest/history"
	"github.com/freshet/freshet/ingest/logrecord"
	"github.com/freshet/freshet/transforms/conformance"
)

// notOffline are the cases that no training set can take.
func notOffline() map[string]string {
	return map[string]string{
		"27/bytes": "it is about stored keys", "28/request": "it is a request", "29": "it is a request",
		"30": "it is about a record's time", "31/parse": "it is about a record's time", "32/parse": "it is about a record's time",
	}
}

// modes of the kit in the words of the join.
var modes = map[conformance.Mode]pit.Mode{
	conformance.Available: pit.Available, conformance.EventTime: pit.EventTime, conformance.Exact: pit.Exact,
}

// offlinePath is decoder -> archive -> history -> a join of the readings.
type offlinePath struct {
	name string
	join func(ctx context.Context, w *archived, readings []conformance.Reading) ([][]featurestore.Cell, error)
}

// archived is a case whose log has been archived.
type archived struct {
	c       *conformance.Case
	p       *definition.Project
	dir     string
	history *history.Reader
	exact   func(*conformance.Reading) pit.ExactRow // what a lookup would have logged
}

func (o *offlinePath) Name() string { return o.name }

func (o *offlinePath) Runs(c *conformance.Case, r *conformance.Reading) bool {
	return c.Kind == conformance.KindWindow && r != nil && r.Mode != conformance.Online
}

// Run archives the whole log and joins the readings, those of a mode and delay
// together.
func (o *offlinePath) Run(c *conformance.Case) (_ conformance.Result, err error) {
	ctx := context.Background()
	w := &archived{c: c}
	if w.p, err = project(c); err != nil {
		return conformance.Result{}, err
	}
	if w.dir, err = os.MkdirTemp("", "conformance-"); err != nil {
		return conformance.Result{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(w.dir)) }()
	for _, s := range w.p.StreamSources {
		if err := w.archive(s); err != nil {
			return conformance.Result{}, err
		}
	}
	w.history, w.exact = history.New(history.Options{Root: w.dir, Dir: w.dir}), w.applied
	result := conformance.Result{Cells: make([][]featurestore.Cell, len(c.Readings))}
	done := make([]bool, len(c.Readings))
	for i := range c.Readings {
		if done[i] {
			continue
		}
		var together []conformance.Reading
		var places []int
		for k := i; k < len(c.Readings); k++ {
			if r := &c.Readings[k]; r.Mode == c.Readings[i].Mode && r.Delay == c.Readings[i].Delay {
				together, places, done[k] = append(together, *r), append(places, k), true
			}
		}
		cells, err := o.join(ctx, w, together)
		if err != nil {
			return result, err
		}
		for n, k := range places {
			result.Cells[k] = cells[n]
		}
	}
	return result, nil
}

// archive decodes the records of a source as the ingester would, and archives
// the events.
func (w *archived) archive(s *definition.StreamSource) (err error) {
	writer, err := archive.Open(archive.Options{Dir: w.dir, Source: s})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, writer.Close()) }()
	d, err := decode.New(s, decode.Options{})
	if err != nil {
		return err
	}
	events := slices.DeleteFunc(slices.Clone(w.c.Events), func(e conformance.Event) bool { return e.Source != s.Name })
	slices.SortStableFunc(events, func(a, b conformance.Event) int { return a.Position.Compare(b.Position) })
	for i := range events {
		e := &events[i]
		p := offline.Partition{Generation: e.Generation, Partition: e.Partition}
		if err := writer.Begin(p, 0); err != nil {
			return err
		}
		var batch decode.Batch
		rec := logrecord.Record{Partition: p.Partition, Offset: e.Offset, LogTime: e.LogTime, Value: e.Wire}
		if err := d.Append(&batch, &rec, featurestore.PartitionID{Generation: p.Generation, Partition: p.Partition}); err == nil {
			decoded := columnar.New(s)
			for k := range batch.Events {
				if err := decoded.Append(&batch.Events[k]); err != nil {
					return err
				}
			}
			if err := writer.Append(decoded); err != nil {
				return err
			}
		}
		if err := writer.Consumed(p, e.Offset); err != nil {
			return err
		}
	}
	return nil
}

// applied is the read time, and the list of the records that were applied then.
func (w *archived) applied(r *conformance.Reading) pit.ExactRow {
	return pit.ExactRow{ReadTime: r.At, Applied: []featurestore.Applied{w.c.AppliedBefore(r.Entity, r.Clock)}, Runs: []string{""}}
}

// Scan implements pit.Events.
func (w *archived) Scan(ctx context.Context, source *definition.StreamSource, index uint16, fields []int, each func([]featurestore.Event) error) (err error) {
	stream, err := w.history.Scan(ctx, offline.Spec{Source: source, Index: index, Fields: fields})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	for {
		batch, err := stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := each(batch.Events); err != nil {
			return err
		}
	}
}

// joinInMemory joins by the engine alone.
func joinInMemory(ctx context.Context, w *archived, readings []conformance.Reading) ([][]featurestore.Cell, error) {
	service := w.p.Service(conformance.ServiceName)
	r := &pit.Request{
		Project: w.p, Service: service, Mode: modes[readings[0].Mode], Delay: readings[0].Delay,
		Spine: &pit.Spine{Keys: map[string]*frame.Column{}, Request: map[string]*frame.Column{}},
	}
	for i, k := range service.Entities {
		c := &frame.Column{Field: frame.Field{Name: k.Name, Type: k.Type}}
		for n := range readings {
			c.Append(readings[n].Entity[i])
		}
		r.Spine.Keys[k.Name] = c
	}
	for i := range readings {
		r.Spine.Time = append(r.Spine.Time, readings[i].At)
		if r.Mode == pit.Exact {
			r.Exact = append(r.Exact, w.exact(&readings[i]))
		}
	}
	joiner := pit.Joiner{Events: w, Sorter: frame.Memory{}}
	result, err := joiner.Join(ctx, r)
	if err != nil {
		return nil, err
	}
	if result.Incomplete > 0 {
		return nil, fmt.Errorf("%d reads are incomplete", result.Incomplete)
	}
	cells := make([][]featurestore.Cell, len(readings))
	for i := range cells {
		for k := range result.Columns {
			c := &result.Columns[k]
			cells[i] = append(cells[i], featurestore.Cell{Value: c.Value(i), Status: c.Status[i]})
		}
	}
	return cells, nil
}

// TestJoin runs every offline mode from the archive through the join.
func TestJoin(t *testing.T) {
	wantLeftOut(t, conformance.RunAll(t, load(t), &offlinePath{name: "archive, join", join: joinInMemory}), others(t, notOffline()))
}
