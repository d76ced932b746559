package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/registry/sqlite"
)

// checkSettings reads freshet.yaml with profile and environment.
func checkSettings(_ context.Context, e *exam) finding {
	f := finding{}
	s, err := e.Settings()
	if err != nil {
		next := "correct the file (docs/operations.md)"
		if errors.Is(err, featurestore.ErrNotFound) {
			next = "freshet init, or name the folder with -C"
		}
		f.add(Failed, text(err), "nothing starts without valid settings", next)
		return f
	}
	seen := fmt.Sprintf("project %s in %s; log %s, online store %s", s.Project, s.Root, either(s.Log.Embedded, "Kafka"), either(s.Online.Embedded, "Redis"))
	if s.Serve.Insecure {
		f.add(Warning, seen+"; serve.insecure is set", "everybody who can reach the port is served, without authentication", "set serve.insecure: false, or keep others away from "+s.Serve.Listen)
	} else {
		f.add(OK, seen)
	}
	parts := node.Closed(s, node.StoredClock(), e.Logger)
	f.keep = func(e *exam) { e.settings, e.parts = s, parts }
	return f
}

func either(folder, service string) string {
	if folder != "" {
		return "embedded"
	}
	return service
}

// checkDefinitions checks the files beside the settings. Where there are none, what
// is applied counts: a server needs no files.
func checkDefinitions(_ context.Context, e *exam) finding {
	f, no := e.needs(false, false)
	if no {
		return f
	}
	files, err := e.Definitions(e.settings.Root)
	if errors.Is(err, featurestore.ErrNotFound) {
		f.add(OK, "no definitions beside the settings: those that are applied count")
		return f
	}
	if err != nil {
		f.add(Failed, text(err), "they cannot be planned or applied", "freshet validate")
		return f
	}
	project, problems := definition.Load(files)
	seen := fmt.Sprintf("%d files", len(files))
	switch {
	case project == nil:
		first, _, _ := strings.Cut(strings.TrimSpace(problems.Format()), "\n")
		f.add(Failed, fmt.Sprintf("%s, %d problems, the first: %s", seen, problems.Errors(), first), "they cannot be planned or applied; what is applied already goes on", "freshet validate")
	case len(problems) > 0:
		f.add(Warning, fmt.Sprintf("%s are valid, with %d warnings", seen, len(problems)), "a definition may say something else than was meant", "freshet validate")
	default:
		f.add(OK, seen+" are valid")
	}
	return f
}

// checkRegistry asks for the schema before it opens the registry: opening migrates.
func checkRegistry(ctx context.Context, e *exam) finding {
	f, no := e.needs(false, false)
	if no {
		return f
	}
	path := e.settings.Registry.SQLite
	const why = "servers and ingesters learn from it which definitions and generations count; those that run go on with what they know"
	have, known, err := sqlite.Version(ctx, path)
	switch {
	case errors.Is(err, featurestore.ErrNotFound):
		f.add(Warning, text(err), "nothing is applied yet: servers and ingesters have nothing to do", "freshet apply")
		return f
	case err != nil:
		f.add(Failed, text(err), why, "restore the file from a backup, or mend its folder and rights")
		return f
	case have > known:
		f.add(Failed, fmt.Sprintf("its schema has version %d, this program knows %d", have, known), why, "use the freshet that wrote it, or a newer one")
		return f
	case have < known:
		f.add(Warning, fmt.Sprintf("its schema has version %d, this program brings it to %d", have, known), "it is brought up to date by the next command or start; older programs then refuse it", "freshet list, once the running servers and ingesters may be replaced")
		return f
	}
	opened := node.Closed(e.settings, e.parts.Clock, e.Logger)
	if err := opened.OpenRegistry(ctx); err != nil {
		f.add(Failed, text(err), why, "mend the file's folder and rights")
		return f
	}
	project := readRegistry(ctx, &f, opened, fmt.Sprintf("schema version %d", have))
	f.keep = func(e *exam) {
		e.parts.Registry, e.project = opened.Registry, project
		e.closers = append(e.closers, opened.Close)
	}
	return f
}

// readRegistry gives the definitions that are applied, where this program reads them.
func readRegistry(ctx context.Context, f *finding, p *node.Parts, seen string) *definition.Project {
	r, err := p.Registry.Current(ctx)
	switch {
	case err != nil:
		f.add(Failed, text(err), "nobody can read what is applied", "restore the registry from a backup")
		return nil
	case r == nil:
		f.add(Warning, seen+", nothing is applied", "servers and ingesters have nothing to do", "freshet apply")
		return nil
	}
	project, problems := definition.Load(r.Files)
	if project == nil {
		f.add(Failed, fmt.Sprintf("%s; revision %d does not load with this version: %v", seen, r.Number, problems), "servers and ingesters of this version refuse it", "freshet validate, freshet apply; or the version that applied it")
		return nil
	}
	f.add(OK, fmt.Sprintf("%s, revision %d of %s", seen, r.Number, r.Applied))
	return project
}
