package rpc

import (
	"fmt"
	"unicode/utf8"

	"github.com/freshet/freshet/featurestore"
	servingv1 "github.com/freshet/freshet/serving/api/v1"
	"github.com/freshet/freshet/serving/service"
)

// unpackValues reads a packed column as a declared type; nothing is converted.
func unpackValues(v *servingv1.Values, validity []byte, t featurestore.Type) ([]featurestore.Value, error) {
	var out []featurestore.Value
	kind := featurestore.KindNull
	switch k := v.GetKind().(type) {
	case *servingv1.Values_Bools:
		kind = featurestore.KindBool
		out = mapValues(k.Bools.GetValues(), featurestore.BoolValue)
	case *servingv1.Values_Int64S:
		kind = featurestore.KindInt64
		of := featurestore.Int64Value
		if t.Kind == featurestore.KindDecimal {
			kind, of = featurestore.KindDecimal, featurestore.DecimalValue
		}
		out = mapValues(k.Int64S.GetValues(), of)
	case *servingv1.Values_Doubles:
		kind = featurestore.KindDouble
		out = mapValues(k.Doubles.GetValues(), featurestore.DoubleValue)
	case *servingv1.Values_Strings:
		kind = featurestore.KindString
		out = mapValues(k.Strings.GetValues(), featurestore.StringValue)
	case *servingv1.Values_Bytes:
		kind = featurestore.KindBytes
		out = mapValues(k.Bytes.GetValues(), func(b []byte) featurestore.Value { return featurestore.BytesValue(string(b)) })
	case *servingv1.Values_Timestamps:
		kind = featurestore.KindTimestamp
		out = mapValues(k.Timestamps.GetValues(), func(n int64) featurestore.Value { return featurestore.TimestampValue(featurestore.Instant(n)) })
	}
	if kind != t.Kind {
		return nil, fmt.Errorf("must be %s, is %s", t, kind)
	}
	if len(validity) == 0 {
		return out, nil
	}
	if len(validity) != (len(out)+7)/8 {
		return nil, fmt.Errorf("has %d validity bytes for %d values", len(validity), len(out))
	}
	for i := range out {
		if validity[i/8]&(1<<(i%8)) == 0 {
			out[i] = featurestore.Null
		}
	}
	return out, nil
}

func mapValues[T any](in []T, of func(T) featurestore.Value) []featurestore.Value {
	out := make([]featurestore.Value, len(in))
	for i, x := range in {
		out[i] = of(x)
	}
	return out
}

func packAnswer(a *service.Answer, parts include) *servingv1.GetFeaturesResponse {
	out := &servingv1.GetFeaturesResponse{Service: a.Service, Revision: a.Revision, RequestId: a.RequestID}
	if parts.has(includeReadTime) {
		for _, t := range a.ReadTimes {
			out.ReadTimes = append(out.ReadTimes, int64(t))
		}
	}
	for i := range a.Columns {
		out.Columns = append(out.Columns, packColumn(&a.Columns[i], parts))
	}
	for i := range a.Roles {
		out.Views = append(out.Views, packRole(&a.Roles[i], parts))
	}
	return out
}

func packColumn(c *service.Column, parts include) *servingv1.Column {
	out := &servingv1.Column{Name: c.Name, Type: c.Type.String()}
	values := make([]featurestore.Value, len(c.Cells))
	for i := range c.Cells {
		values[i] = c.Cells[i].Value
	}
	out.Values, out.Validity = packValues(values, c.Type)
	if parts.has(includeStatus) {
		out.Statuses = make([]servingv1.Status, len(c.Cells))
		for i := range c.Cells {
			out.Statuses[i] = servingv1.Status(c.Cells[i].Status)
		}
	}
	return out
}

// packValues packs a column; validity is nil where nothing is null.
func packValues(values []featurestore.Value, t featurestore.Type) (*servingv1.Values, []byte) {
	out := &servingv1.Values{}
	switch t.Kind {
	case featurestore.KindBool:
		out.Kind = &servingv1.Values_Bools{Bools: &servingv1.BoolValues{Values: unmap(values, featurestore.Value.Bool)}}
	case featurestore.KindInt64, featurestore.KindDecimal:
		out.Kind = &servingv1.Values_Int64S{Int64S: &servingv1.Int64Values{Values: unmap(values, featurestore.Value.Int64)}}
	case featurestore.KindDouble:
		out.Kind = &servingv1.Values_Doubles{Doubles: &servingv1.DoubleValues{Values: unmap(values, featurestore.Value.Double)}}
	case featurestore.KindString:
		out.Kind = &servingv1.Values_Strings{Strings: &servingv1.StringValues{Values: unmap(values, validText)}}
	case featurestore.KindBytes:
		out.Kind = &servingv1.Values_Bytes{Bytes: &servingv1.BytesValues{Values: unmap(values, func(v featurestore.Value) []byte { return []byte(v.Str()) })}}
	case featurestore.KindTimestamp:
		out.Kind = &servingv1.Values_Timestamps{Timestamps: &servingv1.Int64Values{Values: unmap(values, func(v featurestore.Value) int64 { return int64(v.Timestamp()) })}}
	case featurestore.KindList:
		lists := make([]*servingv1.Values, len(values))
		for i, v := range values {
			lists[i], _ = packValues(v.Elems(), elem(t)) // lists hold no nulls
		}
		out.Kind = &servingv1.Values_Lists{Lists: &servingv1.ListValues{Values: lists}}
	}
	return out, validityOf(values)
}

func unmap[T any](in []featurestore.Value, of func(featurestore.Value) T) []T {
	out := make([]T, len(in))
	for i, v := range in {
		out[i] = of(v)
	}
	return out
}

// validText is a protobuf string: UTF-8 or nothing would go out.
func validText(v featurestore.Value) string {
	if s := v.Str(); utf8.ValidString(s) {
		return s
	}
	return string([]rune(v.Str()))
}

func validityOf(values []featurestore.Value) []byte {
	var bits []byte
	for i, v := range values {
		if v.IsNull() && bits == nil {
			bits = make([]byte, (len(values)+7)/8)
			for j := range i {
				bits[j/8] |= 1 << (j % 8)
			}
		}
		if bits != nil && !v.IsNull() {
			bits[i/8] |= 1 << (i % 8)
		}
	}
	return bits
}

func packRole(r *service.Role, parts include) *servingv1.View {
	out := &servingv1.View{View: r.View, As: r.As, Generation: r.Generation}
	if parts.has(includeWatermark) && r.HasWatermark {
		w := int64(r.Watermark)
		out.Watermark = &w
	}
	if parts.has(includeEventTime) {
		out.EventTimes = make([]int64, len(r.Rows))
		out.EventTimeValidity = make([]byte, (len(r.Rows)+7)/8)
		for i, s := range r.Rows {
			if s.HasTime {
				out.EventTimes[i] = int64(s.Time)
				out.EventTimeValidity[i/8] |= 1 << (i % 8)
			}
		}
	}
	if parts.has(includePositions) {
		for i := range r.Rows {
			out.Positions = append(out.Positions, packPositions(r, &r.Rows[i]))
		}
	}
	return out
}

func packPositions(r *service.Role, s *service.RowState) *servingv1.RowPositions {
	out := &servingv1.RowPositions{Run: s.Run}
	for _, e := range s.Applied {
		out.Applied = append(out.Applied, &servingv1.AppliedEntry{
			Source: r.Sources[e.Source], Generation: e.Generation, Partition: e.Partition,
			Offset: e.Offset, MaxLogTime: int64(e.MaxLogTime),
		})
	}
	return out
}
