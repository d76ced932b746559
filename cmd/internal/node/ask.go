package node

import (
	"sync"
	"time"

	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/worker"
)

// said is what an ingester says of its views; empty where it does not in time, and
// where there is none.
type said struct {
	answered   bool
	counts     map[online.Generation]worker.Counts
	conditions map[online.Generation]worker.Condition
	troubles   map[online.Generation]string
	rereading  map[online.Generation]worker.Rereading
	audit      worker.AuditStatus
	missing    []worker.Missing
	removed    []worker.Missing
}

// asking is the question that is under way: one at a time, which all who ask share.
type asking struct {
	mu  sync.Mutex
	now *asked // nil: none
}

type asked struct {
	done chan struct{} // closed when said is there
	said said
}

// ask asks the ingester of this process; w may be nil. While a store hangs, it holds
// what is asked for until its calls have failed: it is not waited for so long.
func (p *Parts) ask(w *worker.Worker) *said {
	if w == nil {
		return &said{}
	}
	now := p.asking.begin(w)
	timer := time.NewTimer(reachWithin)
	defer timer.Stop()
	select {
	case <-now.done:
		return &now.said
	case <-timer.C:
		return &said{}
	}
}

// asks is ask beside something else.
func (p *Parts) asks(w *worker.Worker) <-chan *said {
	out := make(chan *said, 1)
	go func() { out <- p.ask(w) }()
	return out
}

func (a *asking) begin(w *worker.Worker) *asked {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.now == nil {
		now := &asked{done: make(chan struct{})}
		a.now = now
		go func() {
			now.said = said{answered: true, counts: w.ViewCounts(), conditions: w.Conditions(), troubles: w.Troubles(), rereading: w.Rereading(), audit: w.AuditStatus(), missing: w.Missing(), removed: w.Removed()}
			a.mu.Lock()
			a.now = nil
			a.mu.Unlock()
			close(now.done)
		}()
	}
	return a.now
}
