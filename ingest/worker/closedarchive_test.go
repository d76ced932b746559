package worker

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/online"
)

// A manifest that is damaged halts what reads its source, and says so. A view of
// other sources goes on, and is made anew where the store has lost it too.
func TestADamagedManifestHaltsItsSource(t *testing.T) {
	const other = `---
kind: StreamView
name: visits
entity: user
source: clicks
features: [{name: n, agg: count, window: 1h}]
`
	p, _ := newActivity(t)
	project := p.apply(definitions + other)
	activity, visits := project.StreamView("activity"), project.StreamView("visits")
	p.start()
	p.some(1, 60)
	p.right(activity, 1)
	p.right(visits, 1)
	p.stop()
	manifest := filepath.Join(archive.Folder(p.dir, "orders"), archive.ManifestName(offline.Partition{Generation: 1}))
	whole, err := os.ReadFile(manifest)
	ok(t, err)
	ok(t, os.WriteFile(manifest, []byte("{"), 0o644))
	clicked := func(seed uint64) {
		p.produce("clicks", 0, recordsOf(randomEvents(rand.New(rand.NewPCG(seed, 3)), 20)...)...)
		p.right(visits, 1)
	}
	says := func(word string) func() bool {
		return func() bool {
			c := p.worker.Conditions()[generation]
			return strings.Contains(c.Reason, word) && strings.Contains(c.Reason, "restore it, or move its folder away")
		}
	}

	p.start()
	clicked(2)
	p.eventually("its partition says why it has halted", says("source orders, partition 0"))
	p.stop()

	for _, v := range []string{"activity", "visits"} {
		ok(t, p.store.Drop(t.Context(), online.Generation{Project: "p", View: v, Number: 1}, lanesOfTests))
	}
	p.start()
	clicked(3)
	p.eventually("it says why history cannot fill it", says("history cannot fill it"))
	if next := p.worker.Conditions()[generation].Next; next != restartNext {
		t.Errorf("the way on is %q", next)
	}
	if got := p.state("activity", 1); got != online.StateBuilding {
		t.Errorf("what cannot be filled is %v", got)
	}
	p.stop()

	ok(t, os.WriteFile(manifest, whole, 0o644))
	p.start()
	p.right(activity, 1)
	p.right(visits, 1)
}
