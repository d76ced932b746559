package dataset

import (
	"errors"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
	"github.com/freshet/freshet/featurestore/offline/history"
	"github.com/freshet/freshet/featurestore/pit"
)

const droppedDefinitions = `kind: Entity
name: user
keys: [{name: user, type: string}]
---
kind: StreamSource
name: clicks
kafka: {topic: clicks}
format: json
timestamp: {field: at, format: unix_us}
fields: {user: string}
---
kind: StreamView
name: recent
entity: user
source: clicks
features:
  - {name: n, agg: count, window: 2d}
---
kind: StreamView
name: ever
entity: user
source: clicks
features:
  - {name: n, agg: count, window: lifetime}
---
kind: FeatureService
name: short
features: [recent.*]
---
kind: FeatureService
name: whole
features: [ever.*]
`

// A training set is refused where a window of its rows reaches into what retention
// has dropped; one row later it is not.
func TestRowsBeforeWhatIsKept(t *testing.T) {
	project, problems := definition.Load([]definition.File{{Path: "d.yaml", Data: []byte(droppedDefinitions)}})
	if project == nil {
		t.Fatal(problems)
	}
	dir, day, p := t.TempDir(), int64(featurestore.Day), offline.Partition{Generation: 1}
	m := &archive.Manifest{Version: 3, Source: "clicks"}
	m.AddComplete(p, offline.Range{To: 20})
	for i, r := range []offline.Range{{To: 10}, {From: 10, To: 20}} {
		at := day * int64(i*10)
		f := archive.File{Generation: 1, From: r.From, To: r.To, Rows: 10, MinEventTime: at, MaxEventTime: at + 5, MinLogTime: at, MaxLogTime: at + 5}
		f.Path = archive.FileName(p, archive.DateOf(featurestore.LogTime(at)).String(), r)
		m.AddFile(f)
	}
	m.Drop(p, m.Files[:1], 10, 1)
	if err := m.Store(&atomicfile.Disk{Durability: atomicfile.Crash}, dir, p); err != nil {
		t.Fatal(err)
	}
	x := &Exporter{History: history.New(history.Options{Dir: dir})}
	back, _ := project.StreamView("recent").Plan.Retention()
	for name, c := range map[string]struct {
		service string
		at      featurestore.Instant
		refused bool
	}{
		"the first whole row": {"short", 5 + featurestore.Instant(back) + 1, false},
		"a row before it":     {"short", 5 + featurestore.Instant(back), true},
		"all of history":      {"whole", 5, false}, // its view was filled from what is left, too
	} {
		r := &Request{Project: project, Service: project.Service(c.service), Mode: pit.Available}
		err := x.checkDropped(t.Context(), r, &pit.Request{Spine: &pit.Spine{Time: []featurestore.Instant{c.at + 100, c.at}}})
		if refused := errors.Is(err, featurestore.ErrInvalid) && strings.Contains(err.Error(), "retention has dropped"); refused != c.refused || !c.refused && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
