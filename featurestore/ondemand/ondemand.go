// Package ondemand computes the features of on-demand views from the values of
// other features and request data: one code for lookups and training sets. It
// is pure, and knows nothing of where the inputs come from.
package ondemand

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// Eval computes the features of a view into out, whose length is their number.
// inputs are the cells of the view's inputs, in order, with their defaults
// applied; request is the request data, in order. row is scratch memory that is
// returned for the next call.
//
// Status: PRESENT for a value, else ERROR where the evaluation failed, else the
// status of the first input that is not PRESENT, else EMPTY. A declared default
// replaces null afterwards and keeps the status.
func Eval(v *definition.OnDemandView, inputs []featurestore.Cell, request, row []featurestore.Value, out []featurestore.Cell) []featurestore.Value {
	row = row[:0]
	for _, c := range inputs {
		row = append(row, c.Value)
	}
	row = append(row, request...)
	missing := firstMissing(inputs)
	for i := range v.Features {
		f := &v.Features[i]
		value, failed := f.Expr.Eval(row)
		out[i] = cell(value, failed, missing, f.Default)
	}
	return row
}

func cell(value featurestore.Value, failed bool, missing featurestore.Status, fallback featurestore.Value) featurestore.Cell {
	if !value.IsNull() && !failed {
		return featurestore.Cell{Value: value, Status: featurestore.Present}
	}
	status := missing
	if failed {
		status = featurestore.StatusError
	}
	return WithDefault(featurestore.Cell{Status: status}, fallback)
}

// firstMissing is the status of the first input that is not PRESENT, or EMPTY.
func firstMissing(inputs []featurestore.Cell) featurestore.Status {
	for _, c := range inputs {
		if c.Status != featurestore.Present {
			return c.Status
		}
	}
	return featurestore.Empty
}

// WithDefault puts a declared default in the place of null, where the status
// lets it; the status stays.
func WithDefault(c featurestore.Cell, fallback featurestore.Value) featurestore.Cell {
	if c.Value.IsNull() && !c.Status.HidesDefault() {
		c.Value = fallback
	}
	return c
}
