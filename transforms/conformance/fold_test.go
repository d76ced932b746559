package conformance_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/transforms/conformance"
	"github.com/freshet/freshet/transforms/window"
)

// fold runs cases on the engine's fold in memory, as an ingester and a lookup
// would: batches, settled and encoded between; keys by the codec.
type fold struct{}

func (fold) Name() string { return "fold" }

func (fold) Runs(c *conformance.Case, r *conformance.Reading) bool {
	return c.Kind != conformance.KindBatch && (r == nil || r.Mode != conformance.EventTime)
}

func (f fold) Run(c *conformance.Case) (conformance.Result, error) {
	switch c.Kind {
	case conformance.KindParseTime:
		t, err := featurestore.ParseInstant(c.Text)
		if err != nil {
			err = featurestore.Invalidf("%w", err)
		}
		return conformance.Result{Instant: t}, err
	case conformance.KindKey:
		return distinctKeys(c)
	case conformance.KindMergeTree:
		return mergeTrees(c)
	}
	plan, err := window.Compile(c.Config)
	if err != nil {
		return conformance.Result{}, err
	}
	if c.Kind == conformance.KindRequest {
		return request(c)
	}
	result := conformance.Result{Counters: counters(c, plan)}
	for _, r := range c.Readings {
		cells, err := online(c, plan, r)
		if err != nil {
			return result, err
		}
		result.Cells = append(result.Cells, cells)
	}
	return result, nil
}

// online feeds the records with a < clock and reads.
func online(c *conformance.Case, plan *window.Plan, r conformance.Reading) ([]featurestore.Cell, error) {
	rows := slices.DeleteFunc(c.Rows(r.Entity), func(row window.Row) bool { return int64(row.LogTime) >= int64(r.Clock) })
	cells := make([]featurestore.Cell, len(c.Config.Features))
	if len(rows) == 0 {
		plan.Read(nil, r.At, cells)
		return cells, nil
	}
	key, err := codec.AppendKey(nil, c.KeyTypes(), r.Entity)
	if err != nil {
		return nil, err
	}
	header := codec.Header{Definition: codec.Hash{1, 2, 3}, Key: key}
	var blob blobs
	for pass, size := range c.Batches() {
		before := blob
		if blob, err = feed(plan, header, blob, rows, size); err != nil {
			return nil, err
		}
		if pass > 0 && (!bytes.Equal(before.open, blob.open) || !bytes.Equal(before.closed, blob.closed)) {
			return nil, fmt.Errorf("pass %d of the replay left other bytes", pass+1)
		}
	}
	var state window.State
	if err := codec.DecodeEntity(blob.open, blob.closed, header, plan, &state); err != nil {
		return nil, err
	}
	if plan.TooOld(&state, r.At) {
		for i := range cells {
			cells[i] = featurestore.Cell{Status: featurestore.TooOld}
		}
		return cells, nil
	}
	if len(state.Applied) == 0 { // nothing was applied: no blob would be stored
		plan.Read(nil, r.At, cells)
		return cells, nil
	}
	plan.Read(&state, r.At, cells)
	return cells, nil
}

// blobs are both parts of an entity.
type blobs struct{ open, closed []byte }

func feed(plan *window.Plan, h codec.Header, blob blobs, rows []window.Row, size int) (blobs, error) {
	for len(rows) > 0 {
		n := min(size, len(rows))
		for n < len(rows) && rows[n].Position == rows[n-1].Position { // two rows of one change
			n++
		}
		batch := rows[:n]
		rows = rows[n:]
		var state window.State
		if blob.open != nil {
			if err := codec.DecodeEntity(blob.open, blob.closed, h, plan, &state); err != nil {
				return blob, err
			}
		}
		for i := range batch {
			plan.Apply(&state, &batch[i])
		}
		plan.Settle(&state)
		blob.open, blob.closed = codec.AppendEntity(nil, nil, h, plan, &state)
	}
	return blob, nil
}

// counters are what an ingester counts over the whole log.
func counters(c *conformance.Case, plan *window.Plan) map[string]int64 {
	count := map[string]int64{"late": 0, "ahead": 0, "null_key": 0, "dead_letter": 0}
	var state window.State
	for i := range c.Events {
		if c.Events[i].BadAt != "" {
			count["dead_letter"]++
		}
		for k := range c.Events[i].Rows {
			row := &c.Events[i].Rows[k]
			if row.Key.HasNull() {
				count["null_key"]++
				continue
			}
			state.Reset()
			switch plan.Apply(&state, &row.Row) {
			case window.Late:
				count["late"]++
			case window.Ahead:
				count["ahead"]++
			}
		}
	}
	return count
}

func distinctKeys(c *conformance.Case) (conformance.Result, error) {
	seen := map[string]bool{}
	for _, k := range c.Keys {
		key, err := codec.AppendKey(nil, c.KeyTypes(), k)
		if err != nil {
			return conformance.Result{}, err
		}
		seen[string(key)] = true
	}
	return conformance.Result{Distinct: len(seen)}, nil
}

// request types the key of a lookup as it came in. A null key is a value's
// status; a value of another type is the request's error.
func request(c *conformance.Case) (conformance.Result, error) {
	var key []featurestore.Value
	for _, k := range c.Key {
		v, err := typed(c.Request[k.Name], k.Type)
		if err != nil {
			return conformance.Result{}, err
		}
		key = append(key, v)
	}
	cells := make([]featurestore.Cell, len(c.Config.Features))
	if _, err := codec.AppendKey(nil, c.KeyTypes(), key); err != nil {
		for i := range cells {
			cells[i] = featurestore.Cell{Status: featurestore.InvalidKey}
		}
	}
	return conformance.Result{Cells: [][]featurestore.Cell{cells}}, nil
}

func typed(raw []byte, t featurestore.Type) (featurestore.Value, error) {
	var decoded any
	if err := json.Unmarshal(raw, &decoded); err != nil {
		return featurestore.Null, featurestore.Invalidf("%s: %w", raw, err)
	}
	switch v := decoded.(type) {
	case nil:
		return featurestore.Null, nil
	case string:
		if t.Kind == featurestore.KindString {
			return featurestore.StringValue(v), nil
		}
	case float64:
		if t.Kind == featurestore.KindInt64 {
			return featurestore.Int64Value(int64(v)), nil
		}
	}
	return featurestore.Null, featurestore.Invalidf("%s is not of type %s", raw, t)
}

func TestFold(t *testing.T) {
	cases, err := conformance.Load(os.DirFS(conformance.Dir()))
	if err != nil {
		t.Fatal(err)
	}
	// These read in mode event_time alone, which is offline's.
	want := []string{"36", "55"}
	for _, c := range cases {
		if c.Kind == conformance.KindBatch { // what folds these is above this package
			want = append(want, c.Name)
		}
	}
	if leftOut := conformance.RunAll(t, cases, fold{}); !slices.Equal(leftOut, want) {
		t.Errorf("left out %q, want only %q", leftOut, want)
	}
}
