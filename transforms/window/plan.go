package window

import (
	"cmp"
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
	sources   []SourceRule
	ttl       featurestore.Duration
	inputs    int // how many values of Row.Inputs are used
	ladder    ladder
	dedupe    int64 // tile within which an event id counts once
	layout    *agg.Layout
	finishers []agg.Finisher // of Trailing features, by feature
	chains    []chain
	latest    []int                 // Latest features
	keep      featurestore.Duration // Retention
	bounded   bool
}

// Compile checks and compiles a view.
func Compile(c Config) (*Plan, error) {
	p := &Plan{features: slices.Clone(c.Features), sources: slices.Clone(c.Sources), ttl: c.TTL}
	if c.TTL < 0 || c.TTL > maxReach {
		return nil, fmt.Errorf("ttl %s is out of range: write up to %s", c.TTL, maxReach)
	}
	if len(c.Sources) == 0 {
		return nil, fmt.Errorf("a view needs a source")
	}
	for i, s := range c.Sources {
		if s.AllowedLateness < 0 || s.AllowedLateness > maxReach {
			return nil, fmt.Errorf("allowed_lateness %s of source %d is out of range: write up to %s", s.AllowedLateness, i, maxReach)
		}
	}
	for i := range p.features {
		f := &p.features[i]
		if err := f.resolve(); err != nil {
			return nil, fmt.Errorf("feature %q: %w", f.Name, err)
		}
		p.inputs = max(p.inputs, f.Input+1, f.Where+1)
		if f.Kind == Latest {
			p.latest = append(p.latest, i)
		}
	}
	p.ladder = newLadder(p.features)
	p.dedupe = int64(featurestore.Second)
	if len(p.ladder.sizes) > 0 {
		p.dedupe = p.ladder.sizes[0]
	}
	p.keep, p.bounded = p.retention()
	return p, p.layOut()
}

// resolve checks one feature and fills in its tile and type.
func (f *Feature) resolve() error {
	if f.Kind == Latest {
		return f.resolveLatest()
	}
	if f.Kind != Trailing {
		return fmt.Errorf("window kind %d is not supported yet", f.Kind)
	}
	t, err := agg.Check(f.Call)
	if err != nil {
		return err
	}
	if f.Type.Kind == featurestore.KindNull {
		f.Type = t
	}
	if !f.Type.Equal(t) {
		return fmt.Errorf("its type is %s, but %s gives %s", f.Type, f.Call.Func, t)
	}
	if f.Width <= 0 || f.Width > maxReach {
		return fmt.Errorf("window %s is out of range: write more than 0s and up to %s", f.Width, maxReach)
	}
	if f.Offset < 0 || f.Offset > maxReach {
		return fmt.Errorf("offset %s is out of range: write up to %s", f.Offset, maxReach)
	}
	if err := f.resolveTile(); err != nil {
		return err
	}
	return f.checkDefault()
}

func (f *Feature) resolveTile() error {
	if f.Tile == 0 {
		f.Tile = DefaultTile(f.Width)
		return nil
	}
	if !slices.Contains(steps[:], f.Tile) {
		return fmt.Errorf("tile %s is no tile size: write one of 1s, 10s, 1m, 5m, 1h, 1d", f.Tile)
	}
	if f.Width%f.Tile != 0 {
		return fmt.Errorf("tile %s does not divide the window %s", f.Tile, f.Width)
	}
	return nil
}

func (f *Feature) resolveLatest() error {
	if f.Input < 0 || f.Type.Kind == featurestore.KindNull {
		return fmt.Errorf("a latest value needs an input and a type")
	}
	if f.Where >= 0 {
		return fmt.Errorf("a latest value takes no where: use last with a window")
	}
	depth := 0
	for t := &f.Type; t != nil; t = t.Elem {
		if depth++; depth > maxNesting {
			return fmt.Errorf("its type nests deeper than %d", maxNesting)
		}
	}
	return f.checkDefault()
}

func (f *Feature) checkDefault() error {
	if !f.Default.IsNull() && f.Default.Kind() != f.Type.Kind {
		return fmt.Errorf("its default is a %s, not a %s", f.Default.Kind(), f.Type)
	}
	return nil
}

// layOut compiles the aggregates and the order in which reads visit tiles.
func (p *Plan) layOut() error {
	var uses []agg.Use
	var trailing []int
	for i := range p.features {
		if f := &p.features[i]; f.Kind == Trailing {
			uses = append(uses, agg.Use{Call: f.Call, Input: f.Input, Where: f.Where, EmptyNull: f.EmptyNull})
			trailing = append(trailing, i)
		}
	}
	layout, finishers, err := agg.Compile(uses)
	if err != nil {
		return err
	}
	p.layout, p.finishers = layout, make([]agg.Finisher, len(p.features))
	for i, f := range trailing {
		p.finishers[f] = finishers[i]
	}
	slices.SortStableFunc(trailing, func(a, b int) int {
		x, y := &p.features[a], &p.features[b]
		return cmp.Or(cmp.Compare(x.Offset+x.Width, y.Offset+y.Width), cmp.Compare(x.Tile, y.Tile))
	})
	for _, f := range trailing {
		p.link(f)
	}
	for i := range p.chains {
		p.chains[i].close(p)
	}
	return nil
}

// Features are the output columns in order, tiles and types resolved. The slice
// must not be changed.
func (p *Plan) Features() []Feature { return p.features }

// Cover is what a window of a feature may cover: at least its width, and up to
// Most, since its start is aligned down to the tile.
type Cover struct{ Tile, Least, Most featurestore.Duration }

// Cover gives the cover of feature i; it is zero for a latest value. A window
// with an offset covers its width to the tile, and may end up to a tile early.
func (p *Plan) Cover(i int) Cover {
	f := &p.features[i]
	switch {
	case f.Kind != Trailing:
		return Cover{}
	case f.Offset > 0:
		up := (f.Width + f.Tile - 1) / f.Tile * f.Tile
		return Cover{Tile: f.Tile, Least: f.Width / f.Tile * f.Tile, Most: up}
	}
	return Cover{Tile: f.Tile, Least: f.Width, Most: f.Width + f.Tile - featurestore.Microsecond}
}

// DedupeTile is the tile within which an event id counts once: the finest of the
// view's windows, and a second for a view that has none.
func (p *Plan) DedupeTile() featurestore.Duration { return featurestore.Duration(p.dedupe) }

// Retention is how far back an event can matter: the largest offset + window
// (or ttl), plus the largest tile and the largest lateness. The TTL of a stored
// entity is a day more. bounded is false where a feature has no bound.
func (p *Plan) Retention() (d featurestore.Duration, bounded bool) { return p.keep, p.bounded }

func (p *Plan) retention() (d featurestore.Duration, bounded bool) {
	var reach, tile, lateness featurestore.Duration
	for i := range p.features {
		f := &p.features[i]
		if f.Kind == Latest {
			if p.ttl == 0 {
				return 0, false
			}
			reach = max(reach, p.ttl)
			continue
		}
		reach = max(reach, f.Offset+f.Width)
		tile = max(tile, f.Tile)
	}
	for _, s := range p.sources {
		lateness = max(lateness, s.AllowedLateness)
	}
	return reach + tile + lateness, true
}
