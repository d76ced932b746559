package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/serving/rpc"
)

// API is the HTTP API of a running server, or of the stores opened here.
type API struct {
	client *http.Client
	base   string
	close  func() error

	// Parts are the stores where no server runs; nil where one does.
	Parts *node.Parts
}

// liveWithin bounds how long a server is given to say that it is there; that of the
// settings is on this machine.
const (
	liveWithin = 2 * time.Second
	hereWithin = time.Second
)

// API asks the server at --addr. Without --addr it asks the one of the settings
// where it answers; where none runs and the parts are embedded, the stores are
// opened in this process.
func (a *App) API(ctx context.Context) (*API, error) {
	if a.Addr != "" {
		api := &API{client: &http.Client{Timeout: 30 * time.Second}, base: "http://" + a.Addr}
		if err := api.live(ctx, liveWithin); err != nil {
			return nil, featurestore.Unavailablef("no server answers at %s: start one with `freshet serve` or `freshet dev`: %w", a.Addr, err)
		}
		return api, nil
	}
	s, err := a.Settings()
	if err != nil {
		return nil, err
	}
	api := &API{client: &http.Client{Timeout: 30 * time.Second}, base: "http://" + s.Serve.Listen}
	if api.live(ctx, hereWithin) == nil {
		return api, nil
	}
	quiet := *a
	quiet.Quiet = true // opening the stores is not the verb's result
	logger := quiet.Logger()
	parts, err := node.Open(ctx, s, node.StoredClock(), logger, node.NeedOnline|node.Now)
	if err != nil {
		return nil, err
	}
	backend, err := parts.Reading(ctx)
	if err != nil {
		return nil, errors.Join(err, parts.Close())
	}
	handler := rpc.NewHandler(rpc.Options{Backend: backend, NewID: node.NewID, Now: time.Now, Version: a.Version, Log: logger})
	return &API{client: &http.Client{Transport: inProcess{handler}}, base: "http://in-process", close: parts.Close, Parts: parts}, nil
}

// live asks whether the server is there.
func (c *API) live(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/livez", nil)
	if err != nil {
		return err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// Close closes the stores where this process opened them.
func (c *API) Close() error {
	if c.close == nil {
		return nil
	}
	return c.close()
}

// Call sends a request and gives the body of a 2xx answer; a problem comes back
// as an error that says what it says.
func (c *API) Call(ctx context.Context, method, path string, body any) ([]byte, error) {
	var payload io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		payload = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, payload)
	if err != nil {
		return nil, err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, featurestore.Unavailablef("%w", err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read, or the error says why not
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 2 {
		return out, nil
	}
	return nil, problemError(resp.StatusCode, out)
}

func problemError(code int, body []byte) error {
	var p rpc.Problem
	if json.Unmarshal(body, &p) != nil || p.Code == "" {
		return fmt.Errorf("the server answered %d: %s", code, bytes.TrimSpace(body))
	}
	text := p.Code + ": " + p.Detail
	for _, e := range p.Errors {
		text += "\n  " + e.Pointer + ": " + e.Message
	}
	kind := featurestore.Invalidf
	if code == http.StatusNotFound {
		kind = featurestore.NotFoundf
	} else if code >= 500 {
		kind = featurestore.Unavailablef
	}
	return kind("%s", text)
}

// inProcess carries requests to a handler without a network.
type inProcess struct{ handler http.Handler }

func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := &recorder{header: http.Header{}, code: http.StatusOK}
	t.handler.ServeHTTP(w, r)
	return &http.Response{StatusCode: w.code, Header: w.header, Body: io.NopCloser(&w.body), Request: r, ProtoMajor: 1, ProtoMinor: 1}, nil
}

type recorder struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) WriteHeader(code int)        { w.code = code }
func (w *recorder) Write(p []byte) (int, error) { return w.body.Write(p) }

// listening reports whether something accepts connections at an address.
func listening(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}
