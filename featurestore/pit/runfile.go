package pit

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
)

// RunLayout is the columns of the file that a run of a batch view writes, in
// order: the entity's keys (key__NAME), the time and origin of the row
// (row__time, row__available_at, row__file, row__number), the features
// (value__NAME), and the status of each aggregate, its number (status__NAME).
// Keys and features carry a prefix, since both may have one name. Rows ascend by
// encoded key.
type RunLayout struct {
	Fields                              []frame.Field
	Time, Available, File, Row, Feature int // places of the columns after the keys; Feature is the first
}

// LayoutOf is the layout of a view's runs.
func LayoutOf(v *definition.BatchView) RunLayout {
	n := len(v.Entity.Keys)
	l := RunLayout{Time: n, Available: n + 1, File: n + 2, Row: n + 3, Feature: n + 4}
	for _, k := range v.Entity.Keys {
		l.Fields = append(l.Fields, frame.Field{Name: "key__" + k.Name, Type: k.Type})
	}
	l.Fields = append(l.Fields,
		frame.Field{Name: "row__time", Type: featurestore.Timestamp}, frame.Field{Name: "row__available_at", Type: featurestore.Timestamp},
		frame.Field{Name: "row__file", Type: featurestore.String}, frame.Field{Name: "row__number", Type: featurestore.Int64})
	for i := range v.Features {
		l.Fields = append(l.Fields, frame.Field{Name: "value__" + v.Features[i].Name, Type: v.Features[i].Type})
	}
	for i := range v.Aggregates {
		l.Fields = append(l.Fields, frame.Field{Name: "status__" + v.Aggregates[i].Name, Type: featurestore.Int64})
	}
	return l
}

// Matches reports whether a file's columns are those of the layout.
func (l *RunLayout) Matches(fields []frame.Field) bool {
	if len(fields) != len(l.Fields) {
		return false
	}
	for i, f := range fields {
		if f.Name != l.Fields[i].Name || !f.Type.Equal(l.Fields[i].Type) {
			return false
		}
	}
	return true
}
