package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/decode"
	"github.com/freshet/freshet/ingest/logrecord"
	"github.com/freshet/freshet/serving/rpc"
	"github.com/freshet/freshet/serving/service"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/conformance"
	"github.com/freshet/freshet/transforms/window"
)

// countOnly gives a case without a view the smallest one.
func countOnly() ([]conformance.Feature, []window.Feature) {
	return []conformance.Feature{{Name: "n", Agg: "count", Window: "1m"}},
		[]window.Feature{{Name: "n", Call: agg.Call{Func: "count"}, Type: featurestore.Int64, Input: -1, Second: -1, By: -1, Where: -1, Width: featurestore.Minute}}
}

// parseTime decodes a record whose time is the text.
func parseTime(c *conformance.Case) (conformance.Result, error) {
	one := &conformance.Case{
		Key: []conformance.Column{{Name: "user", Type: featurestore.String}}, Sources: []conformance.Source{{Name: "events", TextTime: true}},
	}
	one.View.Features, one.Config.Features = countOnly()
	p, err := project(one)
	if err != nil {
		return conformance.Result{}, err
	}
	d, err := decode.New(p.StreamSource("events"), decode.Options{})
	if err != nil {
		return conformance.Result{}, err
	}
	value, err := json.Marshal(map[string]string{"user": "u1", "ts": c.Text})
	if err != nil {
		return conformance.Result{}, err
	}
	var batch decode.Batch
	rec := logrecord.Record{LogTime: featurestore.LogTime(featurestore.MaxInstant), Value: value}
	if err := d.Append(&batch, &rec, featurestore.PartitionID{}); err != nil {
		return conformance.Result{}, featurestore.Invalidf("%w", err)
	}
	return conformance.Result{Instant: featurestore.Instant(batch.Events[0].Time)}, nil
}

// distinctKeys folds an event of each key and counts the entities.
func (o *onlinePath) distinctKeys(ctx context.Context, c *conformance.Case) (conformance.Result, error) {
	one := *c
	one.View.Features, one.Config.Features = countOnly()
	p, err := project(&one)
	if err != nil {
		return conformance.Result{}, err
	}
	r, err := o.begin(ctx, p)
	if err != nil {
		return conformance.Result{}, err
	}
	for i, key := range c.Keys {
		object := map[string]any{"ts": 0}
		for k, col := range c.Key {
			object[col.Name] = key[k].Text(col.Type)
		}
		wire, err := json.Marshal(object)
		if err != nil {
			return conformance.Result{}, err
		}
		e := conformance.Event{Source: p.StreamSources[0].Name, Wire: wire}
		e.Generation, e.Offset = 1, int64(i)
		if err := r.apply(ctx, []conformance.Event{e}); err != nil {
			return conformance.Result{}, err
		}
	}
	distinct := 0
	for i, key := range c.Keys {
		req := &service.Request{Rows: 1}
		for _, v := range key {
			req.Entities = append(req.Entities, []featurestore.Value{v})
		}
		o.clock.at = 1
		answer, err := o.lookup(ctx, p, r.view.ID(), req)
		if err != nil {
			return conformance.Result{}, err
		}
		if applied := answer.Roles[0].Rows[0].Applied; len(applied) == 1 && applied[0].Offset == int64(i) && cellsOf(answer)[0].Value.Int64() == 1 {
			distinct++ // an entity whose one event is its own
		}
	}
	return conformance.Result{Distinct: distinct}, nil
}

// request sends the key over the wire as it came in.
func (o *onlinePath) request(ctx context.Context, p *definition.Project, c *conformance.Case) (conformance.Result, error) {
	r, err := o.begin(ctx, p)
	if err != nil {
		return conformance.Result{}, err
	}
	if err := r.feed(ctx, c, math.MaxInt64, 3); err != nil {
		return conformance.Result{}, err
	}
	catalog, err := o.catalog(p, r.view.ID())
	if err != nil {
		return conformance.Result{}, err
	}
	entities := map[string][]json.RawMessage{}
	for name, raw := range c.Request {
		entities[name] = []json.RawMessage{raw}
	}
	body, err := json.Marshal(map[string]any{"service": conformance.ServiceName, "entities": entities})
	if err != nil {
		return conformance.Result{}, err
	}
	b := &backend{o: o, catalog: catalog}
	handler := rpc.NewHandler(rpc.Options{Backend: b, NewID: func() string { return "r" }, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	recorder := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/features:get", bytes.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	handler.ServeHTTP(recorder, request)
	switch {
	case recorder.Code == http.StatusBadRequest:
		return conformance.Result{}, featurestore.Invalidf("%s", recorder.Body)
	case recorder.Code != http.StatusOK || b.answer == nil:
		return conformance.Result{}, fmt.Errorf("HTTP %d: %s", recorder.Code, recorder.Body)
	}
	return conformance.Result{Cells: [][]featurestore.Cell{cellsOf(b.answer)}}, nil
}

// backend keeps the typed answer of what it served.
type backend struct {
	o       *onlinePath
	catalog *service.Catalog
	answer  *service.Answer
}

var errNotHere = featurestore.Unavailablef("only lookups are served here")

func (b *backend) Catalog() *service.Catalog { return b.catalog }

func (b *backend) Get(ctx context.Context, plan *service.Compiled, req *service.Request) (a *service.Answer, err error) {
	b.answer, err = b.catalog.Lookup(ctx, b.o.store, plan, req, math.MaxInt32)
	return b.answer, err
}

func (b *backend) WriteEvents(context.Context, string, [][]byte) ([]rpc.Rejected, error) {
	return nil, errNotHere
}
func (b *backend) LogPrediction(context.Context, rpc.Prediction) error { return errNotHere }
func (b *backend) Status(context.Context) ([]byte, error)              { return nil, errNotHere }
func (b *backend) Ready(context.Context) error                         { return nil }
