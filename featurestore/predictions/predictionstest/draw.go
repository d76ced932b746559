// Package predictionstest draws logged lookups of every type and status, for the
// tests of those who write and read the prediction log.
package predictionstest

import (
	"fmt"
	"reflect"
	"slices"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/predictions"
)

// Types are types of every kind, nested ones among them.
func Types() []featurestore.Type {
	return []featurestore.Type{
		featurestore.Bool, featurestore.Int64, featurestore.Double, featurestore.String, featurestore.Bytes, featurestore.Timestamp,
		featurestore.Decimal(10, 2), featurestore.Decimal(18, 0), featurestore.List(featurestore.Double), featurestore.List(featurestore.Bytes),
		featurestore.Map(featurestore.Int64), featurestore.Map(featurestore.List(featurestore.Timestamp)), featurestore.List(featurestore.Decimal(6, 3)),
	}
}

// Value draws a value of a type, or null.
func Value(t *rapid.T, typ featurestore.Type) featurestore.Value {
	if rapid.IntRange(0, 4).Draw(t, "null") == 0 {
		return featurestore.Null
	}
	switch typ.Kind {
	case featurestore.KindBool:
		return featurestore.BoolValue(rapid.Bool().Draw(t, "bool"))
	case featurestore.KindInt64:
		return featurestore.Int64Value(rapid.Int64().Draw(t, "int64"))
	case featurestore.KindDouble:
		return featurestore.DoubleValue(rapid.Float64().Draw(t, "double"))
	case featurestore.KindString:
		return featurestore.StringValue(rapid.String().Draw(t, "string"))
	case featurestore.KindBytes:
		return featurestore.BytesValue(string(rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "bytes")))
	case featurestore.KindTimestamp:
		return featurestore.TimestampValue(Instant(t))
	case featurestore.KindDecimal:
		limit := int64(1)
		for range typ.Precision {
			limit *= 10
		}
		return featurestore.DecimalValue(rapid.Int64Range(-limit+1, limit-1).Draw(t, "decimal"))
	case featurestore.KindList:
		return featurestore.ListValue(values(t, *typ.Elem, rapid.IntRange(0, 3).Draw(t, "length")))
	default:
		keys := rapid.SliceOfNDistinct(rapid.String(), 0, 3, rapid.ID).Draw(t, "keys")
		slices.Sort(keys)
		return featurestore.MapValue(keys, values(t, *typ.Elem, len(keys)))
	}
}

func values(t *rapid.T, typ featurestore.Type, n int) []featurestore.Value {
	out := make([]featurestore.Value, n)
	for i := range out {
		out[i] = Value(t, typ)
	}
	return out
}

// Instant draws an instant that RFC 3339 can write.
func Instant(t *rapid.T) featurestore.Instant {
	return featurestore.Instant(rapid.Int64Range(int64(featurestore.MinInstant), int64(featurestore.MaxInstant)).Draw(t, "instant"))
}

// Header draws the header of a service with columns of every type.
func Header(t *rapid.T, service string) *predictions.Header {
	fields := func(prefix string, most int) []predictions.Field {
		var out []predictions.Field
		for i := range rapid.IntRange(0, most).Draw(t, prefix) {
			out = append(out, predictions.Field{Name: fmt.Sprintf("%s%d", prefix, i), Type: rapid.SampledFrom(Types()).Draw(t, "type")})
		}
		return out
	}
	return &predictions.Header{
		Service: service, Entities: fields("key", 2), Request: fields("id", 2), Columns: fields("v__f", 5),
		Roles: []predictions.Role{
			{Prefix: "clicks", View: "clicks", Sources: []string{"a", "b"}},
			{Prefix: "friend", View: "clicks", Sources: []string{"a", "b"}}, {Prefix: "profile", View: "profile"},
		},
	}
}

