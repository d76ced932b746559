package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/decode"
	"github.com/freshet/freshet/ingest/logrecord"
	"github.com/freshet/freshet/ingest/schemaregistry"
)

const (
	whyNoRegistry  = "a record whose schema is not known yet waits, and its partition with it"
	nextNoRegistry = "look at the registry, and at log.schema_registry: url, username, password, tls"
)

// checkSchemas asks the schema registry for the subject of each source that names
// one, and compares its newest schema with the declared fields, as the ingester
// does with the schema of each record.
func checkSchemas(ctx context.Context, e *exam) finding {
	f, no := e.needs(false, false)
	if no {
		return f
	}
	named := subjects(e.project)
	conf := e.settings.Log.SchemaRegistry
	switch {
	case conf == nil && len(named) == 0:
		return skip("there is no schema registry, and no source that is applied names a subject")
	case conf == nil:
		for _, s := range named {
			f.add(Failed, fmt.Sprintf("it names the subject %q, and no schema registry is set", s.Schema.Subject), whyNoRegistry, "log: {schema_registry: {url: http://HOST:8081}} in freshet.yaml").Of = s.Name
		}
		return f
	}
	opened := node.Closed(e.settings, e.parts.Clock, e.Logger)
	if err := opened.OpenSchemas(); err != nil {
		f.add(Failed, text(err), whyNoRegistry, nextNoRegistry)
		return f
	}
	f.keep = func(e *exam) { e.closers = append(e.closers, opened.Close) }
	registry, ok := opened.Schemas.(*schemaregistry.Registry)
	if !ok {
		return skip("what is open is no schema registry")
	}
	if err := registry.Answers(ctx); err != nil {
		f.add(Failed, text(err), whyNoRegistry, nextNoRegistry).Of = conf.URL
		return f
	}
	f.add(OK, "it answers").Of = conf.URL
	for _, s := range named {
		schema, version, err := registry.Latest(ctx, s.Schema.Subject)
		switch {
		case errors.Is(err, featurestore.ErrNotFound):
			f.add(Warning, fmt.Sprintf("there is no subject %q", s.Schema.Subject), "no producer has registered a schema under this name yet, or the name is another", "start the producer, or correct schema of the source").Of = s.Name
		case err != nil:
			f.add(Failed, text(err), whyNoRegistry, nextNoRegistry).Of = s.Name
		default:
			f.add(judgeSchema(s, schema, version)).Of = s.Name
		}
	}
	return f
}

// subjects are the sources of a project that name a subject; nil gives none.
func subjects(p *definition.Project) (out []*definition.StreamSource) {
	if p == nil {
		return nil
	}
	for _, s := range p.StreamSources {
		if s.Schema != nil && s.Schema.Subject != "" {
			out = append(out, s)
		}
	}
	return out
}

// judgeSchema says how records of a schema would be read.
func judgeSchema(s *definition.StreamSource, schema *logrecord.Schema, version int) (State, string, string, string) {
	seen := fmt.Sprintf("subject %q, version %d", s.Schema.Subject, version)
	misfits, message, err := decode.Fit(s, schema)
	if message != "" {
		seen += ", message " + message
	}
	const bad, next = "records that are written with it become dead letters", "correct the fields of the source, then freshet apply; or register a schema that has them"
	if err != nil {
		return Failed, seen + ": " + text(err), bad, next
	}
	var wrong, missing []string
	for _, m := range misfits {
		field := m.Field
		if field == "" {
			field = "the timestamp " + s.Timestamp.Name
		}
		if said := field + ": " + m.Reason; m.Missing && m.Field != "" {
			missing = append(missing, said)
		} else {
			wrong = append(wrong, said)
		}
	}
	switch {
	case len(wrong) > 0:
		return Failed, seen + ": " + strings.Join(append(wrong, missing...), "; "), bad, next
	case len(missing) > 0:
		return Warning, seen + ": " + strings.Join(missing, "; "), "such a field is null in each record that is written with it", next
	}
	return OK, fmt.Sprintf("%s: the %d declared fields are in it", seen, len(s.Fields)), "", ""
}
