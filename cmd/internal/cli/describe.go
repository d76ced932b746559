package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore/definition"
)

type fieldDetail struct {
	Name string `json:"name"`
	Type string `json:"type"`
	PII  bool   `json:"pii,omitempty"`
}

func fieldDetails(fields []definition.Field) []fieldDetail {
	out := make([]fieldDetail, len(fields))
	for i, f := range fields {
		out[i] = fieldDetail{f.Name, f.Type.String(), f.PII}
	}
	return out
}

type entityDetail struct {
	Keys []fieldDetail `json:"keys"`
}

func entityDetails(e *definition.Entity) entityDetail { return entityDetail{fieldDetails(e.Keys)} }

type sourceDetail struct {
	Topic           string        `json:"topic"`
	Format          string        `json:"format"`
	AllowedLateness string        `json:"allowed_lateness"`
	ApplyDelay      string        `json:"apply_delay"`
	History         []string      `json:"history,omitempty"`
	Fields          []fieldDetail `json:"fields"`
}

func sourceDetails(s *definition.StreamSource) sourceDetail {
	d := sourceDetail{Topic: s.Topic, Format: s.Format, AllowedLateness: s.AllowedLateness.String(), ApplyDelay: s.ApplyDelay.String(), Fields: fieldDetails(s.Fields)}
	if s.History != nil {
		d.History = s.History.Files
	}
	return d
}

type viewDetail struct {
	Entity    string          `json:"entity,omitempty"`
	Sources   []string        `json:"sources,omitempty"`
	Inputs    []string        `json:"inputs,omitempty"`
	Request   []fieldDetail   `json:"request,omitempty"`
	TTL       string          `json:"ttl,omitempty"`
	Schedule  string          `json:"schedule,omitempty"`
	Retention string          `json:"retention,omitempty"`
	State     *stateDetail    `json:"state,omitempty"`
	Features  []featureDetail `json:"features"`
}

func streamViewDetails(v *definition.StreamView) viewDetail {
	d := viewDetail{Entity: v.Entity.Name, TTL: durationOrNone(v.TTL)}
	for _, b := range v.Bindings {
		d.Sources = append(d.Sources, b.Source.Name)
	}
	if keep, bounded := v.Plan.Retention(); bounded {
		d.Retention = keep.String()
	}
	for i := range v.Features {
		f := windowedDetails(v.Plan, v.Bindings[0].Inputs, i) // as the first source has them
		f.Retraction = retractionText(&v.Plan.Features()[i])
		d.Features = append(d.Features, f)
	}
	e := v.Plan.Estimate()
	d.State = &stateDetail{Tiles: e.Tiles, BytesPerTile: e.BytesPerTile, Rows: e.Rows, Bytes: e.Bytes}
	return d
}

func batchViewDetails(v *definition.BatchView) viewDetail {
	d := viewDetail{Entity: v.Entity.Name, Sources: []string{v.Source.Name}, TTL: durationOrNone(v.TTL), Schedule: v.Schedule.Text}
	for i := range v.Features {
		f := &v.Features[i]
		one := featureDetail{Name: f.Name, Type: f.Type.String()}
		if f.Expr == nil {
			one = windowedDetails(v.Plan, v.Inputs, f.Aggregate)
		} else if len(v.Aggregates) > 0 {
			one.Aggregate = "latest"
		}
		one.Default = defaultText(f.Default, f.Type)
		d.Features = append(d.Features, one)
	}
	return d
}

func onDemandDetails(v *definition.OnDemandView) viewDetail {
	d := viewDetail{Request: fieldDetails(v.Request)}
	for _, in := range v.Inputs {
		d.Inputs = append(d.Inputs, in.Ref.View+"."+in.Ref.Feature)
	}
	for _, f := range v.Features {
		d.Features = append(d.Features, featureDetail{Name: f.Name, Type: f.Type.String()})
	}
	return d
}

type serviceDetail struct {
	Entities []fieldDetail `json:"entities"`
	Request  []fieldDetail `json:"request"`
	Columns  []fieldDetail `json:"columns"`
	Log      *float64      `json:"log_sample,omitempty"`
	MaxAge   string        `json:"max_age,omitempty"`
	Models   []string      `json:"models,omitempty"`
}

func serviceDetails(s *definition.Service) serviceDetail {
	d := serviceDetail{Entities: fieldDetails(s.Entities), Request: fieldDetails(s.Request), Log: s.Log, MaxAge: durationOrNone(s.MaxAge), Models: s.Models}
	for _, c := range s.Columns {
		d.Columns = append(d.Columns, fieldDetail{Name: c.Name, Type: c.Type.String()})
	}
	return d
}

func durationOrNone[D interface {
	~int64
	String() string
}](d D) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// describeTable shows an object's details: scalars first, then each list as a table.
func describeTable(o object) Table {
	t := Table{Names: []string{o.Name}}
	t.Rows = append(t.Rows, []string{o.Kind, o.Name}, []string{"owner", o.Owner}, []string{"description", o.Description}, []string{"place", o.Place})
	b, err := json.Marshal(o.Details)
	var details map[string]any
	if err != nil || json.Unmarshal(b, &details) != nil {
		return t
	}
	keys := make([]string, 0, len(details))
	for k := range details {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		list, isList := details[k].([]any)
		if !isList {
			t.Rows = append(t.Rows, append([]string{strings.ReplaceAll(k, "_", " ")}, detailCells(details[k])...))
			continue
		}
		t.Rows = append(t.Rows, []string{k, fmt.Sprintf("(%d)", len(list))})
		for _, item := range list {
			t.Rows = append(t.Rows, append([]string{""}, itemCells(item)...))
		}
	}
	return t
}

// detailCells shows a detail that is no list; the parts of an object by name.
func detailCells(detail any) []string {
	m, ok := detail.(map[string]any)
	if !ok {
		return []string{fmt.Sprint(detail)}
	}
	var cells []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		cells = append(cells, fmt.Sprintf("%s %v", strings.ReplaceAll(k, "_", " "), m[k]))
	}
	return cells
}

var cellOrder = []string{"name", "type", "aggregate", "by", "where", "window", "offset", "exact", "tile", "worst_cover", "default", "retraction", "pii"}

func itemCells(item any) []string {
	m, ok := item.(map[string]any)
	if !ok {
		return []string{fmt.Sprint(item)}
	}
	var cells []string
	for _, k := range cellOrder {
		v, ok := m[k]
		if !ok {
			continue
		}
		text := fmt.Sprint(v)
		switch k {
		case "tile", "worst_cover", "default", "offset", "by", "exact", "retraction":
			text = strings.ReplaceAll(k, "_", " ") + " " + text
		case "pii":
			text = "pii"
		}
		cells = append(cells, text)
	}
	return cells
}
