package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// api asks a running server over HTTP, as a client would.
type api struct {
	base   string
	client *http.Client
}

func newAPI(listen string) *api {
	return &api{base: "http://" + listen, client: &http.Client{Timeout: 10 * time.Second}}
}

// answer is what was read of one entity.
type answer struct {
	at      featurestore.Instant
	made    uint32 // the generation that answered
	cells   []featurestore.Cell
	applied featurestore.Applied
}

type answerForm struct {
	ReadTime []string `json:"read_time"`
	Columns  []struct {
		Values []json.RawMessage `json:"values"`
		Status []string          `json:"status"`
	} `json:"columns"`
	Views []struct {
		Generation uint32 `json:"generation"`
		Positions  []struct {
			Applied []struct {
				Source     string `json:"source"`
				Generation uint32 `json:"generation"`
				Partition  int32  `json:"partition"`
				Offset     int64  `json:"offset"`
				MaxLogTime string `json:"max_log_time"`
			} `json:"applied"`
		} `json:"positions"`
	} `json:"views"`
}

// get reads all features of a view for some entities; at 0 reads now.
func (a *api) get(ctx context.Context, view *definition.StreamView, keys [][]featurestore.Value, at featurestore.Instant) ([]answer, error) {
	request := map[string]any{"features": []string{view.Name + ".*"}, "include": []string{"status", "read_time", "positions"}, "entities": columns(view, keys)}
	if at != 0 {
		request["as_of"] = at.String()
	}
	body, err := a.call(ctx, http.MethodPost, "/v1/features:get", request)
	if err != nil {
		return nil, err
	}
	var form answerForm
	if err := json.Unmarshal(body, &form); err != nil {
		return nil, fmt.Errorf("the answer does not decode: %w", err)
	}
	if len(form.Columns) != len(view.Features) {
		return nil, fmt.Errorf("the answer has %d columns, the view %d features", len(form.Columns), len(view.Features))
	}
	out := make([]answer, len(keys))
	for i := range out {
		if err := form.row(view, i, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func columns(view *definition.StreamView, keys [][]featurestore.Value) map[string][]any {
	out := map[string][]any{}
	for k, field := range view.Entity.Keys {
		for _, key := range keys {
			var x any = key[k].Str()
			if field.Type.Kind == featurestore.KindInt64 {
				x = key[k].Int64()
			}
			out[field.Name] = append(out[field.Name], x)
		}
	}
	return out
}

func (f *answerForm) row(view *definition.StreamView, i int, out *answer) (err error) {
	if out.at, err = featurestore.ParseInstant(f.ReadTime[i]); err != nil {
		return err
	}
	out.made = f.Views[0].Generation
	for c := range f.Columns {
		cell := featurestore.Cell{}
		if cell.Status, err = featurestore.ParseStatus(f.Columns[c].Status[i]); err != nil {
			return err
		}
		if cell.Value, err = decodeValue(f.Columns[c].Values[i], view.Features[c].Type); err != nil {
			return fmt.Errorf("feature %q: %w", view.Features[c].Name, err)
		}
		out.cells = append(out.cells, cell)
	}
	for _, e := range f.Views[0].Positions[i].Applied {
		source := slices.IndexFunc(view.Bindings, func(b definition.Binding) bool { return b.Source.Name == e.Source })
		if source < 0 {
			return fmt.Errorf("the answer names a source %q that the view does not read", e.Source)
		}
		at, err := featurestore.ParseInstant(e.MaxLogTime)
		if err != nil {
			return err
		}
		id := featurestore.PartitionID{Source: uint16(source), Generation: e.Generation, Partition: e.Partition}
		out.applied = append(out.applied, featurestore.AppliedEntry{PartitionID: id, Offset: e.Offset, MaxLogTime: featurestore.LogTime(at)})
	}
	return nil
}

// decodeValue reads the JSON of a value of a declared type, exactly.
func decodeValue(raw json.RawMessage, t featurestore.Type) (featurestore.Value, error) {
	if string(raw) == "null" {
		return featurestore.Null, nil
	}
	switch t.Kind {
	case featurestore.KindInt64:
		n, err := strconv.ParseInt(string(raw), 10, 64)
		return featurestore.Int64Value(n), err
	case featurestore.KindDouble:
		f, err := strconv.ParseFloat(string(raw), 64)
		return featurestore.DoubleValue(f), err
	case featurestore.KindString:
		var s string
		err := json.Unmarshal(raw, &s)
		return featurestore.StringValue(s), err
	case featurestore.KindDecimal:
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return featurestore.Null, err
		}
		n, err := featurestore.ParseDecimal(s, featurestore.MaxDecimalPrecision, t.Scale)
		return featurestore.DecimalValue(n), err
	case featurestore.KindList:
		return decodeList(raw, *t.Elem)
	case featurestore.KindMap:
		return decodeMap(raw, *t.Elem)
	}
	return featurestore.Null, fmt.Errorf("no feature here is a %s", t)
}

func decodeList(raw json.RawMessage, elem featurestore.Type) (featurestore.Value, error) {
	var parts []json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil {
		return featurestore.Null, err
	}
	list := make([]featurestore.Value, len(parts))
	for i, p := range parts {
		var err error
		if list[i], err = decodeValue(p, elem); err != nil {
			return featurestore.Null, err
		}
	}
	return featurestore.ListValue(list), nil
}

func decodeMap(raw json.RawMessage, elem featurestore.Type) (featurestore.Value, error) {
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil {
		return featurestore.Null, err
	}
	var keys []string
	for k := range parts {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	values := make([]featurestore.Value, len(keys))
	for i, k := range keys {
		var err error
		if values[i], err = decodeValue(parts[k], elem); err != nil {
			return featurestore.Null, err
		}
	}
	return featurestore.MapValue(keys, values), nil
}

// status is what `freshet status -o json` prints.
func (a *api) status(ctx context.Context, path string) (*node.Status, error) {
	body, err := a.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	s := &node.Status{}
	return s, json.Unmarshal(body, s)
}

// errRefused is an answer that says that there is none.
var errRefused = errors.New("refused")

func (a *api) call(ctx context.Context, method, path string, form any) ([]byte, error) {
	var payload io.Reader
	if form != nil {
		b, err := json.Marshal(form)
		if err != nil {
			return nil, err
		}
		payload = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, payload)
	if err != nil {
		return nil, err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRefused, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read, or the error says why not
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRefused, err)
	}
	switch {
	case resp.StatusCode == http.StatusOK:
		return out, nil
	case resp.StatusCode >= 500:
		return nil, fmt.Errorf("%w: %d: %s", errRefused, resp.StatusCode, bytes.TrimSpace(out))
	}
	return nil, fmt.Errorf("the server answers %d: %s", resp.StatusCode, bytes.TrimSpace(out))
}
