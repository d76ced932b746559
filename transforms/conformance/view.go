package conformance

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

// buildView reads the view and compiles it into the engine's plain Config.
func buildView(c *Case, j *caseJSON) (err error) {
	if c.View.Tile, err = parseDuration(j.View.Tile); err != nil {
		return err
	}
	if c.View.TTL, err = parseDuration(j.View.TTL); err != nil {
		return err
	}
	c.Config.TTL = c.View.TTL
	for _, s := range c.Sources {
		c.Config.Sources = append(c.Config.Sources, window.SourceRule{AllowedLateness: s.AllowedLateness, HasEventID: s.EventID != "", Changes: s.Changes})
	}
	for i := range j.View.Features {
		f, compiled, err := c.feature(&j.View.Features[i])
		if err != nil {
			return fmt.Errorf("feature %q: %w", j.View.Features[i].Name, err)
		}
		c.View.Features = append(c.View.Features, f)
		c.Config.Features = append(c.Config.Features, compiled)
	}
	return nil
}

func (c *Case) feature(j *featureJSON) (f Feature, w window.Feature, err error) {
	f = Feature{
		Name: j.Name, Agg: j.Agg, Exact: j.Exact, MaxRows: j.MaxRows, Where: j.Where, By: j.By, MaxKeys: j.MaxKeys,
		RespectNulls: j.Nulls == "respect", Default: j.Default, EmptyNull: j.Empty == "null",
	}
	if f.Offset, err = parseDuration(j.Offset); err != nil {
		return f, w, err
	}
	w = window.Feature{
		Name: f.Name, Where: -1, Input: -1, Second: -1, By: -1, Offset: f.Offset,
		Exact: f.Exact, MaxRows: f.MaxRows, EmptyNull: f.EmptyNull,
	}
	if j.Agg == "" {
		f.Column, w.Kind = j.Name, window.Latest
		w.Input, w.Type, err = c.column(f.Column)
	} else {
		err = c.windowed(j, &f, &w)
	}
	if err == nil && f.Default != "" {
		w.Default, err = parseText(f.Default, w.Type)
	}
	return f, w, err
}

// windowed reads an aggregate over a window.
func (c *Case) windowed(j *featureJSON, f *Feature, w *window.Feature) (err error) {
	w.Tile = c.View.Tile
	if err := c.call(j.Agg, w); err != nil {
		return err
	}
	w.Call.RespectNulls = f.RespectNulls
	if f.Window, err = readWindow(j.Window, w); err != nil {
		return err
	}
	if w.Kind == window.Lifetime || w.Kind == window.Rows {
		w.Tile = 0 // these have none
	}
	if f.Where != "" {
		if w.Where, _, err = c.column(f.Where); err != nil {
			return err
		}
	}
	w.Type = resultType(w.Call)
	if f.By != "" {
		w.Call.MaxKeys = cmp.Or(f.MaxKeys, agg.DefaultMaxKeys)
		if w.By, w.Call.By, err = c.column(f.By); err != nil {
			return err
		}
		w.Type = featurestore.Map(w.Type)
	}
	if w.Kind == window.Series {
		w.Type = featurestore.List(w.Type)
	}
	return nil
}

func (c *Case) column(name string) (int, featurestore.Type, error) {
	i := slices.IndexFunc(c.Columns, func(col Column) bool { return col.Name == name })
	if i < 0 {
		return -1, featurestore.Type{}, fmt.Errorf("unknown column %q", name)
	}
	return i, c.Columns[i].Type, nil
}
