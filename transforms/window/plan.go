package window

import (
	"errors"
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
)

// maxReach bounds offset and width, so that no edge leaves the range of an
// instant: a thousand years.
const maxReach = 365_250 * featurestore.Day

// maxNesting is how deep the type of a latest value may nest lists and maps.
const maxNesting = 8

// Plan is a compiled Config: immutable, safe for concurrent use.
type Plan struct {
	features  []Feature // tiles resolved
	finishers []agg.Finisher
	sources   []SourceRule
	ttl       featurestore.Duration
	inputs    int                 // how many values of Row.Inputs are used
	kinds     []featurestore.Kind // of each of them; null where no feature says
	dedupe    int64               // tile within which an event id counts once

	ladder   ladder
	tiled    part     // what is read from the ladder's tiles
	windows  []window // its spans, each once
	series   []int    // uses of the tiled part that are series
	uniform  bool     // all windows need the same
	origins  bool     // the cells of a tile are written relative to its start
	lifetime part
	sessions []sessionPlan
	lists    []listPlan
	latest   []int // features

	changes bool // some source retracts rows
	raw     bool // and what it retracts from is rebuilt from raw rows
	net     netPlan

	keep    featurestore.Duration // Retention
	bounded bool
}

// part is a set of features that share cells.
type part struct {
	layout    *agg.Layout // nil for none
	uses      []use
	tileBytes int // of a tile of one event, about
}

// use is a feature of a part.
type use struct {
	feature  int
	finisher agg.Finisher
}

// Compile checks and compiles a view.
func Compile(c Config) (*Plan, error) {
	p := &Plan{features: slices.Clone(c.Features), sources: slices.Clone(c.Sources), ttl: c.TTL}
	if err := p.checkView(); err != nil {
		return nil, err
	}
	for i := range p.features {
		f := &p.features[i]
		if err := f.resolve(); err != nil {
			return nil, fmt.Errorf("feature %q: %w", f.Name, err)
		}
		p.note(f)
		if f.Kind == Latest {
			p.latest = append(p.latest, i)
		}
	}
	p.finishers = make([]agg.Finisher, len(p.features))
	if err := p.layOut(); err != nil {
		return nil, err
	}
	p.weigh()
	p.dedupe = p.finest()
	p.keep, p.bounded = p.retention()
	p.planChanges()
	return p, nil
}

// weigh notes what tiles take: short lists of small ones are kept whole.
func (p *Plan) weigh() {
	if p.tiled.layout != nil {
		p.tiled.tileBytes = p.sampleBytes(p.tiled.layout)
	}
	for i := range p.sessions {
		p.sessions[i].tileBytes = p.sampleBytes(p.sessions[i].layout)
	}
}

func (p *Plan) checkView() error {
	if p.ttl < 0 || p.ttl > maxReach {
		return fmt.Errorf("ttl %s is out of range: write up to %s", p.ttl, maxReach)
	}
	if len(p.sources) == 0 {
		return errors.New("a view needs a source")
	}
	for i, s := range p.sources {
		if s.AllowedLateness < 0 || s.AllowedLateness > maxReach {
			return fmt.Errorf("allowed_lateness %s of source %d is out of range: write up to %s", s.AllowedLateness, i, maxReach)
		}
	}
	return nil
}

// note takes down which inputs a feature reads.
func (p *Plan) note(f *Feature) {
	read := func(input int, k featurestore.Kind) {
		if input < 0 {
			return
		}
		for len(p.kinds) <= input {
			p.kinds = append(p.kinds, featurestore.KindNull)
		}
		p.kinds[input], p.inputs = k, len(p.kinds)
	}
	read(f.Where, featurestore.KindBool)
	if f.Kind == Latest {
		read(f.Input, f.Type.Kind)
		return
	}
	read(f.Input, f.Call.Input.Kind)
	if f.Call.Second.Kind != featurestore.KindNull {
		read(f.Second, f.Call.Second.Kind)
	}
	if f.Call.By.Kind != featurestore.KindNull {
		read(f.By, f.Call.By.Kind)
	}
}

// layOut sorts the features into parts and compiles their aggregates.
func (p *Plan) layOut() error {
	var tiled, lifetime []int
	for i := range p.features {
		f := &p.features[i]
		switch {
		case f.Kind == Lifetime:
			lifetime = append(lifetime, i)
		case f.Kind != Latest && kinds[f.Kind].spans != nil:
			tiled = append(tiled, i)
		}
	}
	var err error
	if p.lifetime, err = p.part(lifetime, true); err != nil {
		return err
	}
	if p.tiled, err = p.part(tiled, true); err != nil {
		return err
	}
	p.layWindows()
	if err := p.laySessions(); err != nil {
		return err
	}
	return p.layLists()
}

