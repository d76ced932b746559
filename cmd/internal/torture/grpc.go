package main

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	servingv1 "github.com/freshet/freshet/serving/api/v1"
)

// grpcGet is get over gRPC, with its packed columns.
func (w *world) grpcGet(ctx context.Context, view *definition.StreamView, keys [][]featurestore.Value, at featurestore.Instant) (_ []answer, err error) {
	conn, err := grpc.NewClient(w.project.Listen, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // the answer was read, or the error says why not
	asOf := int64(at)
	req := &servingv1.GetFeaturesRequest{
		Features: []string{view.Name + ".*"}, Entities: packedKeys(view, keys), AsOf: &asOf,
		Include: []servingv1.Include{servingv1.Include_INCLUDE_STATUS, servingv1.Include_INCLUDE_READ_TIME, servingv1.Include_INCLUDE_POSITIONS},
	}
	resp, err := servingv1.NewFeatureServiceClient(conn).GetFeatures(ctx, req)
	if err != nil {
		return nil, err
	}
	if len(resp.GetColumns()) != len(view.Features) {
		return nil, fmt.Errorf("the answer has %d columns, the view %d features", len(resp.GetColumns()), len(view.Features))
	}
	out := make([]answer, len(keys))
	for c, column := range resp.GetColumns() {
		values, err := unpacked(column.GetValues(), column.GetValidity(), view.Features[c].Type)
		if err != nil {
			return nil, fmt.Errorf("feature %q: %w", view.Features[c].Name, err)
		}
		for i := range out {
			status, err := featurestore.ParseStatus(column.GetStatuses()[i].String()[len("STATUS_"):])
			if err != nil {
				return nil, err
			}
			out[i].cells = append(out[i].cells, featurestore.Cell{Value: values[i], Status: status})
		}
	}
	role := resp.GetViews()[0]
	for i := range out {
		out[i].at, out[i].made = featurestore.Instant(resp.GetReadTimes()[i]), role.GetGeneration()
		for _, e := range role.GetPositions()[i].GetApplied() {
			source := slices.IndexFunc(view.Bindings, func(b definition.Binding) bool { return b.Source.Name == e.GetSource() })
			id := featurestore.PartitionID{Source: uint16(source), Generation: e.GetGeneration(), Partition: e.GetPartition()}
			out[i].applied = append(out[i].applied, featurestore.AppliedEntry{PartitionID: id, Offset: e.GetOffset(), MaxLogTime: featurestore.LogTime(e.GetMaxLogTime())})
		}
	}
	return out, nil
}

func packedKeys(view *definition.StreamView, keys [][]featurestore.Value) map[string]*servingv1.InputColumn {
	out := map[string]*servingv1.InputColumn{}
	for k, field := range view.Entity.Keys {
		var texts []string
		var numbers []int64
		for _, key := range keys {
			texts, numbers = append(texts, key[k].Str()), append(numbers, key[k].Int64())
		}
		values := &servingv1.Values{Kind: &servingv1.Values_Strings{Strings: &servingv1.StringValues{Values: texts}}}
		if field.Type.Kind == featurestore.KindInt64 {
			values.Kind = &servingv1.Values_Int64S{Int64S: &servingv1.Int64Values{Values: numbers}}
		}
		out[field.Name] = &servingv1.InputColumn{Values: values}
	}
	return out
}

// unpacked reads packed values of a declared type.
func unpacked(v *servingv1.Values, validity []byte, t featurestore.Type) (out []featurestore.Value, err error) {
	switch k := v.GetKind().(type) {
	case nil:
		return nil, nil // a list or a map without parts
	case *servingv1.Values_Int64S:
		for _, n := range k.Int64S.GetValues() {
			if t.Kind == featurestore.KindDecimal {
				out = append(out, featurestore.DecimalValue(n))
			} else {
				out = append(out, featurestore.Int64Value(n))
			}
		}
	case *servingv1.Values_Doubles:
		for _, f := range k.Doubles.GetValues() {
			out = append(out, featurestore.DoubleValue(f))
		}
	case *servingv1.Values_Strings:
		for _, s := range k.Strings.GetValues() {
			out = append(out, featurestore.StringValue(s))
		}
	case *servingv1.Values_Lists:
		for _, list := range k.Lists.GetValues() {
			parts, err := unpacked(list, list.GetValidity(), *t.Elem)
			if err != nil {
				return nil, err
			}
			out = append(out, featurestore.ListValue(parts))
		}
	case *servingv1.Values_Maps:
		for _, m := range k.Maps.GetValues() {
			parts, err := unpacked(m.GetValues(), m.GetValues().GetValidity(), *t.Elem)
			if err != nil {
				return nil, err
			}
			out = append(out, featurestore.MapValue(m.GetKeys(), parts))
		}
	default:
		return nil, fmt.Errorf("no feature here is packed as %T", k)
	}
	for i := range out {
		if len(validity) > 0 && validity[i/8]&(1<<(i%8)) == 0 {
			out[i] = featurestore.Null
		}
	}
	return out, nil
}
