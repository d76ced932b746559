//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/featurestore/registry/sqlite"
)

// definitionsOf is the view of the benchmark over a topic; more are features
// that change its meaning.
func definitionsOf(topic string, more ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `kind: Entity
name: user
keys: [{name: user_id, type: string}]
---
kind: StreamSource
name: payments
kafka: {topic: %s}
format: json
timestamp: {field: event_time, format: rfc3339}
allowed_lateness: 10m
fields: {user_id: string, amount: int64, channel: string}
---
kind: StreamView
name: spending
entity: user
sources: [payments]
features:
`, topic)
	for _, w := range []string{"1h", "24h", "7d"} {
		fmt.Fprintf(&b, "  - {name: count_%s, agg: count, window: %s}\n", w, w)
		for _, f := range []string{"sum", "avg", "min", "max"} {
			fmt.Fprintf(&b, "  - {name: %s_%s, agg: %s(amount), window: %s}\n", f, w, f, w)
		}
	}
	for _, line := range more {
		fmt.Fprintln(&b, line)
	}
	return b.String()
}

const viewName = "spending"

// ingester is a project folder and the product's own process on it.
type ingester struct {
	services *services
	dir      string
	project  *definition.Project
	process  *child
}

// newIngester lays out a project over a topic and applies its definitions.
func newIngester(ctx context.Context, s *services, topic string) (*ingester, error) {
	dir, err := os.MkdirTemp(s.dir, "project-")
	if err != nil {
		return nil, err
	}
	i := &ingester{services: s, dir: dir}
	if err := i.settings(); err != nil {
		return nil, err
	}
	return i, i.apply(ctx, definitionsOf(topic))
}

// settings writes freshet.yaml, for what is started from now on.
func (i *ingester) settings() error {
	text := fmt.Sprintf("project: bench\nlog: {kafka: {brokers: [%q]}}\nonline: {redis: {addrs: [%q]}}\nserve: {listen: \"127.0.0.1:0\"}\n", i.services.broker.Addr(), i.services.server.Addr())
	if i.services.admin != "" {
		text += fmt.Sprintf("admin: {listen: %q}\n", i.services.admin)
	}
	return os.WriteFile(filepath.Join(i.dir, "freshet.yaml"), []byte(text), 0o644)
}

// apply makes definitions the newest revision, as `freshet apply` does.
func (i *ingester) apply(ctx context.Context, text string) (err error) {
	files := []definition.File{{Path: "spending.yaml", Data: []byte(text)}}
	project, problems := definition.Load(files)
	if project == nil {
		return fmt.Errorf("the definitions of the benchmark: %w", problems)
	}
	i.project = project
	r, err := sqlite.Open(ctx, filepath.Join(i.dir, ".freshet", "registry.db"), online.DefaultLanes)
	if err != nil {
		return err
	}
	defer func() { err = first(err, r.Close()) }()
	base, err := r.CurrentNumber(ctx)
	if err != nil {
		return err
	}
	_, err = r.Apply(ctx, base, registry.Revision{Files: files}, []registry.Target{{View: viewName, Hash: project.StreamView(viewName).Hash}})
	return err
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// start starts `freshetd ingest`.
func (i *ingester) start(program string) (err error) {
	i.process, err = startChild(program, "-C", i.dir, "ingest")
	return err
}

func (i *ingester) stop() error {
	if i.process == nil {
		return nil
	}
	return i.process.stop()
}

func (i *ingester) view() *definition.StreamView { return i.project.StreamView(viewName) }

func generationOf(number uint32) online.Generation {
	return online.Generation{Project: "bench", View: viewName, Number: number}
}
