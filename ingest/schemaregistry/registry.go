// Package schemaregistry asks a schema registry (Confluent's API, which Redpanda,
// Karapace and Apicurio speak too) for the schemas that records name. It keeps
// what it has seen, within bounds: a registered schema never changes.
//
// It decodes nothing and registers nothing.
package schemaregistry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/logrecord"
)

// Config says where the registry is. Zero values take the defaults.
type Config struct {
	URLs     []string
	Username string
	Password string
	TLS      *tls.Config
	Clock    func() featurestore.Instant

	Timeout   time.Duration // of one call; default 5 s
	MaxKept   int           // schemas in memory; default 1,000
	RetryMiss time.Duration // how long an id that was not there is not asked for again; default 10 s
}

// maxAnswer bounds the bytes of one answer.
const maxAnswer = 4 << 20

// maxReferences bounds how many schemas one schema may lead to.
const maxReferences = 100

// Registry implements logrecord.Schemas. It is safe for concurrent use; calls for
// different schemas do not wait for each other.
type Registry struct {
	c      Config
	client *sr.Client
	http   *http.Transport
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex
	kept   map[logrecord.SchemaID]*entry
	misses map[logrecord.SchemaID]featurestore.Instant // when they may be asked for again
}

// entry is a schema, or the call that will give it.
type entry struct {
	done   chan struct{}
	schema *logrecord.Schema
	err    error
}

var _ logrecord.Schemas = (*Registry)(nil)

// Open makes a client; it calls nobody.
func Open(c Config) (*Registry, error) {
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	if c.MaxKept == 0 {
		c.MaxKept = 1000
	}
	if c.RetryMiss == 0 {
		c.RetryMiss = 10 * time.Second
	}
	transport := &http.Transport{TLSClientConfig: c.TLS, MaxIdleConnsPerHost: 4, ForceAttemptHTTP2: true, Proxy: http.ProxyFromEnvironment}
	opts := []sr.ClientOpt{
		sr.URLs(c.URLs...), sr.UserAgent("freshet"),
		sr.HTTPClient(&http.Client{Timeout: c.Timeout, Transport: &bounded{transport}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}),
	}
	if c.Username != "" {
		opts = append(opts, sr.BasicAuth(c.Username, c.Password))
	}
	client, err := sr.NewClient(opts...)
	if err != nil {
		return nil, featurestore.Invalidf("schema registry: %w", err)
	}
	r := &Registry{c: c, client: client, http: transport, kept: map[logrecord.SchemaID]*entry{}, misses: map[logrecord.SchemaID]featurestore.Instant{}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r, nil
}

// Close ends the calls that are under way. It is idempotent.
func (r *Registry) Close() error {
	r.cancel()
	r.http.CloseIdleConnections()
	return nil
}

// Schema implements logrecord.Schemas. Those who ask for one schema at the same
// time share one call.
func (r *Registry) Schema(id logrecord.SchemaID) (*logrecord.Schema, error) {
	r.mu.Lock()
	if until, missed := r.misses[id]; missed {
		if r.c.Clock() < until {
			r.mu.Unlock()
			return nil, missing("schema " + id.String())
		}
		delete(r.misses, id)
	}
	e, found := r.kept[id]
	if !found {
		if len(r.kept) >= r.c.MaxKept {
			clear(r.kept) // those who need them ask again
		}
		e = &entry{done: make(chan struct{})}
		r.kept[id] = e
	}
	r.mu.Unlock()
	if found {
		<-e.done
		return e.schema, e.err
	}
	e.schema, e.err = r.ask(id)
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.err != nil && r.kept[id] == e {
		delete(r.kept, id)
	}
	if errors.Is(e.err, featurestore.ErrNotFound) {
		if len(r.misses) >= r.c.MaxKept {
			clear(r.misses)
		}
		r.misses[id] = r.c.Clock() + featurestore.Instant(r.c.RetryMiss.Microseconds())
	}
	close(e.done)
	return e.schema, e.err
}

func missing(what string) error {
	return featurestore.NotFoundf("the schema registry has no %s", what)
}

func (r *Registry) ask(id logrecord.SchemaID) (*logrecord.Schema, error) {
	ctx, cancel := context.WithTimeout(r.ctx, r.c.Timeout)
	defer cancel()
	var s sr.Schema
	var err error
	if id.ByGUID {
		var found sr.SubjectSchema
		found, err = r.client.SchemaByGUID(ctx, id.String())
		s = found.Schema
	} else {
		s, err = r.client.SchemaByID(ctx, int(id.Number))
	}
	if err != nil {
		return nil, kindOf(err, "schema "+id.String())
	}
	return r.whole(ctx, &s, "schema "+id.String())
}

// whole gathers a schema with what it refers to.
func (r *Registry) whole(ctx context.Context, s *sr.Schema, what string) (*logrecord.Schema, error) {
	out := &logrecord.Schema{Text: s.Schema}
	switch s.Type {
	case sr.TypeAvro:
	case sr.TypeProtobuf:
		out.Kind = logrecord.ProtobufSchema
	case sr.TypeJSON:
		out.Kind = logrecord.JSONSchema
	default:
		return nil, featurestore.Invalidf("%s is of the type %v", what, s.Type)
	}
	c := collector{r: r, seen: map[string]bool{}}
	if err := c.references(ctx, s.References); err != nil {
		return nil, kindOf(err, what)
	}
	out.References = c.out
	return out, nil
}

// Answers is nil where a registry answers at the address, and lets us in.
func (r *Registry) Answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.c.Timeout)
	defer cancel()
	const none = 0 // no schema has this id: the answer is the registry's own word for that
	_, err := r.client.SchemaByID(ctx, none)
	if err = kindOf(err, "schema 0"); errors.Is(err, featurestore.ErrNotFound) {
		return nil
	}
	return err
}

