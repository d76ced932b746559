package skew

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// Report is what a comparison found.
type Report struct {
	Service    string    `json:"service"`
	Revisions  []int64   `json:"revisions"`
	Rows       int64     `json:"rows"`
	Incomplete int64     `json:"incomplete_rows"` // history does not hold all that was applied to them
	Matches    int64     `json:"matches"`         // of values
	Mismatches int64     `json:"mismatches"`
	MatchRate  *float64  `json:"match_rate"` // of the values that were compared; null for none
	First      string    `json:"first_read_time,omitempty"`
	Last       string    `json:"last_read_time,omitempty"`
	Features   []Feature `json:"features"`

	first, last featurestore.Instant
}

// Feature is what was found of one column. Rows is the sum of Matches,
// Mismatches, and what was counted apart.
type Feature struct {
	Name       string   `json:"name"`
	Type       string   `json:"type"`
	Rows       int64    `json:"rows"`
	Matches    int64    `json:"matches"`
	Mismatches int64    `json:"mismatches"`
	MatchRate  *float64 `json:"match_rate"`
	Stale      int64    `json:"stale,omitempty"` // of Matches: the value is equal, the view was behind

	Defaulted  int64 `json:"defaulted_when_stale,omitempty"` // on_stale: default took the value's place, as it must
	Rebuilding int64 `json:"rebuilding,omitempty"`
	TooOld     int64 `json:"too_old,omitempty"`
	Errors     int64 `json:"errors,omitempty"`
	Inputs     int64 `json:"inputs_unserved,omitempty"` // on demand, from a view that was one of these three
	Incomplete int64 `json:"incomplete,omitempty"`

	Examples []Example `json:"examples,omitempty"`

	typ featurestore.Type
}

// Example is one cell that differs.
type Example struct {
	RequestID  string             `json:"request_id"`
	Row        int64              `json:"row"`
	Revision   int64              `json:"revision"`
	ReadTime   string             `json:"read_time"`
	Keys       map[string]*string `json:"keys"`
	Served     Cell               `json:"served"`
	Recomputed Cell               `json:"recomputed"`
}

// Cell is a cell as text, which reads back as the same value; null has none.
type Cell struct {
	Value  *string `json:"value"`
	Status string  `json:"status"`
}

func textOf(v featurestore.Value, t featurestore.Type) *string {
	if v.IsNull() {
		return nil
	}
	text := v.Exact(t)
	return &text
}

func (g *group) example(f *Feature, r *Row, served, expected featurestore.Cell) Example {
	e := Example{
		RequestID: r.RequestID, Row: r.Number, Revision: r.Revision, ReadTime: r.ReadTime.String(), Keys: map[string]*string{},
		Served:     Cell{textOf(served.Value, f.typ), served.Status.String()},
		Recomputed: Cell{textOf(expected.Value, f.typ), expected.Status.String()},
	}
	b := g.bindings[r.Schema]
	for k, field := range g.service.Entities {
		e.Keys[field.Name] = textOf(r.Entities[b.entities[k]], field.Type)
	}
	return e
}

func (f *Feature) unserved(s featurestore.Status) {
	switch s {
	case featurestore.Rebuilding:
		f.Rebuilding++
	case featurestore.TooOld:
		f.TooOld++
	case featurestore.StatusError:
		f.Errors++
	default:
		f.Inputs++
	}
}

func (r *Report) row(row *Row, incomplete bool) {
	if r.Rows == 0 || row.ReadTime < r.first {
		r.first = row.ReadTime
	}
	if r.Rows == 0 || row.ReadTime > r.last {
		r.last = row.ReadTime
	}
	r.Rows++
	if incomplete {
		r.Incomplete++
	}
}

// feature is the entry of a column, which later revisions share.
func (r *Report) feature(c *definition.ServiceColumn) *Feature {
	i := slices.IndexFunc(r.Features, func(f Feature) bool { return f.Name == c.Name })
	if i < 0 {
		i = len(r.Features)
		r.Features = append(r.Features, Feature{Name: c.Name})
	}
	f := &r.Features[i]
	f.typ, f.Type = c.Type, c.Type.String()
	return f
}

func (r *Report) finish() {
	for i := range r.Features {
		f := &r.Features[i]
		f.MatchRate = rate(f.Matches, f.Mismatches)
		r.Matches, r.Mismatches = r.Matches+f.Matches, r.Mismatches+f.Mismatches
	}
	r.MatchRate = rate(r.Matches, r.Mismatches)
	slices.Sort(r.Revisions)
	if r.Rows > 0 {
		r.First, r.Last = r.first.String(), r.last.String()
	}
}

func rate(matches, mismatches int64) *float64 {
	if matches+mismatches == 0 {
		return nil
	}
	share := float64(matches) / float64(matches+mismatches)
	return &share
}
