package cli

import (
	"fmt"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/expr"
	"github.com/freshet/freshet/transforms/window"
)

// featureDetail is a feature with what its window costs: the tile is the grain
// of its edges, the cover the span that it may really span; retraction says how
// it takes back what a change record retracts.
type featureDetail struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	Aggregate  string `json:"aggregate,omitempty"`
	By         string `json:"by,omitempty"`
	Where      string `json:"where,omitempty"`
	Window     string `json:"window,omitempty"`
	Offset     string `json:"offset,omitempty"`
	Exact      string `json:"exact,omitempty"`
	Tile       string `json:"tile,omitempty"`
	WorstCover string `json:"worst_cover,omitempty"`
	Default    string `json:"default,omitempty"`
	Retraction string `json:"retraction,omitempty"`
}

// stateDetail is what the engine keeps of an entity that has events all the
// time; bytes are a rough figure.
type stateDetail struct {
	Tiles        int `json:"tiles"`
	BytesPerTile int `json:"bytes_per_tile"`
	Rows         int `json:"rows"`
	Bytes        int `json:"bytes"`
}

// inputsText are the expressions that aggregates read.
type inputsText []*expr.Program

func (t inputsText) at(input int) string { return t[input].Canonical() }

// windowedDetails describes feature i of a plan.
func windowedDetails(plan *window.Plan, inputs inputsText, i int) featureDetail {
	f := &plan.Features()[i]
	out := featureDetail{Name: f.Name, Type: f.Type.String(), Aggregate: "latest", Default: defaultText(f.Default, f.Type)}
	if f.Kind == window.Latest {
		return out
	}
	cover := plan.Cover(i)
	out.Aggregate, out.Window, out.Offset = callText(inputs, f), windowText(f), durationOrNone(f.Offset)
	out.Tile = durationOrNone(cover.Tile)
	if cover.Most > 0 {
		out.WorstCover = cover.Most.Std().String()
	}
	if f.Exact {
		out.Exact = fmt.Sprintf("the newest %d rows", f.MaxRows)
	}
	if f.Call.By.Kind != featurestore.KindNull {
		out.By = fmt.Sprintf("%s, at most %d keys", inputs.at(f.By), f.Call.MaxKeys)
	}
	if f.Where >= 0 {
		out.Where = inputs.at(f.Where)
	}
	return out
}

func defaultText(v featurestore.Value, t featurestore.Type) string {
	if v.IsNull() {
		return ""
	}
	return v.Exact(t)
}

// callText is an aggregate as it is written, as last_n(x, n: 3).
func callText(inputs inputsText, f *window.Feature) string {
	c := &f.Call
	var args []string
	if c.Input.Kind != featurestore.KindNull {
		args = append(args, inputs.at(f.Input))
	}
	if c.Second.Kind != featurestore.KindNull {
		args = append(args, inputs.at(f.Second))
	}
	add := func(name string, value any) { args = append(args, fmt.Sprintf("%s: %v", name, value)) }
	switch c.Func {
	case "lag", "first_n", "last_n", "last_distinct_n", "top_n", "bottom_n":
		add("n", c.N)
	case "quantile", "approx_quantile":
		add("p", featurestore.FormatDecimal(c.Share.Unscaled, int(c.Share.Digits)))
	}
	if c.Max > 0 {
		add("max", c.Max)
	}
	if c.HalfLife > 0 {
		add("half_life", c.HalfLife)
	}
	if c.RespectNulls {
		add("nulls", "respect")
	}
	if len(args) == 0 {
		return c.Func
	}
	return c.Func + "(" + strings.Join(args, ", ") + ")"
}

func windowText(f *window.Feature) string {
	switch f.Kind {
	case window.Lifetime:
		return "lifetime"
	case window.Rows:
		return fmt.Sprintf("last %d rows", f.Count)
	case window.Session:
		return fmt.Sprintf("session, gap %s", f.Width)
	case window.Tumbling:
		return fmt.Sprintf("tumbling %s", f.Width)
	case window.Hopping:
		return fmt.Sprintf("hopping %s every %s", f.Width, f.Step)
	case window.Calendar:
		unit := map[window.Unit]string{window.Day: "day", window.Week: "week", window.Month: "month"}[f.Unit]
		if f.Complete {
			unit = "complete " + unit
		}
		return unit + " in " + f.Zone.String()
	case window.Series:
		return fmt.Sprintf("%d x %s every %s", f.Count, f.Width, f.Step)
	default:
		return f.Width.String()
	}
}

// retractionText is the way of one feature. A view with one that is rebuilt
// rebuilds all.
func retractionText(f *window.Feature) string {
	switch f.Kind {
	case window.Latest, window.Rows, window.Session:
		return "rebuilt"
	default:
		if f.Exact {
			return "rebuilt"
		}
		return agg.Retraction(f.Call)
	}
}
