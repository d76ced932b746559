package worker

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/registry"
)

// lookedAt is a registry that is looked at after each write of a state: as a server
// looks at it, and as a process that ended then would leave it.
type lookedAt struct {
	registry.Store
	mu    sync.Mutex
	notes []string
}

func (l *lookedAt) SetState(ctx context.Context, steps ...registry.Step) error {
	err := l.Store.SetState(ctx, steps...)
	if err == nil {
		// What is looked at was written, also where the worker is told to stop meanwhile.
		l.look(context.WithoutCancel(ctx))
	}
	return err
}

func (l *lookedAt) look(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	newest, err := l.CurrentNumber(ctx)
	if err != nil {
		l.notes = append(l.notes, err.Error())
		return
	}
	list, err := l.Generations(ctx)
	if err != nil {
		l.notes = append(l.notes, err.Error())
		return
	}
	chosen, whole, err := registry.Choose(newest, registry.LiveOf(list), func(n int64) (*definition.Project, error) {
		r, err := l.Revision(ctx, n)
		if err != nil {
			return nil, err
		}
		p, _ := definition.Load(r.Files)
		return p, nil
	})
	switch {
	case err != nil:
		l.notes = append(l.notes, err.Error())
	case !whole:
		l.notes = append(l.notes, "no revision is whole")
	default:
		l.notes = append(l.notes, "revision "+string(rune('0'+chosen)))
	}
}

// Two views that change in one revision take over in one write of the registry: at no
// moment, also where the process ends at it, is there none whose views all answer.
func TestViewsTakeOverTogether(t *testing.T) {
	p := newPlant(t)
	p.topic("clicks", 2)
	p.topic("orders", 1)
	first := definitions + spendingToo
	p.apply(first)
	seen := &lookedAt{}
	p.configure = func(c *Config) { seen.Store, c.Registry = c.Registry, seen }
	p.some(74, 60)
	p.start()
	p.apply(changedBoth(first))
	p.eventually("the second revision answers", func() bool { return p.live("activity") == 2 && p.live("spending") == 2 })
	p.stop()
	if got := strings.Join(seen.notes, "; "); got != "revision 2" {
		t.Errorf("after each write of a state: %s", got)
	}
}
