package cli

import (
	"context"
	"fmt"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/deadletter"
	"github.com/freshet/freshet/ingest/worker"
)

// countedLetters are dead letters that generations may have counted: those that answer,
// and that read by an older definition while a newer one refused these records. Sent
// again, they would count twice.
type countedLetters struct {
	readers map[string][]countingReader // by source
	first   registry.Generation         // that has counted some
}

type countingReader struct {
	*worker.LetterReader
	of registry.Generation
}

func countedOf(ctx context.Context, parts *node.Parts) (c countedLetters, err error) {
	c.readers = map[string][]countingReader{}
	newest, err := parts.Registry.CurrentNumber(ctx)
	if err != nil {
		return c, err
	}
	list, err := parts.Registry.Generations(ctx)
	if err != nil {
		return c, err
	}
	load := LoaderOf(ctx, parts.Registry)
	for _, g := range registry.LiveOf(list) {
		found, err := worker.ReadOtherwise(g, newest, load)
		if err != nil {
			return c, err
		}
		for _, o := range found {
			project, err := load(g.Revision)
			if err != nil {
				return c, err
			}
			r, err := worker.NewLetterReader(project.StreamSource(o.Source), parts.Schemas)
			if err != nil {
				return c, err
			}
			c.readers[o.Source] = append(c.readers[o.Source], countingReader{r, g})
		}
	}
	return c, nil
}

// has reports whether a generation may have counted a letter.
func (c *countedLetters) has(l *deadletter.DeadLetter) (bool, error) {
	for _, r := range c.readers[l.Source] {
		events, err := r.Read(l)
		if err != nil {
			return false, err
		}
		if len(events) > 0 {
			c.first = r.of
			return true, nil
		}
	}
	return false, nil
}

// text says what becomes of so many letters that were left out; "" for none.
func (c *countedLetters) text(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d records were not sent: generation %d of view %q read by an older definition when a newer one refused them, and may have counted them, so that they would count twice. "+
		"`freshet backfill %s` builds one from history, which has not: once that answers, run this again. --again sends them nevertheless", n, c.first.Number, c.first.View, c.first.View)
}