// Lookup draws a lookup of a header, logged within a few days of 2013.
func Lookup(t *rapid.T, h *predictions.Header, id string) *predictions.Lookup {
	rows := rapid.IntRange(1, 3).Draw(t, "rows")
	at := featurestore.Instant(1357000000e6) + featurestore.Instant(rapid.Int64Range(0, 3*int64(featurestore.Day)).Draw(t, "logged"))
	l := &predictions.Lookup{
		Header: h, RequestID: id, LoggedAt: at, AsOf: rapid.Bool().Draw(t, "as_of"), Revision: rapid.Int64Range(1, 9).Draw(t, "revision"),
	}
	for range rows {
		l.ReadTimes = append(l.ReadTimes, Instant(t))
	}
	for _, f := range h.Entities {
		l.Entities = append(l.Entities, values(t, f.Type, rows))
	}
	for _, f := range h.Request {
		l.Request = append(l.Request, values(t, f.Type, rows))
	}
	for _, f := range h.Columns {
		cells := make([]featurestore.Cell, rows)
		for i := range cells {
			cells[i] = featurestore.Cell{Value: Value(t, f.Type), Status: featurestore.Status(rapid.IntRange(1, int(featurestore.Present)).Draw(t, "status"))}
		}
		l.Columns = append(l.Columns, cells)
	}
	for i := range h.Roles {
		l.Roles = append(l.Roles, role(t, &h.Roles[i], rows))
	}
	return l
}

func role(t *rapid.T, r *predictions.Role, rows int) predictions.RoleRead {
	out := predictions.RoleRead{Generation: rapid.Uint32().Draw(t, "generation"), Rows: make([]predictions.RowState, rows)}
	if len(r.Sources) > 0 && rapid.Bool().Draw(t, "watermark") {
		out.HasWatermark, out.Watermark = true, Instant(t)
	}
	for i := range out.Rows {
		if len(r.Sources) == 0 {
			out.Rows[i].Run = rapid.SampledFrom([]string{"", "0123456789abcdef"}).Draw(t, "run")
			continue
		}
		for range rapid.IntRange(0, 2).Draw(t, "applied") {
			pos := featurestore.Position{PartitionID: featurestore.PartitionID{
				Source: uint16(rapid.IntRange(0, len(r.Sources)-1).Draw(t, "source")), Generation: rapid.Uint32().Draw(t, "source generation"),
				Partition: rapid.Int32Range(0, 9).Draw(t, "partition"),
			}, Offset: rapid.Int64Range(0, 1<<53).Draw(t, "offset")}
			out.Rows[i].Applied = out.Rows[i].Applied.Add(pos, featurestore.LogTime(Instant(t)))
		}
	}
	return out
}

// Difference says where two rows differ, "" for equal ones.
func Difference(a, b *predictions.Row) string {
	if string(a.Header.Encode()) != string(b.Header.Encode()) {
		return "headers differ"
	}
	x, y := *a, *b
	x.Header, y.Header = nil, nil
	x.Entities, y.Entities, x.Request, y.Request, x.Cells, y.Cells = nil, nil, nil, nil, nil, nil
	if !reflect.DeepEqual(x, y) {
		return fmt.Sprintf("rows differ:\n%+v\n%+v", x, y)
	}
	equal := func(x, y []featurestore.Value) bool { return slices.EqualFunc(x, y, featurestore.Value.Equal) }
	if !equal(a.Entities, b.Entities) || !equal(a.Request, b.Request) {
		return fmt.Sprintf("keys or request data differ: %v %v and %v %v", a.Entities, a.Request, b.Entities, b.Request)
	}
	for i := range a.Cells {
		if a.Cells[i].Status != b.Cells[i].Status || !a.Cells[i].Value.Equal(b.Cells[i].Value) {
			return fmt.Sprintf("column %s differs: %v and %v", a.Header.Columns[i].Name, a.Cells[i], b.Cells[i])
		}
	}
	return ""
}