// part compiles the aggregates of features; where says whether their conditions
// are looked at, or hold of all that is added.
func (p *Plan) part(features []int, where bool) (part, error) {
	if len(features) == 0 {
		return part{}, nil
	}
	uses := make([]agg.Use, len(features))
	for i, at := range features {
		f := &p.features[at]
		uses[i] = agg.Use{Call: f.Call, Input: f.Input, Second: f.Second, By: f.By, Where: -1, EmptyNull: f.EmptyNull}
		if where {
			uses[i].Where = f.Where
		}
	}
	layout, finishers, err := agg.Compile(uses)
	if err != nil {
		return part{}, err
	}
	out := part{layout: layout}
	for i, at := range features {
		p.finishers[at] = finishers[i]
		out.uses = append(out.uses, use{feature: at, finisher: finishers[i]})
	}
	return out, nil
}

// laySessions groups the session windows by where and tile.
func (p *Plan) laySessions() error {
	var groups [][]int
	for i := range p.features {
		f := &p.features[i]
		if f.Kind != Session {
			continue
		}
		at := slices.IndexFunc(groups, func(g []int) bool {
			o := &p.features[g[0]]
			return o.Where == f.Where && o.Tile == f.Tile
		})
		if at < 0 {
			at = len(groups)
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], i)
	}
	for _, g := range groups {
		part, err := p.part(g, false)
		if err != nil {
			return err
		}
		f := &p.features[g[0]]
		p.sessions = append(p.sessions, sessionPlan{part: part, where: f.Where, tile: int64(f.Tile)})
	}
	return nil
}

// layLists groups the windows that are read from raw rows by where.
func (p *Plan) layLists() error {
	var groups [][]int
	for i := range p.features {
		f := &p.features[i]
		if f.Kind != Rows && !f.Exact {
			continue
		}
		at := slices.IndexFunc(groups, func(g []int) bool { return p.features[g[0]].Where == f.Where })
		if at < 0 {
			at = len(groups)
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], i)
	}
	for _, g := range groups {
		part, err := p.part(g, false)
		if err != nil {
			return err
		}
		l := listPlan{part: part, where: p.features[g[0]].Where, columns: columnsOf(p.features, g)}
		for _, i := range g {
			f := &p.features[i]
			if f.Kind == Rows {
				l.newest = max(l.newest, int(f.Count))
				continue
			}
			l.exact = max(l.exact, int(f.MaxRows)+1)
			l.back = max(l.back, int64(f.Offset+f.Width))
		}
		l.quantum = quantum(int64(featurestore.Second), l.back)
		p.lists = append(p.lists, l)
	}
	return nil
}

// Features are the output columns in order, tiles and types resolved. The slice
// must not be changed.
func (p *Plan) Features() []Feature { return p.features }

// finest is the finest tile of the view's windows, and a second for a view
// without any.
func (p *Plan) finest() int64 {
	least := featurestore.Duration(0)
	for i := range p.features {
		if t := p.features[i].Tile; p.features[i].Kind != Latest && t > 0 && (least == 0 || t < least) {
			least = t
		}
	}
	if least == 0 {
		least = featurestore.Second
	}
	return int64(least)
}

// DedupeTile is the tile within which an event id counts once: the finest of the
// view's windows, and a second for a view that has none.
func (p *Plan) DedupeTile() featurestore.Duration { return featurestore.Duration(p.dedupe) }

// Retention is how far back an event can matter: the furthest that a window (or
// the ttl) reaches, plus the largest tile and the largest lateness. The TTL of a
// stored entity is a day more. bounded is false where a feature has no bound.
func (p *Plan) Retention() (d featurestore.Duration, bounded bool) { return p.keep, p.bounded }

func (p *Plan) retention() (d featurestore.Duration, bounded bool) {
	reach, tile, bounded := p.reach()
	if !bounded {
		return 0, false
	}
	lateness := featurestore.Duration(0)
	for _, s := range p.sources {
		lateness = max(lateness, s.AllowedLateness)
	}
	return reach + tile + lateness, true
}

// reach is how far back of a read time a window can begin, and the largest tile.
func (p *Plan) reach() (d, tile featurestore.Duration, bounded bool) {
	for i := range p.features {
		f := &p.features[i]
		if f.Kind == Latest {
			if p.ttl == 0 {
				return 0, 0, false
			}
			d = max(d, p.ttl)
			continue
		}
		r, ok := kinds[f.Kind].reach(f)
		if !ok {
			return 0, 0, false
		}
		d, tile = max(d, r), max(tile, f.Tile)
	}
	return d, tile, true
}
