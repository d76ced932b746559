package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/serving/service"
)

// Problem is an error of a request in the form that both protocols carry.
type Problem struct {
	Status    int            `json:"status"`
	Code      string         `json:"code"`
	Title     string         `json:"title"`
	Detail    string         `json:"detail"`
	Type      string         `json:"type"`
	Errors    []PointedError `json:"errors,omitempty"`
	RequestID string         `json:"request_id,omitempty"`
}

// PointedError says which part of the request is wrong, as a JSON pointer.
type PointedError struct {
	Pointer string `json:"pointer"`
	Message string `json:"message"`
}

func (p *Problem) Error() string {
	if len(p.Errors) > 0 {
		return p.Detail + ": " + p.Errors[0].Pointer + ": " + p.Errors[0].Message
	}
	return p.Detail
}

// invalid is a problem of the request's content.
func invalid(errs ...PointedError) *Problem {
	return &Problem{Status: http.StatusBadRequest, Code: "INVALID_ARGUMENT", Title: "The request is not valid", Detail: "the request is not valid", Errors: errs}
}

// ProblemOf maps every error to what a client sees of it: the one place that
// knows codes. Text of internal errors stays inside.
func ProblemOf(err error) *Problem {
	p := problemOf(err)
	p.Type = "docs/errors/" + p.Code + ".md"
	return p
}

func problemOf(err error) *Problem {
	var p *Problem
	var name *service.NameError
	var stale *service.StaleError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &name):
		return &Problem{Status: http.StatusNotFound, Code: name.Code, Title: "There is nothing of that name", Detail: name.Message}
	case errors.As(err, &stale):
		return &Problem{Status: http.StatusServiceUnavailable, Code: "STALE", Title: "The features are staler than the service allows", Detail: stale.Error()}
	case errors.Is(err, featurestore.ErrInvalid):
		return &Problem{Status: http.StatusBadRequest, Code: "INVALID_ARGUMENT", Title: "The request is not valid", Detail: err.Error()}
	case errors.Is(err, featurestore.ErrNotFound):
		return &Problem{Status: http.StatusNotFound, Code: "NOT_FOUND", Title: "There is nothing of that name", Detail: err.Error()}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &Problem{Status: http.StatusGatewayTimeout, Code: "DEADLINE_EXCEEDED", Title: "The deadline has passed", Detail: "the deadline has passed before the answer was complete"}
	case errors.Is(err, featurestore.ErrUnavailable):
		return &Problem{Status: http.StatusServiceUnavailable, Code: "UNAVAILABLE", Title: "A part of the service is not available", Detail: err.Error()}
	}
	return &Problem{Status: http.StatusInternalServerError, Code: "INTERNAL", Title: "Something went wrong", Detail: "an error that is ours; the log has it under the request id"}
}

var grpcCodes = map[int]codes.Code{
	http.StatusBadRequest: codes.InvalidArgument, http.StatusNotFound: codes.NotFound,
	http.StatusRequestEntityTooLarge: codes.ResourceExhausted, http.StatusServiceUnavailable: codes.Unavailable,
	http.StatusGatewayTimeout: codes.DeadlineExceeded, http.StatusConflict: codes.FailedPrecondition,
	http.StatusInternalServerError: codes.Internal,
}

// grpcError is the gRPC form of an error.
func grpcError(err error) error {
	p := ProblemOf(err)
	code, ok := grpcCodes[p.Status]
	if !ok {
		code = codes.Internal
	}
	st := status.New(code, p.Error())
	bad := &errdetails.BadRequest{}
	for _, e := range p.Errors {
		bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{Field: e.Pointer, Description: e.Message})
	}
	detailed, detailErr := st.WithDetails(&errdetails.ErrorInfo{Reason: p.Code, Domain: "freshet"}, bad)
	if detailErr != nil {
		return st.Err()
	}
	return detailed.Err()
}

// writeProblem sends a problem as application/problem+json.
func writeProblem(w http.ResponseWriter, p *Problem, requestID string) {
	out := *p
	out.RequestID = requestID
	body, err := json.Marshal(out)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(p.Status)
	// The client may be gone; there is nobody left to tell.
	_, _ = w.Write(append(body, '\n'))
}
