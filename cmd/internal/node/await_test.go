package node_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
)

// told is a log that tells of its first line.
type told struct {
	text bytes.Buffer
	news chan struct{}
}

func (l *told) Write(b []byte) (int, error) {
	if l.text.Len() == 0 {
		l.news <- struct{}{}
	}
	return l.text.Write(b)
}

// TestStoreIsAwaited: who starts while a real redis-server is away, closes connections
// or reads its files waits for it, and tells once what for.
func TestStoreIsAwaited(t *testing.T) {
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	server, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir(), Args: []string{
		"--key-load-delay", "100", "--loading-process-events-interval-bytes", "1024", "--appendfsync", "always",
	}})
	do(err)
	t.Cleanup(func() { do(server.Stop()) })
	do(server.Do(t.Context(), "EVAL", "for i = 1, 15000 do redis.call('set', 'key' .. i, 'x') end return 1", "0"))
	root := t.TempDir()
	do(os.WriteFile(filepath.Join(root, "freshet.yaml"), fmt.Appendf(nil, "project: shop\nonline: {redis: {addrs: [%q]}}\n", server.Addr()), 0o600))
	s, err := settings.Load(root, settings.Source{})
	do(err)
	restart := func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := server.Restart(ctx); err != nil {
			t.Error(err)
		}
	}
	for name, before := range map[string]func() (then func()){
		"it does not listen": func() func() { return restart },
		"it is loading": func() func() {
			done := make(chan struct{})
			go func() { defer close(done); restart() }()
			eventually(t, "the server that loads", func() bool {
				_, err := server.Ask(t.Context(), "GET", "key1")
				return err != nil && strings.Contains(err.Error(), "LOADING")
			})
			return func() { <-done }
		},
		"it closes connections, does not listen, is loading": func() func() {
			l, err := net.Listen("tcp", server.Addr())
			do(err)
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					_, _ = c.Read(make([]byte, 10)) // in the midst of the handshake
					_ = c.Close()
				}
			}()
			return func() { _ = l.Close(); restart() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			do(server.Kill())
			log := &told{news: make(chan struct{}, 1)}
			then, done := before(), make(chan struct{})
			go func() {
				defer close(done)
				select {
				case <-log.news:
					then()
				case <-t.Context().Done():
				}
			}()
			defer func() { <-done }()
			parts, err := node.Open(t.Context(), s, node.WallClock(), slog.New(slog.NewTextHandler(log, nil)), node.NeedOnline)
			if err != nil {
				t.Error(err)
				log.news <- struct{}{}
				return
			}
			do(parts.Close())
			if n := strings.Count(log.text.String(), "waiting for the online store"); n != 1 {
				t.Errorf("told %d times:\n%s", n, log.text.String())
			}
		})
	}

	t.Run("a person looks", func(t *testing.T) {
		do(server.Kill())
		begun := time.Now()
		parts, err := node.Open(t.Context(), s, node.WallClock(), slog.New(slog.DiscardHandler), node.NeedOnline|node.Now)
		if err == nil {
			t.Fatal(parts.Close(), "there is no server")
		}
		if took := time.Since(begun); took > 5*time.Second || strings.Contains(err.Error(), "TLS") {
			t.Errorf("after %s: %v", took, err)
		}
		restart()
	})
	t.Run("it is stopped while it waits", func(t *testing.T) {
		do(server.Kill())
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		log := &told{news: make(chan struct{}, 1)}
		go func() { <-log.news; cancel() }()
		begun := time.Now()
		parts, err := node.Open(ctx, s, node.WallClock(), slog.New(slog.NewTextHandler(log, nil)), node.NeedOnline)
		if err == nil {
			t.Fatal(parts.Close(), "there is no server")
		}
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("after %s: %v", took, err)
		}
		restart()
	})
}
