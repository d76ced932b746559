package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/freshet/freshet/cmd/internal/cli"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/featurestore/registry/sqlite"
	"github.com/freshet/freshet/ingest/worker"
)

// answering is the revision by which lookups are answered: after a switch back it is not
// the newest, and values are those of its definitions.
type answering struct {
	cli.AppliedRevision
	older     string            // what a person should know where it is not the newest; "" where it is
	otherwise map[string]string // by stream view, why history may not be what it has counted
}

func answeringOf(ctx context.Context, s *settings.Settings, api *cli.API) (_ *answering, err error) {
	r, err := sqlite.Open(ctx, s.Registry.SQLite, s.Online.Lanes)
	if err != nil {
		return nil, err
	}
	defer func() { err = first(err, r.Close()) }()
	newest, err := r.CurrentNumber(ctx)
	if err != nil {
		return nil, err
	}
	if newest == 0 {
		return nil, featurestore.NotFoundf("nothing is applied yet: run `freshet apply`")
	}
	status, err := api.Status(ctx)
	if err != nil {
		return nil, err
	}
	list, err := r.Generations(ctx)
	if err != nil {
		return nil, err
	}
	x := &answering{AppliedRevision: cli.AppliedRevision{Number: cmp.Or(status.Revision, newest)}, otherwise: map[string]string{}}
	load := cli.LoaderOf(ctx, r)
	if x.Project, err = load(x.Number); err != nil {
		return nil, err
	}
	if x.older, err = olderText(x.Number, newest, list, load); err != nil {
		return nil, err
	}
	return x, x.readings(newest, list, load)
}

// olderText says that a revision before the newest answers, and how to go on to that.
func olderText(number, newest int64, list []registry.Generation, load registry.Loader) (string, error) {
	if number == newest {
		return "", nil
	}
	project, err := load(newest)
	if err != nil {
		return "", err
	}
	way := registry.WayTo(newest, project, list)
	text := fmt.Sprintf("revision %d answers, not the newest, %d: behind is %s. It is compared by its own definitions", number, newest, registry.Named(way.Behind))
	if next := way.Next(); next != "" {
		text += fmt.Sprintf("; to go on to revision %d: %s", newest, next)
	}
	return text, nil
}

// readings says of which views history was read otherwise, for a part of their lives.
func (x *answering) readings(newest int64, list []registry.Generation, load registry.Loader) error {
	for view, g := range registry.LiveOf(list) {
		if v := x.Project.StreamView(view); v == nil || v.Hash != g.Hash {
			continue
		}
		found, err := worker.ReadOtherwise(g, newest, load)
		if err != nil {
			return err
		}
		var parts []string
		for _, o := range found {
			parts = append(parts, o.String())
		}
		if len(parts) > 0 {
			x.otherwise[view] = fmt.Sprintf("generation %d: %s; what differs may be that", g.Number, strings.Join(parts, "; "))
		}
	}
	return nil
}

// lacks adds to an error which revision does not have what was asked for.
func (x *answering) lacks(err error) error {
	if x.older == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, x.older)
}
