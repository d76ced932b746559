package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/serving/service"
)

// Limits of one HTTP request.
const (
	maxBody         = 1 << 20
	defaultDeadline = 5 * time.Second
)

// Options are what the two front ends share.
type Options struct {
	Backend Backend
	NewID   func() string // makes request ids
	Now     func() time.Time
	Version string
	Log     *slog.Logger

	Observer Observer     // of requests; nil for none
	Metrics  http.Handler // stands at /metrics; nil where it has an address of its own
}

// api is the HTTP front end.
type api struct {
	Options
	parsers fastjson.ParserPool
}

// NewHandler is the HTTP front end.
func NewHandler(o Options) http.Handler {
	a := &api{Options: o}
	mux := http.NewServeMux()
	mux.Handle("POST /v1/features:get", a.call("GetFeatures", a.getFeatures))
	mux.Handle("POST /v1/events:write", a.call("WriteEvents", a.writeEvents))
	mux.Handle("POST /v1/predictions:log", a.call("LogPredictions", a.logPrediction))
	mux.Handle("GET /v1/status", a.call("Status", a.status))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.Handle("GET /readyz", a.call("Ready", a.ready))
	if o.Metrics != nil {
		mux.Handle("GET /metrics", o.Metrics)
	}
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, o.Version) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, &Problem{Status: http.StatusNotFound, Code: "UNKNOWN_PATH", Type: "docs/errors/UNKNOWN_PATH.md", Title: "There is nothing here",
			Detail: "no method " + r.Method + " at " + clip(r.URL.Path)}, "")
	})
	return mux
}

// call gives a handler its deadline and maps its error; a panic is an internal
// error of this request and of no other.
func (a *api) call(method string, do func(context.Context, http.ResponseWriter, *http.Request) (string, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), defaultDeadline)
		defer cancel()
		ctx, end := a.begin(ctx, method, r.Header.Get)
		id := ""
		err := func() (err error) {
			defer func() {
				if p := recover(); p != nil {
					err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
				}
			}()
			id, err = do(ctx, w, r)
			return err
		}()
		if err == nil {
			end("OK")
			return
		}
		problem := ProblemOf(err)
		end(problem.Code)
		if problem.Status == http.StatusInternalServerError {
			a.Log.Error("request failed", "path", r.URL.Path, "request_id", id, "error", err)
		}
		writeProblem(w, problem, id)
	})
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, &Problem{Status: http.StatusRequestEntityTooLarge, Code: "TOO_LARGE", Title: "The request is too large", Detail: fmt.Sprintf("the body may have %d bytes", maxBody)}
	}
	if err != nil {
		return nil, featurestore.Invalidf("the body broke off: %w", err)
	}
	return body, nil
}

