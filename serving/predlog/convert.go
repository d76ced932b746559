package predlog

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/predictions"
)

// headerOf says what the answers of a plan hold.
func headerOf(e *entry) *predictions.Header {
	h := &predictions.Header{Service: e.plan.Name, Entities: fieldsOf(e.plan.Entities), Request: fieldsOf(e.plan.Inputs)}
	for i := range e.answer.Columns {
		h.Columns = append(h.Columns, predictions.Field{Name: e.answer.Columns[i].Name, Type: e.answer.Columns[i].Type})
	}
	for i := range e.answer.Roles {
		r := &e.answer.Roles[i]
		role := predictions.Role{Prefix: r.View, View: r.View, Sources: r.Sources}
		if r.As != "" {
			role.Prefix = r.As
		}
		h.Roles = append(h.Roles, role)
	}
	return h
}

func fieldsOf(in []definition.Field) []predictions.Field {
	out := make([]predictions.Field, len(in))
	for i, f := range in {
		out[i] = predictions.Field{Name: f.Name, Type: f.Type}
	}
	return out
}

// lookupOf is an answer as it is logged; it shares the answer's values.
func lookupOf(e *entry, h *predictions.Header) *predictions.Lookup {
	l := &predictions.Lookup{
		Header: h, RequestID: e.request.ID, LoggedAt: e.at, AsOf: e.request.AsOf != nil, Revision: e.answer.Revision,
		ReadTimes: e.answer.ReadTimes, Entities: e.request.Entities, Request: e.request.Inputs,
		Columns: make([][]featurestore.Cell, len(e.answer.Columns)), Roles: make([]predictions.RoleRead, len(e.answer.Roles)),
	}
	for i := range e.answer.Columns {
		l.Columns[i] = e.answer.Columns[i].Cells
	}
	for i := range e.answer.Roles {
		r := &e.answer.Roles[i]
		read := predictions.RoleRead{Generation: r.Generation, Watermark: r.Watermark, HasWatermark: r.HasWatermark, Rows: make([]predictions.RowState, len(r.Rows))}
		for k := range r.Rows {
			read.Rows[k] = predictions.RowState{Applied: r.Rows[k].Applied, Run: r.Rows[k].Run}
		}
		l.Roles[i] = read
	}
	return l
}
