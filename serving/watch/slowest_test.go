package watch

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"path/filepath"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/plan"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/featurestore/registry/sqlite"
	"github.com/freshet/freshet/serving/service"
)

const second = 1_000_000

// A view is late where some lane of some partition was not at the end of its log
// within some seconds, whatever the others and the producers' clocks say.
func TestLateViews(t *testing.T) {
	const now = featurestore.Instant(1_767_000_000 * second)
	clicks := func(generation uint32, number int32) online.Partition {
		return online.Partition{Source: "clicks", Generation: generation, Number: number}
	}
	fetched := func(ago int64) online.Watermark {
		return online.Watermark{Offset: ago, LogTime: math.MinInt64, FetchTime: now - featurestore.Instant(ago*second)}
	}
	logged := func(ago int64) online.Watermark {
		return online.Watermark{Offset: ago, LogTime: featurestore.LogTime(int64(now) - ago*second)}
	}
	view := &definition.StreamView{Bindings: []definition.Binding{{Source: &definition.StreamSource{Meta: definition.Meta{Name: "clicks"}}}}}
	type marks = map[online.Partition]online.Watermark
	for name, c := range map[string]struct {
		lanes  []marks
		late   bool
		number int32
	}{
		"at the end":                       {[]marks{{clicks(1, 0): fetched(1), clicks(1, 1): fetched(2)}, {clicks(1, 0): fetched(0), clicks(1, 1): fetched(4)}}, false, 1},
		"one lane of one partition is not": {[]marks{{clicks(1, 0): fetched(1), clicks(1, 1): fetched(1)}, {clicks(1, 0): fetched(12), clicks(1, 1): fetched(1)}}, true, 0},
		"a lane has not met a partition":   {[]marks{{clicks(1, 0): fetched(1), clicks(1, 1): fetched(1)}, {clicks(1, 0): fetched(1)}}, true, 1},
		"a log that was replaced":          {[]marks{{clicks(1, 0): fetched(900), clicks(2, 0): fetched(1)}}, false, 0},
		"not at the end, but near":         {[]marks{{clicks(1, 0): logged(2)}}, false, 0},
		"not at the end":                   {[]marks{{clicks(1, 0): logged(20)}}, true, 0},
		"a log time that is not yet":       {[]marks{{clicks(1, 0): logged(-3600)}}, true, 0},
		"an end with such a log time": {[]marks{{clicks(1, 0): {
			Offset: 1, LogTime: featurestore.LogTime(now + 3600*second), FetchTime: now - 12*second,
		}}}, true, 0},
		"no partition of the source": {[]marks{{}}, true, 0},
	} {
		var lanes []online.Lane
		for _, m := range c.lanes {
			lanes = append(lanes, online.Lane{Meta: online.Meta{State: online.StateLive}, Watermarks: m})
		}
		g := service.Generation{State: online.Worst(lanes), Slowest: slowest(view, lanes)}
		if g.Late(now) != c.late || g.Slowest.Partition.Number != c.number {
			t.Errorf("%s: late is %t, slowest %+v", name, g.Late(now), g.Slowest)
		}
		if g.State = online.StateHalted; g.Late(now) {
			t.Errorf("%s: a view that is HALTED says so itself", name)
		}
	}
	if g := (service.Generation{State: online.StateLive}); g.Late(now) {
		t.Error("nobody feeds a batch view")
	}
}

// storeFault is a store that does not answer.
type storeFault struct{ err error }

func (s *storeFault) Lanes(context.Context, online.Generation, uint16) ([]online.Lane, error) {
	return nil, s.err
}

// Why the last refresh failed is kept until one does not, and is told apart: the
// online store's from the registry's.
func TestTroubleOfARefresh(t *testing.T) {
	reg, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "r.db"), online.DefaultLanes)
	if err != nil {
		t.Fatal(err)
	}
	files := []definition.File{{Path: "d.yaml", Data: []byte(`
kind: Entity
name: user
keys: [{name: user, type: string}]
---
kind: StreamSource
name: clicks
kafka: {topic: clicks}
format: json
timestamp: {field: at, format: unix_ms}
fields: {user: string}
---
kind: StreamView
name: seen
entity: user
source: clicks
features: [{name: n, agg: count, window: 1h}]
`)}}
	project, problems := definition.Load(files)
	if project == nil {
		t.Fatal(problems)
	}
	if _, err := reg.Apply(t.Context(), 0, registry.Revision{Files: files}, []registry.Target{{View: "seen", Hash: plan.Targets(project)["seen"]}}); err != nil {
		t.Fatal(err)
	}
	store := &storeFault{err: featurestore.Unavailablef("redis is not there")}
	w := New("p", reg, store, slog.New(slog.DiscardHandler))
	of := &StoreError{}
	if err := w.Refresh(t.Context()); err == nil || !errors.As(w.Trouble(), &of) || !errors.Is(w.Trouble(), featurestore.ErrUnavailable) {
		t.Errorf("%v; trouble %v", err, w.Trouble())
	}
	store.err = nil
	if err := w.Refresh(t.Context()); err != nil || w.Trouble() != nil {
		t.Errorf("%v; trouble %v", err, w.Trouble())
	}
	if err := reg.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Refresh(t.Context()); err == nil || w.Trouble() == nil || errors.As(w.Trouble(), &of) {
		t.Errorf("the registry: %v; trouble %v", err, w.Trouble())
	}
}