func (a *api) getFeatures(ctx context.Context, w http.ResponseWriter, r *http.Request) (string, error) {
	body, err := readBody(w, r)
	if err != nil {
		return "", err
	}
	parser := a.parsers.Get()
	defer a.parsers.Put(parser)
	parsed, err := parseRequest(body, parser)
	if err != nil {
		return "", err
	}
	if parsed.id == "" {
		parsed.id = a.NewID()
	}
	plan, err := planOf(a.Backend.Catalog(), parsed.service, parsed.features)
	if err != nil {
		return parsed.id, err
	}
	req, err := parsed.typed(plan)
	if err != nil {
		return parsed.id, err
	}
	answer, err := a.Backend.Get(ctx, plan, req)
	if err != nil {
		return parsed.id, err
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(append(appendAnswer(nil, answer, parsed.include), '\n'))
	return parsed.id, ignoreGone(err)
}

// ignoreGone drops the error of a client that left before its answer.
func ignoreGone(error) error { return nil }

// planOf is the plan of a service, or of a list of features.
func planOf(c *service.Catalog, name string, features []string) (*service.Compiled, error) {
	if c == nil {
		return nil, featurestore.Unavailablef("nothing is applied yet: run `freshet apply`")
	}
	if name != "" {
		return c.Service(name)
	}
	if len(features) > service.MaxFeatures {
		return nil, invalid(PointedError{"/features", fmt.Sprintf("%d features are asked for, %d are allowed", len(features), service.MaxFeatures)})
	}
	return c.Features(features)
}

func (a *api) writeEvents(ctx context.Context, w http.ResponseWriter, r *http.Request) (string, error) {
	body, err := readBody(w, r)
	if err != nil {
		return "", err
	}
	parser := a.parsers.Get()
	defer a.parsers.Put(parser)
	v, err := parser.ParseBytes(body)
	if err != nil {
		return "", invalid(PointedError{"", "the body is not JSON: " + err.Error()})
	}
	source := string(v.GetStringBytes("source"))
	list := v.GetArray("events")
	if source == "" || list == nil {
		return "", invalid(PointedError{"", `the body must be {"source": "...", "events": [{...}]}`})
	}
	events := make([][]byte, len(list))
	for i, e := range list {
		events[i] = e.MarshalTo(nil)
	}
	rejected, err := a.Backend.WriteEvents(ctx, source, events)
	if err != nil {
		return "", err
	}
	b := fmt.Appendf(nil, `{"accepted":%d,"rejected":[`, len(events)-len(rejected))
	for i, x := range rejected {
		b = fmt.Appendf(comma(b, i), `{"index":%d,"reason":`, x.Index)
		b = append(appendText(b, x.Reason), '}')
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(append(b, ']', '}', '\n'))
	return "", ignoreGone(err)
}

func (a *api) logPrediction(ctx context.Context, w http.ResponseWriter, r *http.Request) (string, error) {
	body, err := readBody(w, r)
	if err != nil {
		return "", err
	}
	parser := a.parsers.Get()
	defer a.parsers.Put(parser)
	v, err := parser.ParseBytes(body)
	if err != nil {
		return "", invalid(PointedError{"", "the body is not JSON: " + err.Error()})
	}
	p := Prediction{RequestID: string(v.GetStringBytes("request_id")), Model: string(v.GetStringBytes("model")), Row: int32(v.GetInt("row"))}
	outputs := v.GetObject("outputs")
	if p.RequestID == "" || p.Model == "" || outputs == nil {
		return p.RequestID, invalid(PointedError{"", `the body must be {"request_id": "...", "model": "name:version", "outputs": {...}}`})
	}
	var errs []PointedError
	outputs.Visit(func(k []byte, v *fastjson.Value) {
		out, err := outputValue(v)
		if err != nil {
			errs = append(errs, PointedError{"/outputs/" + string(k), err.Error()})
		}
		p.Outputs = append(p.Outputs, Output{Name: string(k), Value: out})
	})
	if len(errs) > 0 {
		return p.RequestID, invalid(errs...)
	}
	if err := a.Backend.LogPrediction(ctx, p); err != nil {
		return p.RequestID, err
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = io.WriteString(w, "{}\n")
	return p.RequestID, ignoreGone(err)
}

// outputValue reads a model's output: a bool, a number or a text.
func outputValue(v *fastjson.Value) (featurestore.Value, error) {
	switch v.Type() {
	case fastjson.TypeTrue, fastjson.TypeFalse:
		return featurestore.BoolValue(v.Type() == fastjson.TypeTrue), nil
	case fastjson.TypeNumber:
		return numberValue(v.String(), featurestore.Double)
	case fastjson.TypeString:
		return featurestore.StringValue(string(v.GetStringBytes())), nil
	case fastjson.TypeNull:
		return featurestore.Null, nil
	}
	return featurestore.Null, fmt.Errorf("must be a bool, a number or a text, is %s", v.Type())
}

func (a *api) status(ctx context.Context, w http.ResponseWriter, _ *http.Request) (string, error) {
	b, err := a.Backend.Status(ctx)
	if err != nil {
		return "", err
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(append(b, '\n'))
	return "", ignoreGone(err)
}

func (a *api) ready(ctx context.Context, w http.ResponseWriter, _ *http.Request) (string, error) {
	if err := a.Backend.Ready(ctx); err != nil {
		return "", featurestore.Unavailablef("not ready: %w", err)
	}
	_, err := io.Copy(w, strings.NewReader("ok\n"))
	return "", ignoreGone(err)
}
