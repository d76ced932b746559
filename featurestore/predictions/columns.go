package predictions

import (
	"fmt"

	"github.com/freshet/freshet/featurestore"
)

// The columns that a file begins with, and what the others' names begin with.
// No feature can have such a name: a name begins with a letter. Two underscores
// end a prefix, as in view__feature, so that request data called id is not the
// request's id.
const (
	columnRequest  = "_request_id"
	columnRow      = "_row"
	columnRead     = "_read_time"
	columnLogged   = "_logged_at"
	columnAsOf     = "_as_of"
	columnRevision = "_revision"

	prefixEntity  = "_entity__"
	prefixRequest = "_request__"
	prefixState   = "_state__"
	suffixStatus  = "__status"
)

// form says how a column's values stand in JSON.
type form uint8

const (
	formValue  form = iota
	formObject      // a text that is JSON already
)

// column is one column of a file: how its value is taken from a row, and put
// into one.
type column struct {
	name     string
	typ      featurestore.Type // as it is stored
	required bool
	form     form
	get      func(*Row) featurestore.Value
	set      func(*Row, featurestore.Value) error
}

// columnsOf are the columns of a file of a header, in order. set fills rows that
// have the header's lengths.
func columnsOf(h *Header) []column {
	out := systemColumns()
	for i, f := range h.Entities {
		out = append(out, valueColumn(prefixEntity+f.Name, f.Type, func(r *Row) *featurestore.Value { return &r.Entities[i] }))
	}
	for i, f := range h.Request {
		out = append(out, valueColumn(prefixRequest+f.Name, f.Type, func(r *Row) *featurestore.Value { return &r.Request[i] }))
	}
	for i, f := range h.Columns {
		out = append(out, valueColumn(f.Name, f.Type, func(r *Row) *featurestore.Value { return &r.Cells[i].Value }), statusColumn(f.Name, i))
	}
	states := &stateReader{}
	for i := range h.Roles {
		out = append(out, stateColumn(&h.Roles[i], i, states))
	}
	return out
}

func systemColumns() []column {
	instant := func(name string, at func(*Row) *featurestore.Instant) column {
		return column{
			name: name, typ: featurestore.Timestamp, required: true,
			get: func(r *Row) featurestore.Value { return featurestore.TimestampValue(*at(r)) },
			set: func(r *Row, v featurestore.Value) error { *at(r) = v.Timestamp(); return nil },
		}
	}
	integer := func(name string, at func(*Row) *int64) column {
		return column{
			name: name, typ: featurestore.Int64, required: true,
			get: func(r *Row) featurestore.Value { return featurestore.Int64Value(*at(r)) },
			set: func(r *Row, v featurestore.Value) error { *at(r) = v.Int64(); return nil },
		}
	}
	return []column{
		{
			name: columnRequest, typ: featurestore.String, required: true,
			get: func(r *Row) featurestore.Value { return featurestore.StringValue(r.RequestID) },
			set: func(r *Row, v featurestore.Value) error { r.RequestID = v.Str(); return nil },
		},
		integer(columnRow, func(r *Row) *int64 { return &r.Number }),
		instant(columnRead, func(r *Row) *featurestore.Instant { return &r.ReadTime }),
		instant(columnLogged, func(r *Row) *featurestore.Instant { return &r.LoggedAt }),
		{
			name: columnAsOf, typ: featurestore.Bool, required: true,
			get: func(r *Row) featurestore.Value { return featurestore.BoolValue(r.AsOf) },
			set: func(r *Row, v featurestore.Value) error { r.AsOf = v.Bool(); return nil },
		},
		integer(columnRevision, func(r *Row) *int64 { return &r.Revision }),
	}
}

// valueColumn stores a scalar as it is, and a list or map as JSON text.
func valueColumn(name string, t featurestore.Type, at func(*Row) *featurestore.Value) column {
	c := column{
		name: name, typ: t,
		get: func(r *Row) featurestore.Value { return *at(r) },
		set: func(r *Row, v featurestore.Value) error { *at(r) = v; return nil },
	}
	if t.Kind != featurestore.KindList && t.Kind != featurestore.KindMap {
		return c
	}
	c.typ, c.form = featurestore.String, formObject
	c.get = func(r *Row) featurestore.Value {
		if at(r).IsNull() {
			return featurestore.Null
		}
		return featurestore.StringValue(string(featurestore.AppendJSON(nil, *at(r), t)))
	}
	c.set = func(r *Row, v featurestore.Value) (err error) {
		if *at(r) = featurestore.Null; !v.IsNull() {
			*at(r), err = featurestore.ParseJSON(v.Str(), t)
		}
		return err
	}
	return c
}

func statusColumn(name string, i int) column {
	return column{
		name: name + suffixStatus, typ: featurestore.String, required: true,
		get: func(r *Row) featurestore.Value { return featurestore.StringValue(r.Cells[i].Status.String()) },
		set: func(r *Row, v featurestore.Value) (err error) {
			r.Cells[i].Status, err = parseStatus(v.Str())
			return err
		},
	}
}

// parseStatus is ParseStatus and the zero status, which only a mistake makes:
// the log keeps it as it was.
func parseStatus(name string) (featurestore.Status, error) {
	if name == featurestore.StatusUnspecified.String() {
		return featurestore.StatusUnspecified, nil
	}
	return featurestore.ParseStatus(name)
}

func stateColumn(role *Role, i int, states *stateReader) column {
	return column{
		name: prefixState + role.Prefix, typ: featurestore.String, required: true, form: formObject,
		get: func(r *Row) featurestore.Value {
			return featurestore.StringValue(string(appendState(nil, role, &r.States[i])))
		},
		set: func(r *Row, v featurestore.Value) error { return states.read(v.Str(), role, &r.States[i]) },
	}
}

// newRow is an empty row of a header's lengths.
func newRow(h *Header) *Row {
	values := make([]featurestore.Value, len(h.Entities)+len(h.Request))
	n := len(h.Entities)
	return &Row{
		Header: h, Entities: values[:n:n], Request: values[n:],
		Cells: make([]featurestore.Cell, len(h.Columns)), States: make([]State, len(h.Roles)),
	}
}

func (r *Row) fill(columns []column, values []featurestore.Value) error {
	for i := range columns {
		if err := columns[i].set(r, values[i]); err != nil {
			return fmt.Errorf("column %q: %w", columns[i].name, err)
		}
	}
	return nil
}
