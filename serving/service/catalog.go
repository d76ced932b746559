package service

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
)

// Generation says which generation of a view answers, and what the store says
// of its lanes. Ready is false while none does: answers are REBUILDING.
type Generation struct {
	ID    online.Generation
	Lanes uint16
	Ready bool
	State online.State // of its lanes, the worst; StateMissing also where no generation answers
	// Halted says that nothing more is applied until a person acts: the values
	// are those of the watermark.
	Halted bool
	// Watermark is the view's watermark time: the least, over its source
	// partitions, of the last applied log time, or of the fetch time where the
	// ingester was at the end.
	Watermark    featurestore.Instant
	HasWatermark bool
	// Slowest is nil for a batch view: nobody feeds it.
	Slowest *Slowest
}

// Catalog is everything a lookup needs to know of one revision: immutable, made
// anew when the registry or the lanes change.
type Catalog struct {
	Revision    int64
	Project     *definition.Project
	Generations map[string]Generation // by view
	services    map[string]*Compiled
	scratch     map[*definition.StreamView]*sync.Pool // of *window.Scratch
	home        *home
}

// home is what all catalogs of one revision share: the newest of them. A plan is
// read with a catalog of its own revision, also where another revision has come
// since it was made: it would not understand what another meaning stores.
type home struct{ newest atomic.Pointer[Catalog] }

// NewCatalog compiles every service of a revision.
func NewCatalog(revision int64, p *definition.Project, generations map[string]Generation) (*Catalog, error) {
	c := &Catalog{
		Revision: revision, Project: p, Generations: generations, services: map[string]*Compiled{},
		scratch: scratchOf(p), home: &home{},
	}
	for _, s := range p.Services {
		compiled, err := c.compile(s)
		if err != nil {
			return nil, err
		}
		c.services[s.Name] = compiled
	}
	c.home.newest.Store(c)
	return c, nil
}

// With is the same catalog under other generations; compiled plans are kept.
func (c *Catalog) With(generations map[string]Generation) *Catalog {
	next := *c
	next.Generations = generations
	next.home.newest.Store(&next)
	return &next
}

// Service gives the plan of a service.
func (c *Catalog) Service(name string) (*Compiled, error) {
	if s, ok := c.services[name]; ok {
		return s, nil
	}
	names := make([]string, 0, len(c.services))
	for n := range c.services {
		names = append(names, n)
	}
	slices.Sort(names)
	return nil, &NameError{Code: "UNKNOWN_SERVICE", Message: "there is no service " + quote(name) + "; there are: " + strings.Join(names, ", ")}
}

// Features compiles an ad-hoc list of "view.feature" references.
func (c *Catalog) Features(refs []string) (*Compiled, error) {
	s, err := c.Project.AdHoc(refs)
	if err != nil {
		return nil, &NameError{Code: "UNKNOWN_FEATURE", Message: err.Error()}
	}
	return c.compile(s)
}

// NameError is about a name that does not exist; Code is for programs.
type NameError struct{ Code, Message string }

func (e *NameError) Error() string { return e.Message }

// Unwrap makes it an ErrNotFound.
func (e *NameError) Unwrap() error { return featurestore.ErrNotFound }

func quote(s string) string {
	if len(s) > 80 {
		s = s[:80] + "..."
	}
	return "\"" + s + "\""
}
