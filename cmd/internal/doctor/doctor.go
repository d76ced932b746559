// Package doctor is what a person runs first when something is wrong: it looks at
// every part of a deployment, each once those are known that it depends on and the rest
// side by side, and says of each what it saw, why that matters and what to run next. It
// changes nothing. Each check has a deadline of its own: a part that is down costs that
// long, and the others are looked at meanwhile.
//
// It decides nothing anew: what a store must be, how a view is, what a log has lost
// is asked of the code that acts on it.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// State is the outcome of a check.
type State string

// Outcomes.
const (
	OK      State = "ok"
	Warning State = "warning" // it works, and somebody should look
	Failed  State = "failed"
	Skipped State = "skipped" // it needs something that failed, or that is not there
)

// Result is one check of one thing.
type Result struct {
	Check string `json:"check"`        // settings, definitions, registry, ...
	Of    string `json:"of,omitempty"` // the source, view or folder
	State State  `json:"state"`
	Seen  string `json:"seen"`
	Why   string `json:"why,omitempty"`  // why that matters; of what is not ok
	Next  string `json:"next,omitempty"` // what to run or to change
}

// Report is everything that was looked at, in order.
type Report struct {
	Checks   []Result `json:"checks"`
	Failed   int      `json:"failed"`
	Warnings int      `json:"warnings"`
}

// Config says what to look at.
type Config struct {
	Settings    func() (*settings.Settings, error)
	Definitions func(root string) ([]definition.File, error)
	Role        Role          // of the process whose settings these are
	Addr        string        // of a running server; "" is serve.listen
	Timeout     time.Duration // of each check
	Now         func() featurestore.Instant
	Logger      *slog.Logger       // of the parts that are opened
	Slow        func(check string) // told of a check that takes longer than a second; nil for nobody
}

// grace is what a check gets after its deadline to say what it was doing.
const grace = 500 * time.Millisecond

// slowAfter is when a person is told what is waited for.
const slowAfter = time.Second

// exam is one run. What a check has found is kept for those that follow, by the
// goroutine that starts them.
type exam struct {
	Config
	settings *settings.Settings
	parts    *node.Parts         // those that are open
	project  *definition.Project // that is applied; nil where nothing is, or is not known
	reports  []report            // of running processes
	own      *node.Status        // as this process sees the stores; nil where it cannot
	closers  []func() error
}

// finding is what one check gives: its results, and what later ones need.
type finding struct {
	results []Result
	keep    func(*exam)
}

func (f *finding) add(state State, seen string, more ...string) *Result {
	r := Result{State: state, Seen: seen}
	if len(more) > 0 {
		r.Why = more[0]
	}
	if len(more) > 1 {
		r.Next = more[1]
	}
	f.results = append(f.results, r)
	return &f.results[len(f.results)-1]
}

// check is one step. It must not touch the exam but by what its finding keeps: others
// run beside it, also where it outlives its deadline.
type check struct {
	name  string
	run   func(ctx context.Context, e *exam) finding
	after []string // the checks whose findings it needs
}

// checks are in the order in which they are told.
var checks = []check{
	{"settings", checkSettings, nil},
	{"definitions", checkDefinitions, []string{"settings"}},
	{"registry", checkRegistry, []string{"settings", "definitions"}},
	{"server", checkServer, []string{"settings"}},
	{"log", checkLog, []string{"registry"}},
	{"store", checkStore, []string{"registry"}},
	{"rights", checkRights, []string{"store"}},
	{"schemas", checkSchemas, []string{"registry"}},
	{"sources", checkSources, []string{"log", "store"}},
	{"views", checkViews, []string{"server", "log", "store"}},
	{"generations", checkGenerations, []string{"registry", "server"}},
	{"dead letters", checkLetters, []string{"log"}},
	{"disk", checkDisk, []string{"server", "log", "store"}},
	{"clock", checkClock, []string{"server", "store"}},
	{"ingester", checkIngester, []string{"server", "store"}},
	{"audit", checkAudit, []string{"server"}},
	{"canary", checkCanary, []string{"server"}},
}

