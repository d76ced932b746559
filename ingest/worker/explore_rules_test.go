//go:build !race

package worker

// modelMutants are rules that a store's script or a loop keeps; the models ask
// for them.
var modelMutants = []string{
	"entities are compared", "watermarks are equal, not smaller",
	"queued records are dropped at a rewind", "the group's offset is no start",
}

// mutants are rules that the code of this package keeps. Whoever changes such a
// line moves the mistake along.
var mutants = []mutant{
	{"a heart beats also where nothing moved", "partition.go", `	for _, v := range p.views() {
		if p.last.Through >= 0`, `	for _, v := range p.views() {
		if WITHOUT && p.last.LogTime == noLogTime {
			continue
		}
		if p.last.Through >= 0`},
	{"a heart beats", "partition.go", `func (p *partition) beat(ctx context.Context) error {
`, `func (p *partition) beat(ctx context.Context) error {
	if WITHOUT {
		return nil
	}
`},
	{"a state closes by its own list", "fold.go", `	v.view.Plan.Settle(w.entity.state)
	v.encode(w)
`, `	own := slices.Clone(w.entity.state.Applied)
	if WITHOUT {
		for i := range own {
			e := &w.entity.state.Applied[i]
			at := v.lanes.at(w.lane, online.Partition{Source: v.view.Bindings[e.Source].Source.Name, Generation: e.Generation, Number: e.Partition})
			e.MaxLogTime = max(e.MaxLogTime, at.logTime)
		}
	}
	v.view.Plan.Settle(w.entity.state)
	copy(w.entity.state.Applied, own)
	v.encode(w)
`},
	{"entities that were only consulted are compared", "fold.go", `		case window.Duplicate:
			v.counts.Duplicate++
			entered = true
`, `		case window.Duplicate:
			v.counts.Duplicate++
			entered = entered || !WITHOUT
`},
	{"fingerprints are compared", "identity.go", `	return p.sameLog(ctx, v, bounds)
`, `	if WITHOUT {
		return nil
	}
	return p.sameLog(ctx, v, bounds)
`},
	{"fingerprints are compared at each beginning", "identity.go", `	other, err := differs(`, `	if p.begun.Load() && WITHOUT {
		return nil
	}
	other, err := differs(`},
	{"an end below what was applied is a GAP", "identity.go", `	if high >= bounds.End {
`, `	if high >= bounds.End && !WITHOUT {
`},
	{"expired records are a GAP", "identity.go", `		if expired || v.Met(p.id()) {
`, `		if (expired || v.Met(p.id())) && WITHOUT {
			v.mu.Lock()
			defer v.mu.Unlock()
			return v.advance(ctx, &Chunk{Partition: p.id(), Through: bounds.Start - 1, LogTime: noLogTime})
		}
		if expired || v.Met(p.id()) {
`},
	{"a new partition is read from its beginning", "identity.go", `	low, high := v.Lowest(p.id()), v.Highest(p.id())
`, `	low, high := v.Lowest(p.id()), v.Highest(p.id())
	if high == -1 && WITHOUT {
		return v.Begin(ctx, p.id(), bounds.End)
	}
`},
}
