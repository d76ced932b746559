package worker

import (
	"testing"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
)

// crashing is an archive that is ended by a crash: what it was given since the
// last seal is not at rest.
type crashing struct{ Archive }

func (crashing) Seal() (durable func() error) { return func() error { return nil } }

func (a crashing) Close() error {
	return a.Archive.(interface{ Abandon() error }).Abandon()
}

func (p *plant) crashingArchive(s *definition.StreamSource) (Archive, error) {
	a, err := p.realArchive(s)
	return crashing{a}, err
}

// crashAfter applies records of orders by an ingester that ends before they are at rest.
func (p *plant) crashAfter(view *definition.StreamView, seed uint64, n int) {
	p.t.Helper()
	p.openArchive = p.crashingArchive
	p.random("orders", 0, seed, n)
	p.start()
	p.right(view, 1)
	p.stop()
	p.openArchive = nil
}

// What was applied of a log that is gone, and was not at rest, stays in the
// store: the audit leaves it alone, and a person is told how much it is.
func TestLostTail(t *testing.T) {
	p, view := newActivity(t)
	p.random("orders", 0, 65, 30)
	p.start()
	p.right(view, 1)
	p.stop() // at rest
	p.crashAfter(view, 66, 25)
	p.again("orders", 1)
	p.random("orders", 0, 67, 40)
	p.start()
	_ = p.gap("activity", "orders")

	generations, err := p.registry.Generations(t.Context())
	ok(t, err)
	x := Inspector{Project: "p", Log: p.log, Online: p.store, History: p.config().History}
	found, err := x.Inspect(t.Context(), view.Bindings[bindingOf(view, "orders")].Source, 1, generations)
	ok(t, err)
	if len(found) != 1 || found[0].Gap == "" || found[0].Applied != 54 || found[0].AtRest != 29 || found[0].Unarchived != 25 || found[0].Records != RecordsAnother {
		t.Errorf("%+v", found)
	}
	p.accept("orders")
	p.right(view, 1)
	p.eventually("it is live again", func() bool { return p.state("activity", 1) == online.StateLive })
	got, err := p.worker.examine(t.Context(), p.view(generation), sampling{rank: func(h uint64) uint64 { return h }, whole: ^uint64(0), most: 1000, least: 1000, rowLimit: 100_000})
	ok(t, err)
	if got.Skipped == 0 || len(got.Findings) > 0 {
		t.Errorf("the audit of %d entities, %d skipped, found %v", got.Entities, got.Skipped, got.Findings)
	}
	p.right(view, 1)
}

// bindingOf is the index of a source in a view.
func bindingOf(v *definition.StreamView, source string) int {
	for i := range v.Bindings {
		if v.Bindings[i].Source.Name == source {
			return i
		}
	}
	return -1
}