// waits are the checks that a check waits for. An embedded store is open in the process
// that answers: whether one does must be known.
func (k *check) waits(e *exam) []string {
	if k.name == "store" && e.settings != nil && e.settings.Online.Embedded != "" {
		return append([]string{"server"}, k.after...)
	}
	return k.after
}

// told is what a check has come to.
type told struct {
	at      int
	results []Result
	keep    func(*exam)
}

// Run looks at everything. It returns within the checks' deadlines, or when ctx ends.
func Run(ctx context.Context, c Config) *Report {
	e := &exam{Config: c}
	if c.Slow != nil {
		var one sync.Mutex
		e.Slow = func(check string) {
			one.Lock()
			defer one.Unlock()
			c.Slow(check)
		}
	}
	defer e.close()
	all := e.examine(ctx)
	out := &Report{}
	for at, k := range checks {
		for _, r := range all[at] {
			r.Check = k.name
			switch r.State {
			case Failed:
				out.Failed++
			case Warning:
				out.Warnings++
			}
			out.Checks = append(out.Checks, r)
		}
	}
	return out
}

// examine runs every check once those that it waits for have ended, until ctx ends.
func (e *exam) examine(ctx context.Context) [][]Result {
	all := make([][]Result, len(checks))
	begun, ended, running := map[string]bool{}, map[string]bool{}, 0
	news := make(chan told)
	for {
		for at := range checks {
			k := checks[at]
			if ctx.Err() != nil || begun[k.name] || slices.ContainsFunc(k.waits(e), func(name string) bool { return !ended[name] }) {
				continue
			}
			begun[k.name] = true
			running++
			seen := e.now()
			go func() {
				results, keep := seen.within(ctx, k)
				news <- told{at, results, keep}
			}()
		}
		if running == 0 {
			return all
		}
		t := <-news
		running--
		all[t.at], ended[checks[t.at].name] = t.results, true
		if t.keep != nil {
			t.keep(e)
		}
	}
}

// now is the exam as it is now, for a check that others run beside.
func (e *exam) now() *exam {
	seen := *e
	if e.parts != nil {
		parts := *e.parts
		seen.parts = &parts
	}
	return &seen
}

// within runs a check up to its deadline.
func (e *exam) within(ctx context.Context, k check) ([]Result, func(*exam)) {
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	done := make(chan finding, 1)
	go func() { done <- k.run(ctx, e) }()
	slow := time.AfterFunc(slowAfter, func() {
		if e.Slow != nil {
			e.Slow(k.name)
		}
	})
	defer slow.Stop()
	timer := time.NewTimer(e.Timeout + grace)
	defer timer.Stop()
	select {
	case f := <-done:
		return f.results, f.keep
	case <-timer.C:
		return []Result{{
			State: Failed, Seen: fmt.Sprintf("no answer within %s", e.Timeout),
			Why: "whoever needs this part waits for it as well", Next: "look at that part, or give it longer: freshet doctor --timeout " + (4 * e.Timeout).String(),
		}}, nil
	}
}

func (e *exam) close() {
	for i := len(e.closers) - 1; i >= 0; i-- {
		if err := e.closers[i](); err != nil {
			e.Logger.Warn("a part could not be closed in order", "error", err)
		}
	}
}

// skip says that a check needs what is not there.
func skip(what string) finding {
	f := finding{}
	f.add(Skipped, what)
	return f
}

// needs is the finding of a check that cannot be made; false where it can.
func (e *exam) needs(registry, store bool) (finding, bool) {
	switch {
	case e.settings == nil:
		return skip("it needs the settings"), true
	case registry && e.parts.Registry == nil:
		return skip("it needs the registry"), true
	case registry && e.project == nil:
		return skip("nothing is applied, or it does not load"), true
	case store && e.parts.Online == nil:
		return skip("it needs the online store, which is not reached, or is another process's"), true
	}
	return finding{}, false
}

// text is an error in one line, with what a deadline has cut off.
func text(err error) string {
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err // the address stands beside it
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time: " + err.Error()
	}
	return err.Error()
}
