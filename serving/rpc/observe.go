package rpc

import (
	"context"

	"google.golang.org/grpc/metadata"
)

// Observer is told of requests, for metrics and traces.
type Observer interface {
	// Begin is told of a request; header reads what came with it. It gives the
	// context of its work, and what is called with the answer's code: OK, or that
	// of the problem.
	Begin(ctx context.Context, method string, header func(string) string) (context.Context, func(code string))
}

func (o *Options) begin(ctx context.Context, method string, header func(string) string) (context.Context, func(string)) {
	if o.Observer == nil {
		return ctx, func(string) {}
	}
	return o.Observer.Begin(ctx, method, header)
}

// incoming reads the headers of a gRPC call.
func incoming(ctx context.Context) func(string) string {
	return func(key string) string {
		if v := metadata.ValueFromIncomingContext(ctx, key); len(v) > 0 {
			return v[0]
		}
		return ""
	}
}
