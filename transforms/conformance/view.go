package conformance

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

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
		c.Config.Sources = append(c.Config.Sources, window.SourceRule{AllowedLateness: s.AllowedLateness, HasEventID: s.EventID != ""})
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
	f = Feature{Name: j.Name, Agg: j.Agg, Default: j.Default, EmptyNull: j.Empty == "null"}
	if f.Window, err = parseDuration(j.Window); err != nil {
		return f, w, err
	}
	if f.Offset, err = parseDuration(j.Offset); err != nil {
		return f, w, err
	}
	w = window.Feature{Name: f.Name, Where: -1, Input: -1, Width: f.Window, Offset: f.Offset, EmptyNull: f.EmptyNull}
	if j.Agg == "" {
		f.Column, w.Kind = j.Name, window.Latest
		w.Input, w.Type, err = c.column(f.Column)
	} else {
		w.Tile = c.View.Tile
		w.Call, w.Input, err = c.call(j.Agg)
		w.Type = resultType(w.Call)
	}
	if err == nil && f.Default != "" {
		w.Default, err = parseText(f.Default, w.Type)
	}
	return f, w, err
}

func (c *Case) column(name string) (int, featurestore.Type, error) {
	i := slices.IndexFunc(c.Columns, func(col Column) bool { return col.Name == name })
	if i < 0 {
		return -1, featurestore.Type{}, fmt.Errorf("unknown column %q", name)
	}
	return i, c.Columns[i].Type, nil
}

// call reads "count", "sum(v)", "count_distinct(v, max: 10)".
func (c *Case) call(text string) (agg.Call, int, error) {
	name, args, _ := strings.Cut(strings.TrimSuffix(text, ")"), "(")
	call := agg.Call{Func: name}
	if args == "" {
		return call, -1, nil
	}
	column, option, _ := strings.Cut(args, ",")
	input, t, err := c.column(strings.TrimSpace(column))
	if err != nil {
		return call, -1, err
	}
	call.Input = t
	if option != "" {
		digits, ok := strings.CutPrefix(strings.TrimSpace(option), "max:")
		if !ok {
			return call, -1, fmt.Errorf("aggregate %q: unknown option", text)
		}
		call.Max, err = strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
	}
	return call, input, err
}

// resultType is the type of an aggregate's value, as semantics.md has it.
func resultType(c agg.Call) featurestore.Type {
	switch c.Func {
	case "count", "count_distinct":
		return featurestore.Int64
	case "sum":
		if c.Input.Kind == featurestore.KindDecimal {
			return featurestore.Decimal(featurestore.MaxDecimalPrecision, c.Input.Scale)
		}
		return c.Input
	case "min", "max", "first", "last":
		return c.Input
	}
	return featurestore.Double
}
