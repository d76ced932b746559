package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// AdminConfig is what an address for operators shows.
type AdminConfig struct {
	Metrics http.Handler
	Version string
	Live    func() error // nil while the process does its work
	Ready   func(context.Context) error
	Status  func(context.Context) ([]byte, error) // as `freshet status -o json` shows it
}

// Admin is an address for operators.
type Admin struct {
	listener net.Listener
	server   *http.Server
	done     chan struct{}
}

// StartAdmin listens. Profiles are shown on loopback only: they hold memory.
func StartAdmin(addr string, c AdminConfig) (*Admin, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("admin.listen: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", c.Metrics)
	mux.HandleFunc("GET /livez", answer(func(context.Context) error { return c.Live() }))
	mux.HandleFunc("GET /readyz", answer(c.Ready))
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, c.Version) })
	mux.HandleFunc("GET /status", status(c.Status))
	mux.HandleFunc("GET /v1/status", status(c.Status)) // where the API has it: for `freshet status --addr`
	if at, ok := l.Addr().(*net.TCPAddr); ok && at.IP.IsLoopback() {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	a := &Admin{listener: l, done: make(chan struct{}), server: &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 32 << 10}}
	go func() {
		defer close(a.done)
		_ = a.server.Serve(l) // ends with Stop
	}()
	return a, nil
}

// answer says ok, or what is wrong.
func answer(check func(context.Context) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := check(r.Context()); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintln(w, err)
			return
		}
		fmt.Fprintln(w, "ok")
	}
}

// status shows what a process says of itself.
func status(ask func(context.Context) ([]byte, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := ask(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body) // a client that has left needs no answer
	}
}

// Addr is where it listens.
func (a *Admin) Addr() string { return a.listener.Addr().String() }

// Stop ends it. Profiles that are being taken are cut off when ctx ends.
func (a *Admin) Stop(ctx context.Context) error {
	err := a.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = a.server.Close()
	}
	<-a.done
	return err
}