// Latest gives the newest version of a subject, for people who look for a fault:
// records name their schemas themselves. It is asked anew each time.
func (r *Registry) Latest(ctx context.Context, subject string) (s *logrecord.Schema, version int, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.c.Timeout)
	defer cancel()
	what := fmt.Sprintf("subject %q", subject)
	found, err := r.client.SchemaByVersion(ctx, subject, newest)
	if err != nil {
		return nil, 0, kindOf(err, what)
	}
	s, err = r.whole(ctx, &found.Schema, what)
	return s, found.Version, err
}

// newest is the version that a registry takes for the last one.
const newest = -1

// collector gathers what a schema refers to, each after what it uses itself.
type collector struct {
	r    *Registry
	seen map[string]bool
	out  []logrecord.SchemaReference
}

func (c *collector) references(ctx context.Context, list []sr.SchemaReference) error {
	for _, ref := range list {
		key := fmt.Sprintf("%s %d %s", ref.Subject, ref.Version, ref.Name)
		if c.seen[key] {
			continue
		}
		if c.seen[key] = true; len(c.seen) > maxReferences {
			return featurestore.Invalidf("it leads to more than %d other schemas", maxReferences)
		}
		s, err := c.r.client.SchemaByVersion(ctx, ref.Subject, ref.Version)
		if err != nil {
			return err
		}
		if err := c.references(ctx, s.References); err != nil {
			return err
		}
		c.out = append(c.out, logrecord.SchemaReference{Name: ref.Name, Text: s.Schema.Schema})
	}
	return nil
}

// kindOf says whether the registry has answered that there is none, or has not
// answered.
func kindOf(err error, what string) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, featurestore.ErrInvalid) {
		return err
	}
	var answer *sr.ResponseError
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound && isMissing(answer.ErrorCode) {
		return missing(what)
	}
	return featurestore.Unavailablef("the schema registry does not give %s: %w", what, err)
}

// isMissing reports whether an error code says that a schema is not there: any
// other 404 is of a server that is no registry, of which nothing follows.
func isMissing(code int) bool {
	switch code {
	case 40401, 40402, 40403: // subject, version, schema not found
		return true
	}
	return false
}
