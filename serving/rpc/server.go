package rpc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/freshet/freshet/featurestore"
	servingv1 "github.com/freshet/freshet/serving/api/v1"
)

// sniffTimeout bounds how long a new connection may stay silent.
const sniffTimeout = 10 * time.Second

// Server serves both protocols on one port: a connection that begins as HTTP/2
// by prior knowledge goes to gRPC, every other to HTTP.
type Server struct {
	now      func() time.Time // of network deadlines
	listener net.Listener
	grpc     *grpc.Server
	http     *http.Server
	health   *health.Server
	done     sync.WaitGroup
}

// Exposure says who may be served without authentication.
type Exposure uint8

// Exposures.
const (
	LoopbackOnly Exposure = iota
	Insecure              // everybody who can reach the port: asked for in so many words
)

// CheckListen refuses to listen beyond loopback without authentication.
func CheckListen(addr string, e Exposure) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return featurestore.Invalidf("listen address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() || e == Insecure {
		return nil
	}
	return featurestore.Invalidf("refusing to listen on %q: without authentication only loopback is served; set serve.insecure: true to serve everybody who can reach it", addr)
}

// Start listens and returns when both protocols answer.
func Start(addr string, o Options) (*Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", addr, err)
	}
	s := &Server{
		now:      o.Now,
		listener: l,
		grpc:     grpc.NewServer(grpc.MaxRecvMsgSize(maxBody), grpc.ChainUnaryInterceptor(o.around())),
		http:     &http.Server{Handler: NewHandler(o), ReadHeaderTimeout: sniffTimeout, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10},
		health:   health.NewServer(),
	}
	servingv1.RegisterFeatureServiceServer(s.grpc, &grpcAPI{Options: o})
	healthv1.RegisterHealthServer(s.grpc, s.health)
	forGRPC, forHTTP := newBranch(l.Addr()), newBranch(l.Addr())
	s.done.Go(func() { s.accept(forGRPC, forHTTP) })
	s.done.Go(func() { _ = s.grpc.Serve(forGRPC) }) // ends with Stop
	s.done.Go(func() { _ = s.http.Serve(forHTTP) }) // ends with Shutdown
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Stop lets requests under way finish until ctx ends, then closes what is left.
// It is idempotent.
func (s *Server) Stop(ctx context.Context) error {
	s.health.Shutdown()
	closeErr := s.listener.Close()
	if errors.Is(closeErr, net.ErrClosed) {
		closeErr = nil
	}
	stopped := make(chan struct{})
	go func() { s.grpc.GracefulStop(); close(stopped) }()
	httpErr := s.http.Shutdown(ctx)
	select {
	case <-stopped:
	case <-ctx.Done():
		s.grpc.Stop()
		<-stopped
	}
	if httpErr != nil {
		httpErr = s.http.Close()
	}
	s.done.Wait()
	return errors.Join(closeErr, httpErr)
}

func (s *Server) accept(forGRPC, forHTTP *branch) {
	var sniffing sync.WaitGroup
	for {
		conn, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			break
		}
		if err != nil {
			continue // a connection that broke before it began
		}
		sniffing.Go(func() { s.sniff(conn, forGRPC, forHTTP) })
	}
	forGRPC.finish()
	forHTTP.finish()
	sniffing.Wait()
}

// sniff reads what tells the protocols apart and hands the connection on.
func (s *Server) sniff(conn net.Conn, forGRPC, forHTTP *branch) {
	// A connection that cannot take a deadline is of no use; closing it says so.
	if conn.SetReadDeadline(s.now().Add(sniffTimeout)) != nil {
		_ = conn.Close()
		return
	}
	r := bufio.NewReaderSize(conn, 64)
	start, err := r.Peek(4)
	if err != nil || conn.SetReadDeadline(time.Time{}) != nil {
		_ = conn.Close()
		return
	}
	to := forHTTP
	if string(start) == "PRI " {
		to = forGRPC
	}
	to.give(&sniffed{Conn: conn, r: r})
}

// sniffed is a connection whose first bytes were read ahead.
type sniffed struct {
	net.Conn
	r *bufio.Reader
}

func (c *sniffed) Read(p []byte) (int, error) { return c.r.Read(p) }

// branch is a listener that is fed by sniff.
type branch struct {
	addr  net.Addr
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newBranch(addr net.Addr) *branch {
	return &branch{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

func (b *branch) give(c net.Conn) {
	select {
	case b.conns <- c:
	case <-b.done:
		_ = c.Close() // the server is stopping
	}
}

func (b *branch) finish() { b.once.Do(func() { close(b.done) }) }

// Accept implements net.Listener.
func (b *branch) Accept() (net.Conn, error) {
	select {
	case c := <-b.conns:
		return c, nil
	case <-b.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (b *branch) Close() error { b.finish(); return nil }

// Addr implements net.Listener.
func (b *branch) Addr() net.Addr { return b.addr }
