package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// ViewRow is one row of a view as the API gives it, typed again.
type ViewRow struct {
	ReadTime featurestore.Instant
	Cells    []featurestore.Cell // the view's features in order
	Applied  featurestore.Applied
}

type viewAnswer struct {
	Revision int64    `json:"revision"`
	ReadTime []string `json:"read_time"`
	Columns  []struct {
		Values []json.RawMessage `json:"values"`
		Status []string          `json:"status"`
	} `json:"columns"`
	Views []struct {
		Positions []struct {
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

// AppliedRevision is a revision with its definitions.
type AppliedRevision struct {
	Number  int64
	Project *definition.Project
}

// ReadView looks every feature of a stored view up for entities, by the revision that is
// to answer: where another one does, it is ErrUnavailable.
func (c *API) ReadView(ctx context.Context, by AppliedRevision, view string, keys [][]featurestore.Value, asOf *featurestore.Instant) ([]ViewRow, error) {
	p := by.Project
	service, err := p.AdHoc([]string{view + ".*"})
	if err != nil {
		return nil, err
	}
	body := map[string]any{"features": []string{view + ".*"}, "include": []string{"status", "read_time", "positions"}}
	entities := map[string][]any{}
	for i, k := range p.EntityOf(view).Keys {
		for _, key := range keys {
			entities[k.Name] = append(entities[k.Name], jsonOf(key[i], k.Type))
		}
	}
	body["entities"] = entities
	if asOf != nil {
		body["as_of"] = asOf.String()
	}
	out, err := c.Call(ctx, "POST", "/v1/features:get", body)
	if err != nil {
		return nil, err
	}
	var a viewAnswer
	if err := json.Unmarshal(out, &a); err != nil {
		return nil, fmt.Errorf("the answer does not decode: %w", err)
	}
	if a.Revision != by.Number {
		return nil, featurestore.Unavailablef("revision %d answers now, not %d: somebody has changed that meanwhile; run this again", a.Revision, by.Number)
	}
	if len(a.Columns) != len(service.Columns) || len(a.ReadTime) != len(keys) {
		return nil, fmt.Errorf("the answer has %d columns and %d rows; asked were %d and %d", len(a.Columns), len(a.ReadTime), len(service.Columns), len(keys))
	}
	rows := make([]ViewRow, len(keys))
	for i := range rows {
		if err := a.row(&rows[i], i, service, sourcesOf(p, view)); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func sourcesOf(p *definition.Project, view string) map[string]uint16 {
	out := map[string]uint16{}
	if v := p.StreamView(view); v != nil {
		for i, b := range v.Bindings {
			out[b.Source.Name] = uint16(i)
		}
	}
	return out
}

func (a *viewAnswer) row(out *ViewRow, i int, service *definition.Service, sources map[string]uint16) (err error) {
	if out.ReadTime, err = featurestore.ParseInstant(a.ReadTime[i]); err != nil {
		return err
	}
	for c, column := range a.Columns {
		cell := featurestore.Cell{}
		if cell.Value, err = valueOf(column.Values[i], service.Columns[c].Type); err != nil {
			return fmt.Errorf("column %q: %w", service.Columns[c].Name, err)
		}
		if cell.Status, err = featurestore.ParseStatus(column.Status[i]); err != nil {
			return err
		}
		out.Cells = append(out.Cells, cell)
	}
	for _, e := range a.Views[0].Positions[i].Applied {
		at, err := featurestore.ParseInstant(e.MaxLogTime)
		if err != nil {
			return err
		}
		id := featurestore.PartitionID{Source: sources[e.Source], Generation: e.Generation, Partition: e.Partition}
		out.Applied = append(out.Applied, featurestore.AppliedEntry{PartitionID: id, Offset: e.Offset, MaxLogTime: featurestore.LogTime(at)})
	}
	return nil
}

// jsonOf is a value as the API takes it.
func jsonOf(v featurestore.Value, t featurestore.Type) json.RawMessage {
	return featurestore.AppendJSON(nil, v, t)
}

// valueOf reads a value as the API gives it.
func valueOf(raw json.RawMessage, t featurestore.Type) (featurestore.Value, error) {
	return featurestore.ParseJSON(string(raw), t)
}
