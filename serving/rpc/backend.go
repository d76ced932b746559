package rpc

import (
	"context"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/serving/service"
)

// Backend is what the wire needs of the process behind it.
type Backend interface {
	// Catalog is the revision that answers now; nil while nothing is applied.
	Catalog() *service.Catalog
	// Get looks up and logs what was served.
	Get(ctx context.Context, plan *service.Compiled, req *service.Request) (*service.Answer, error)
	// WriteEvents sends JSON events of a source through the log.
	WriteEvents(ctx context.Context, source string, events [][]byte) ([]Rejected, error)
	// LogPrediction joins a model's outputs to a request that was served.
	LogPrediction(ctx context.Context, p Prediction) error
	// Status describes the streams for people: what `freshet status` prints, as JSON.
	Status(ctx context.Context) ([]byte, error)
	// Ready says why the process should get no requests; nil when it should.
	Ready(ctx context.Context) error
}

// Rejected is an event that was not taken, by its index in the request.
type Rejected struct {
	Index  int    `json:"index"`
	Reason string `json:"reason"`
}

// Prediction is a model's output for one row of a request.
type Prediction struct {
	RequestID string
	Row       int32
	Model     string
	Outputs   []Output
}

// Output is one named output; Value is a bool, double or string.
type Output struct {
	Name  string
	Value featurestore.Value
}
