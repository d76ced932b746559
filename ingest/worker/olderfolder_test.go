package worker

import (
	"os"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
)

// olderFolder is a plant whose folder of events at rest is that of an older backup: it has
// the first 20 events of each partition, the log those from 40 on, and live views all.
func olderFolder(t *testing.T) (*plant, *definition.StreamView) {
	t.Helper()
	p, view := newActivity(t)
	more := func(seed uint64, n int) {
		p.random("clicks", 0, seed, n)
		p.random("clicks", 1, seed+1, n)
		p.random("orders", 0, seed+2, n)
		p.start()
		p.right(view, 1)
		p.stop()
	}
	more(90, 20)
	ok(t, os.CopyFS(p.path("older"), os.DirFS(p.path("history"))))
	more(93, 30)
	for _, id := range []online.Partition{partition0("clicks", 0), partition0("clicks", 1), partition0("orders", 0)} {
		p.expire(id.Source, id.Number, 40)
	}
	ok(t, os.CopyFS(p.path("newer"), os.DirFS(p.path("history"))))
	p.wipe("history")
	ok(t, os.Rename(p.path("older"), p.path("history")))
	return p, view
}

// An older backup of the folder, which ends before the log begins, is a folder that lacks
// some: what is live goes on, what would be built waits for a person, who accepts the loss.
func TestOlderFolder(t *testing.T) {
	p, view := olderFolder(t)
	p.start()
	p.random("orders", 0, 96, 10)
	p.right(view, 1)
	p.missing(60)
	if c := p.condition("activity", 1); c.State != conditionRunning {
		t.Errorf("the live one is %+v", c)
	}
	changed := p.apply(changedActivity()).StreamView("activity")
	p.eventually("it says what is missing", func() bool {
		c := p.condition("activity", 2)
		return c.State == online.StateGap.String() && strings.Contains(c.Reason, "offsets 20 to 39") && strings.Contains(c.Next, "freshet archive accept-loss ")
	})
	found, err := p.inspector().Inspect(t.Context(), view.Bindings[bindingOf(view, "orders")].Source, 1, p.generations())
	ok(t, err)
	if len(found) != 1 || found[0].Gap != "" {
		t.Errorf("the topic is said to be in a GAP: %+v", found)
	}
	p.stop()
	p.start() // what is at rest by now has a hole
	p.missing(60)
	p.acceptMissing(view)
	p.missing(0)
	p.eventually("it takes over", func() bool { return p.live("activity") == 2 })
	for id := range p.sent {
		for i := 20; i < 40; i++ {
			p.sent[id][i].Value = nil
		}
	}
	p.right(changed, 2)
	p.random("clicks", 0, 97, 10)
	p.right(changed, 2)
	p.missing(0)
}

// Once the newer folder is there after all, nothing is missing.
func TestOlderFolderIsReplaced(t *testing.T) {
	p, view := olderFolder(t)
	p.start()
	p.right(view, 1)
	p.missing(60)
	p.stop()
	p.wipe("history")
	ok(t, os.Rename(p.path("newer"), p.path("history")))
	p.start()
	changed := p.apply(changedActivity()).StreamView("activity")
	p.eventually("it takes over", func() bool { return p.live("activity") == 2 })
	p.right(changed, 2)
	p.missing(0)
	p.stop()
	p.wantArchived(changed)
}

// What was never at rest is a GAP all the same: nobody has said that it was there.
func TestAnArchiveThatEndsTooEarly(t *testing.T) {
	p, _ := olderFolder(t)
	ok(t, p.store.SetNotes(t.Context(), "p", knownNotes, map[string][]byte{string(partition0("orders", 0).AppendField(nil)): nil}))
	p.start()
	gap := p.gap("activity", "orders")
	if gap.Partition != 0 || !strings.Contains(gap.Reason, "the next to be archived") {
		t.Errorf("%+v", gap)
	}
}

func (p *plant) generations() []registry.Generation {
	p.t.Helper()
	list, err := p.registry.Generations(p.t.Context())
	ok(p.t, err)
	return list
}
