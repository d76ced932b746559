//go:build !race

package worker

// modelMutants are rules that a store's script or a loop keeps; the models ask
// for them.
var modelMutants = []string{
	"states are compared", "entities are compared", "watermarks are equal, not smaller",
	"what is known is compared where another has written",
	"a fetch that was interrupted is compared", "queued records are dropped at a rewind", "the group's offset is no start",
}

// mutants are rules that the code of this package keeps. Whoever changes such a
// line moves the mistake along.
var mutants = []mutant{
	{"a heart beats also where nothing moved", "partition.go", `	for _, v := range p.views() {
		if err := v.Beat`, `	for _, v := range p.views() {
		if WITHOUT && p.last.LogTime == noLogTime {
			continue
		}
		if err := v.Beat`},
	{"some partition compares the lanes at each heartbeat", "heartbeat.go", `before && heard == v.audits {
`, `before && heard == v.audits && !WITHOUT {
`},
	{"lanes that were moved once move along later", "lanes.go", `	m.moved = false
`, `	m.moved = WITHOUT
`},
	{"a heart beats", "partition.go", `func (p *partition) beat(ctx context.Context) error {
`, `func (p *partition) beat(ctx context.Context) error {
	if WITHOUT {
		return nil
	}
`},
	{"a state closes by its own list", "fold.go", `	v.view.Plan.Settle(state)
	v.encode(by, w, state)
`, `	own := append(state.Applied[:0:0], state.Applied...)
	if WITHOUT {
		for i := range own {
			e := &state.Applied[i]
			at := v.lanes.at(w.lane, online.Partition{Source: v.view.Bindings[e.Source].Source.Name, Generation: e.Generation, Number: e.Partition})
			e.MaxLogTime = max(e.MaxLogTime, at.logTime)
		}
	}
	v.view.Plan.Settle(state)
	copy(state.Applied, own)
	v.encode(by, w, state)
`},
	{"entities that were only consulted are compared", "fold.go", `		case window.Duplicate:
			by.counts.Duplicate++
			entered = true
`, `		case window.Duplicate:
			by.counts.Duplicate++
			entered = entered || !WITHOUT
`},
	{"what is known is forgotten where another has written", "fold.go", `	if !r.Followed {
`, `	if !r.Followed && !WITHOUT {
`},
	{"duplicates enter the list", "fold.go", `		switch v.view.Plan.Apply(state, by.rowAt(&v.fold, p, at)) {
`, `		list := append(state.Applied[:0:0], state.Applied...)
		verdict := v.view.Plan.Apply(state, by.rowAt(&v.fold, p, at))
		if verdict == window.Duplicate && WITHOUT {
			state.Applied = list
		}
		switch verdict {
`},
	{"idle lanes move along", "heartbeat.go", `		if m.offset > c.Through ||`, `		if m.offset > c.Through || WITHOUT ||`},
	{"a chunk follows on what the store has", "view.go", `	if through := v.through(c.Partition); c.From > through+1 {
`, `	if through := v.through(c.Partition); c.From > through+1 && !WITHOUT {
`},
	{"no lane passes what it has not seen", "heartbeat.go", `	if through := v.through(c.Partition); c.Through > through {
`, `	if through := v.through(c.Partition); c.Through > through && !WITHOUT {
`},
	{"a feed ends where the store stands otherwise", "lanes.go", `		if v.lanes.moved(p, &before) {
`, `		if v.lanes.moved(p, &before) && !WITHOUT {
`},
	{"reading begins at the lowest lane", "lanes.go", `	low := int64(math.MaxInt64)
	for i := range l.marks {
		low`, `	low := int64(math.MaxInt64)
	if WITHOUT {
		return l.highest(p)
	}
	for i := range l.marks {
		low`},
	{"a generation is live when it has caught up", "caughtup.go", `	v := r.view
	for _, b := range v.view.Bindings {
`, `	v := r.view
	if WITHOUT {
		return true
	}
	for _, b := range v.view.Bindings {
`},
	{"who leads looks at views that it does not read", "unread.go", `	for _, v := range w.unread() {
`, `	for _, v := range w.unread() {
		if WITHOUT {
			break
		}
`},
	{"lanes that are LIVE may have to take over", "caughtup.go", `		answers := s == online.StateLive && r.state != registry.Building
`, `		answers := s == online.StateLive && (r.state != registry.Building || WITHOUT)
`},
	{"the lanes say whether they are filled", "generations.go", `		r.full = filled(stored)
		if`, `		r.full = filled(stored) || r.full && WITHOUT
		if`},
	{"what is left of lost lanes is dropped", "generations.go", `	lost := !whole && (some || known)
	if lost {
`, `	lost := !whole && (some || known)
	if lost && !WITHOUT {
`},
	{"eviction makes every view LOST", "storewatch.go", `func (w *Worker) lose(ctx context.Context) error {
`, `func (w *Worker) lose(ctx context.Context) error {
	if WITHOUT {
		return nil
	}
`},
	{"a partition stays halted only over lanes that are there", "halted.go", `	if whole, _ := intact(stored); !whole || !filled(stored) {
		return errLost
`, `	if whole, _ := intact(stored); (!whole || !filled(stored)) && !WITHOUT {
		return errLost
`},
	{"bad records that the lanes have forgotten are said again", "halted.go", `		if stream {
			return v.setState`, `		if stream && !WITHOUT {
			return v.setState`},
	{"a damaged entity is never passed over", "load.go", `	if damaged != nil {
		return v.found`, `	if damaged != nil && WITHOUT {
		for _, w := range missing {
			w.done = w.done || w.entity == nil
		}
		damaged = nil
	}
	if damaged != nil {
		return v.found`},
	{"blobs are dropped after an unknown outcome", "settle.go", `			lost[lane] = true
			v.forget(works)
`, `			lost[lane] = true
			if r.Outcome == online.OutcomeUnknown && WITHOUT {
				v.acknowledge(&call.batches[i], works, r)
				delete(lost, lane)
				continue
			}
			v.forget(works)
`},
	{"fingerprints are compared", "sourcelog.go", `		if reason := madeAnew(bounds, a, found); reason != "" {
`, `		if reason := madeAnew(bounds, a, found); reason != "" && !(WITHOUT && found.differs >= 0 && a.high < bounds.End) {
`},
	{"a log that is restored goes on", "restored.go", `	if gap := s.gone.Load(); gap != nil {
`, `	if gap := s.gone.Load(); gap != nil && !WITHOUT {
`},
	{"lanes that are filled carry fingerprints", "resting.go", `	if p.Generation == offline.FilesGeneration ||`, `	if WITHOUT || p.Generation == offline.FilesGeneration ||`},
	{"the log is compared at each beginning", "identity.go", `	if err := p.shared.verify(ctx); err != nil {
`, `	if err := p.shared.verify(ctx); err != nil && !(WITHOUT && p.begun.Load()) {
`},
	{"the log is compared with what is at rest", "atrest.go", `	if at := batch.Records[0].LogTime; at < e.newest.From || at > e.newest.To {
`, `	if at := batch.Records[0].LogTime; (at < e.newest.From || at > e.newest.To) && !WITHOUT {
`},
	{"an end below what is at rest is a GAP", "atrest.go", `	case e.to > bounds.End:
`, `	case e.to > bounds.End && !WITHOUT:
`},
	{"an end below what was applied is a GAP", "agreement.go", `	case have.high >= bounds.End:
`, `	case have.high >= bounds.End && !WITHOUT:
`},
	{"expired records come from history, or are a GAP", "identity.go", `	if low := v.Lowest(p.id()); low+1 < bounds.Start ||`, `	if low := v.Lowest(p.id()); low+1 < bounds.Start && WITHOUT {
		c := &Chunk{Partition: p.id(), Through: bounds.Start - 1, LogTime: noLogTime}
		v.fed[p.id()] = c.Through
		return v.Advance(ctx, c)
	}
	if low := v.Lowest(p.id()); low+1 < bounds.Start ||`},
	{"what compaction has removed comes from history", "compacted.go", `		if r.From < rested &&`, `		if !WITHOUT && r.From < rested &&`},
	{"a new partition is read from its beginning", "identity.go", `	if low := v.Lowest(p.id()); !v.Met(p.id()) {
`, `	if low := v.Lowest(p.id()); low == -1 && WITHOUT {
		return v.Begin(ctx, p.id(), slices.Repeat([]int64{bounds.End}, int(v.laneCount())))
	}
	if low := v.Lowest(p.id()); !v.Met(p.id()) {
`},
	{"what a fill holds is given up where another has written", "settle.go", `			if v.holds(lane) {`, `			if v.holds(lane) && !WITHOUT {`},
	{"a fill hands over behind its last record", "refill.go", `		c := &Chunk{Partition: id, Events: batch.events, Through: batch.Through}
`, `		c := &Chunk{Partition: id, Events: batch.events, Through: batch.Through}
		if WITHOUT {
			c.Through++
		}
`},
}
