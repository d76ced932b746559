//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// profilePatience is how long the ingester may take until it answers.
const profilePatience = 30 * time.Second

// profileQuery is the processor profile to ask for: of the ingester's first seconds.
func (o *options) profileQuery() string {
	return fmt.Sprintf("profile?seconds=%d", max(1, int(o.profiled.Seconds())))
}

// profiled is a lap of the ingester, of which a processor profile is written to
// the option's file, its name with the case behind it, and one of its heap beside
// it; "" for none.
func (s *services) profiled(ctx context.Context, o *options, name string, r racer) (_ *lap, err error) {
	if o.profile == "" {
		return s.lap(ctx, r)
	}
	file := beside(o.profile, name)
	if s.admin, err = freeAddress(); err != nil {
		return nil, err
	}
	defer func() { s.admin = "" }()
	profile := make(chan error, 1)
	go func() {
		profile <- first(writeProfile(ctx, s.admin, o.profileQuery(), file), writeProfile(ctx, s.admin, "heap", file+".heap"))
	}()
	l, err := s.lap(ctx, r)
	return l, first(err, <-profile)
}

// beside is a file's name with another word in it.
func beside(file, name string) string {
	ext := filepath.Ext(file)
	return file[:len(file)-len(ext)] + "-" + name + ext
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// writeProfile asks for a profile as soon as somebody answers.
func writeProfile(ctx context.Context, addr, query, file string) error {
	ctx, cancel := context.WithTimeout(ctx, profilePatience)
	defer cancel()
	url := fmt.Sprintf("http://%s/debug/pprof/%s", addr, query)
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			return keepProfile(answer, file)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the ingester gives no profile: %w", err)
		}
	}
}

func keepProfile(answer *http.Response, file string) error {
	data, err := io.ReadAll(answer.Body)
	err = errors.Join(err, answer.Body.Close())
	switch {
	case err != nil:
		return fmt.Errorf("the ingester's profile broke off: take more events: %w", err)
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("the ingester gives no profile: %s", answer.Status)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}
