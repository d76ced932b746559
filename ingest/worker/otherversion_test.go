package worker

import (
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
)

// applyHash makes the definitions the newest revision as another version of the
// program does, which gives their view another hash.
func (p *plant) applyHash(hash codec.Hash) {
	p.t.Helper()
	base, err := p.registry.CurrentNumber(p.t.Context())
	ok(p.t, err)
	files := []definition.File{{Path: "activity.yaml", Data: []byte(definitions)}}
	_, err = p.registry.Apply(p.t.Context(), base, registry.Revision{Files: files}, []registry.Target{{View: "activity", Hash: hash}})
	ok(p.t, err)
}

// The live generation is another version's: nobody takes part before the definitions
// are applied again. Then it is left alone, and the one of this version is filled,
// checked and takes over; nobody can go back to the other.
func TestAnotherVersionsGeneration(t *testing.T) {
	p := newPlant(t)
	p.topic("clicks", 2)
	p.topic("orders", 1)
	view := load(t, definitions).StreamView("activity")
	p.applyHash(codec.Hash{1})
	p.some(5, 60)
	p.start()
	<-p.worker.Done()
	if err := p.worker.Err(); err == nil || !strings.Contains(err.Error(), "apply again with this version") {
		t.Fatalf("where there is nothing to write the worker ends with %v", err)
	}
	if n := p.lanesOf(1); n != 0 {
		t.Errorf("%d lanes were made under a hash that this version does not give", n)
	}
	p.apply(definitions)
	p.start()
	p.eventually("the generation of this version is live", func() bool { return p.live("activity") == 2 && p.state("activity", 2) == online.StateLive })
	p.right(view, 2)
	p.eventually("the other is given up", func() bool {
		s := p.registered("activity", 1).State
		return s == registry.Retired || s == registry.Dropped
	})

	// A newer version begins to build its own: this one goes on.
	p.applyHash(codec.Hash{2})
	p.eventually("its revision is seen", func() bool { return p.worker.Revision() == 3 })
	p.some(6, 40)
	p.right(view, 2)
	if got := p.live("activity"); got != 2 {
		t.Errorf("generation %d is live", got)
	}
	p.stop()
}
