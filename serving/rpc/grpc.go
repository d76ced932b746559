package rpc

import (
	"context"
	"fmt"
	"path"
	"runtime/debug"
	"slices"
	"sort"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	servingv1 "github.com/freshet/freshet/serving/api/v1"
	"github.com/freshet/freshet/serving/service"
)

// grpcAPI is the gRPC front end.
type grpcAPI struct {
	servingv1.UnimplementedFeatureServiceServer
	Options
}

// around observes a request, gives it its deadline and maps its error; a panic is
// an internal error of this request and of no other.
func (o *Options) around() grpc.UnaryServerInterceptor {
	log := o.Log
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
		ctx, end := o.begin(ctx, path.Base(info.FullMethod), incoming(ctx))
		code := "OK"
		defer func() { end(code) }()
		defer func() {
			if p := recover(); p != nil {
				log.Error("request failed", "method", info.FullMethod, "error", fmt.Sprintf("panic: %v\n%s", p, debug.Stack()))
				code, err = "INTERNAL", grpcError(fmt.Errorf("panic"))
			}
		}()
		if _, ok := ctx.Deadline(); !ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, defaultDeadline)
			defer cancel()
		}
		resp, err = next(ctx, req)
		if err != nil {
			if code = ProblemOf(err).Code; code == "INTERNAL" {
				log.Error("request failed", "method", info.FullMethod, "error", err)
			}
			err = grpcError(err)
		}
		return resp, err
	}
}

// GetFeatures implements the service.
func (g *grpcAPI) GetFeatures(ctx context.Context, in *servingv1.GetFeaturesRequest) (*servingv1.GetFeaturesResponse, error) {
	if (in.GetService() == "") == (len(in.GetFeatures()) == 0) {
		return nil, invalid(PointedError{"/service", "name either a service or a list of features"})
	}
	plan, err := planOf(g.Backend.Catalog(), in.GetService(), in.GetFeatures())
	if err != nil {
		return nil, err
	}
	req := &service.Request{ID: in.GetRequestId(), Rows: -1}
	if req.ID == "" {
		req.ID = g.NewID()
	}
	if in.AsOf != nil {
		t := featurestore.Instant(in.GetAsOf())
		req.AsOf = &t
	}
	c := columns{rows: &req.Rows}
	req.Entities = c.readProto("/entities", in.GetEntities(), plan.Entities)
	req.Inputs = c.readProto("/request", in.GetRequest(), plan.Inputs)
	if len(c.errs) > 0 {
		return nil, invalid(c.errs...)
	}
	if err := checkRows(req.Rows); err != nil {
		return nil, err
	}
	answer, err := g.Backend.Get(ctx, plan, req)
	if err != nil {
		return nil, err
	}
	return packAnswer(answer, protoInclude(in.GetInclude())), nil
}

func protoInclude(list []servingv1.Include) (out include) {
	for _, i := range list {
		if i > servingv1.Include_INCLUDE_UNSPECIFIED && int(i) <= len(includeNames) {
			out |= 1 << (i - 1)
		}
	}
	return out
}

// readProto reads packed columns, all of one length.
func (c *columns) readProto(pointer string, given map[string]*servingv1.InputColumn, fields []definition.Field) [][]featurestore.Value {
	out := make([][]featurestore.Value, len(fields))
	unknown := make([]string, 0)
	for name := range given {
		if !slices.ContainsFunc(fields, func(f definition.Field) bool { return f.Name == name }) {
			unknown = append(unknown, name)
		}
	}
	sort.Strings(unknown)
	for _, name := range unknown {
		c.fail(pointer+"/"+clip(name), "is not wanted; wanted are %s", names(fields))
	}
	for i, f := range fields {
		col, ok := given[f.Name]
		if !ok {
			c.fail(pointer+"/"+f.Name, "is missing: %s values, one a row", f.Type)
			continue
		}
		values, err := unpackValues(col.GetValues(), col.GetValidity(), f.Type)
		if err != nil {
			c.fail(pointer+"/"+f.Name, "%v", err)
			continue
		}
		c.length(pointer+"/"+f.Name, len(values))
		out[i] = values
	}
	return out
}

// WriteEvents implements the service.
func (g *grpcAPI) WriteEvents(ctx context.Context, in *servingv1.WriteEventsRequest) (*servingv1.WriteEventsResponse, error) {
	events := make([][]byte, 0, len(in.GetEvents())+len(in.GetJsonEvents()))
	for i, e := range in.GetEvents() {
		b, err := e.MarshalJSON()
		if err != nil {
			return nil, invalid(PointedError{"/events/" + strconv.Itoa(i), err.Error()})
		}
		events = append(events, b)
	}
	events = append(events, in.GetJsonEvents()...)
	rejected, err := g.Backend.WriteEvents(ctx, in.GetSource(), events)
	if err != nil {
		return nil, err
	}
	out := &servingv1.WriteEventsResponse{Accepted: int32(len(events) - len(rejected))}
	for _, r := range rejected {
		out.Rejected = append(out.Rejected, &servingv1.RejectedEvent{Index: int32(r.Index), Reason: r.Reason})
	}
	return out, nil
}

// LogPredictions implements the service.
func (g *grpcAPI) LogPredictions(ctx context.Context, in *servingv1.LogPredictionsRequest) (*servingv1.LogPredictionsResponse, error) {
	if in.GetRequestId() == "" || in.GetModel() == "" || in.GetOutputs() == nil {
		return nil, invalid(PointedError{"", "request_id, model and outputs are needed"})
	}
	p := Prediction{RequestID: in.GetRequestId(), Row: in.GetRow(), Model: in.GetModel()}
	for name, v := range in.GetOutputs().GetFields() {
		value, err := structValue(v)
		if err != nil {
			return nil, invalid(PointedError{"/outputs/" + name, err.Error()})
		}
		p.Outputs = append(p.Outputs, Output{Name: name, Value: value})
	}
	slices.SortFunc(p.Outputs, func(a, b Output) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return &servingv1.LogPredictionsResponse{}, g.Backend.LogPrediction(ctx, p)
}

func structValue(v *structpb.Value) (featurestore.Value, error) {
	switch k := v.GetKind().(type) {
	case *structpb.Value_BoolValue:
		return featurestore.BoolValue(k.BoolValue), nil
	case *structpb.Value_NumberValue:
		return featurestore.DoubleValue(k.NumberValue), nil
	case *structpb.Value_StringValue:
		return featurestore.StringValue(k.StringValue), nil
	case *structpb.Value_NullValue:
		return featurestore.Null, nil
	}
	return featurestore.Null, fmt.Errorf("must be a bool, a number or a text")
}
