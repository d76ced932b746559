package worker

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/logrecord"
)

// apart is a view of each topic: where there are two ingesters, the one that leads,
// because it has the first partition of clicks, reads nothing of orders.
const apart = `---
kind: StreamView
name: ordered
entity: user
sources: [orders]
features:
  - {name: total, agg: sum(v), window: 1h}
`

// fixed is a group whose members keep what they have: of a topic with one partition
// the last of two members is the owner, of one with two each has one.
type fixed map[string][]int32

func (f fixed) Join(string, []string) (logrecord.Group, error) { return f, nil }

func (f fixed) Next(context.Context) (*logrecord.Assignment, error) {
	return &logrecord.Assignment{
		Owned: f, Lost: make(chan struct{}), Release: func() {},
		Commit: func(map[string]map[int]int64) error { return nil },
	}, nil
}

func (f fixed) Close() error { return nil }

// newFixed is a plant of two ingesters: the one that leads reads nothing of orders.
func newFixed(t *testing.T) (p *plant, members []*Worker) {
	t.Helper()
	p, _ = newShared(t)
	for _, owned := range []fixed{{"clicks": {0}}, {"clicks": {1}, "orders": {0}}} {
		c := p.config()
		c.Group = owned
		w := New(c)
		w.Start()
		t.Cleanup(func() { ok(t, w.Stop()) })
		p.worker = w // its progress is shown where a wait fails
		members = append(members, w)
	}
	t.Cleanup(func() { p.worker = nil })
	return p, members
}

// newApart is such a plant with a view of orders alone.
func newApart(t *testing.T) (*plant, *definition.StreamView) {
	t.Helper()
	p, members := newFixed(t)
	text := strings.Replace(definitions, "sources: [clicks, orders]", "sources: [clicks]", 1)
	view := p.apply(text + apart).StreamView("ordered")
	p.some(1, 60)
	p.right(view, 1)
	p.eventually("nobody has anything to arrange", func() bool {
		changes, err := p.registry.Changes(t.Context())
		rest := err == nil && p.live("activity") == 2
		for _, w := range members {
			w.mu.Lock()
			rest = rest && w.changes == changes
			w.mu.Unlock()
		}
		return rest
	})
	return p, view
}

// Lanes of a view that the leader reads nothing of are made anew where they are
// gone, and where they say LOST.
func TestLanesThatTheLeaderDoesNotReadAreMadeAnew(t *testing.T) {
	id := online.Generation{Project: "p", View: "ordered", Number: 1}
	for name, lose := range map[string]func(*plant) error{
		"gone":     func(p *plant) error { return p.store.Drop(p.t.Context(), id, lanesOfTests) },
		"LOST":     func(p *plant) error { return p.store.SetState(p.t.Context(), id, online.StateLost) },
		"BUILDING": func(p *plant) error { return p.store.SetState(p.t.Context(), id, online.StateBuilding) },
	} {
		t.Run(name, func(t *testing.T) {
			p, view := newApart(t)
			ok(t, lose(p))
			p.some(2, 60)
			p.eventually("it is live again", func() bool { return p.state("ordered", 1) == online.StateLive })
			p.right(view, 1)
		})
	}
}

// A generation of such a view is made live, and one in a GAP answers again.
func TestViewsThatTheLeaderDoesNotReadBecomeLive(t *testing.T) {
	p, _ := newApart(t)
	text := strings.Replace(definitions, "sources: [clicks, orders]", "sources: [clicks]", 1)
	changed := p.apply(text + strings.Replace(apart, "1h", "2h", 1)).StreamView("ordered")
	p.eventually("the changed view is live", func() bool { return p.live("ordered") == 2 && p.state("ordered", 2) == online.StateLive })
	p.some(3, 60)
	p.right(changed, 2)
	ok(t, p.store.SetState(t.Context(), online.Generation{Project: "p", View: "ordered", Number: 2}, online.StateGap))
	p.eventually("it answers again", func() bool { return p.state("ordered", 2) == online.StateLive })
}

// A view that history cannot fill keeps no other from its work, also where another
// process leads: which view that one has given up, the others do not know.
func TestUnfillableViewStandsAlone(t *testing.T) {
	p, view := newApart(t)
	p.eventually("both sources are at rest", func() bool {
		for _, name := range []string{"clicks", "orders"} {
			if len(p.archiveFiles(name)) == 0 {
				return false
			}
		}
		return true
	})
	for _, file := range p.archiveFiles("clicks") {
		data, err := os.ReadFile(file)
		ok(t, err)
		data[len(data)/2] ^= 1
		ok(t, os.WriteFile(file, data, 0o600))
	}
	for _, id := range []online.Generation{{Project: "p", View: "activity", Number: p.live("activity")}, {Project: "p", View: "ordered", Number: 1}} {
		ok(t, p.store.Drop(t.Context(), id, lanesOfTests))
	}
	p.eventually("the view of the other source is live again", func() bool { return p.state("ordered", 1) == online.StateLive })
	p.right(view, 1)
}

// archiveFiles are the files of a source's events at rest.
func (p *plant) archiveFiles(source string) (files []string) {
	ok(p.t, filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".parquet") && strings.Contains(path, string(filepath.Separator)+source+string(filepath.Separator)) {
			files = append(files, path)
		}
		return nil // what is under way has a temporary name
	}))
	return files
}

// A definition that is taken back makes the generation before BUILDING again, whose
// lanes say LIVE: it takes over, also where others read some of its partitions.
func TestTakenBackWithOthers(t *testing.T) {
	p, _ := newFixed(t)
	p.some(1, 60)
	changed := strings.Replace(definitions, "window: 10m, offset: 1m", "window: 5m", 1)
	p.apply(changed)
	p.eventually("the changed view is live", func() bool { return p.live("activity") == 2 })
	view := p.apply(definitions).StreamView("activity")
	p.eventually("the one before is live again", func() bool { return p.live("activity") == 1 })
	p.some(2, 60)
	p.right(view, 1)
}
