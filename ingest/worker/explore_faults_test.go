package worker

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/online"
)

// fault is something that must not matter, of the kinds that the schedule has.
func (w *world) fault() {
	kind := w.n(moods)
	if w.halts() && w.n(2) == 1 { // who has halted beats no heart
		kind = []int{moodFailover, moodLoss}[w.n(2)]
	}
	if !w.mood[kind] {
		return
	}
	switch kind {
	case moodFates:
		w.trace("the oldest late batch arrives")
		w.store.arriveLate()
	case moodFailover:
		if w.n(2) == 0 {
			w.copy()
		} else {
			w.failover()
		}
	case moodAway:
		w.store.down = !w.store.down && w.n(3) == 0
		w.trace("the store is down: %t", w.store.down)
	case moodCrash:
		if p := w.processes[w.n(2)]; p.inside == 0 && p.cancel == nil {
			w.crash(p)
		}
	case moodRebalance:
		if w.owners != nil {
			w.trace("the partitions are shared anew")
			w.rebalance()
		}
	case moodGrowth:
		if len(w.log.topics["clicks"]) < 3 {
			m := w.log.addPart("clicks", 0, 0)
			w.trace("%v is added", m.id)
			if w.owners != nil {
				w.rebalance()
			}
		}
	case moodLog:
		w.logFault()
	case moodRot:
		w.rot()
	case moodLoss:
		w.loss()
	case moodGeneration:
		if len(w.registry.list) < 3 && len(w.wanted()) < 2 {
			w.registry.add(w.view, lanesOfSchedules)
			w.revision++
			w.trace("generation %d is wanted", len(w.registry.list))
			break
		}
		switch w.n(3) {
		case 1:
			w.registry.goBack()
		case 2:
			w.registry.takeBack()
		}
	}
}

// copy is what a replica holds from now on. One that lacks keys is not made: that
// it does is for the audit to find.
func (w *world) copy() {
	if !w.tainted() {
		w.trace("copy %d of the store is made", len(w.copies))
		w.copies = append(w.copies, w.store.snapshot())
	}
}

// failover takes lanes back to how a copy has them.
func (w *world) failover() {
	if len(w.copies) == 0 {
		return
	}
	which := w.n(len(w.copies))
	old, all, before := w.copies[which], w.n(2) == 0, maps.Clone(w.store.lanes)
	for _, g := range w.wanted() {
		for _, id := range g.LaneIDs(lanesOfSchedules) {
			if !all && w.n(2) == 1 {
				continue
			}
			if delete(w.store.lanes, id); old[id] != nil {
				w.store.lanes[id] = old[id].clone()
			}
		}
	}
	for _, m := range w.log.all() {
		if m.broken && !w.traced(m) && !w.evident(m) {
			w.store.lanes = before // of two faults, the one hides the other's only trace
			return
		}
	}
	w.trace("the store fails over to copy %d, all lanes: %t", which, all)
}

// halts reports whether a partition has halted.
func (w *world) halts() bool {
	for _, p := range w.processes {
		if slices.ContainsFunc(p.streams, func(s *streaming) bool { return s.halted != nil }) {
			return true
		}
	}
	return false
}

// overspent reports whether bad records have halted a partition.
func (w *world) overspent() bool {
	return slices.ContainsFunc(w.processes[:], func(p *process) bool {
		return slices.ContainsFunc(p.streams, func(s *streaming) bool { return errors.As(s.halted, new(*HaltedError)) })
	})
}

// keys are the entities of a lane, ascending, also those that have only one part.
func (w *world) keys(id online.LaneID) []string {
	l := w.store.lanes[id]
	if l == nil {
		return nil
	}
	keys := slices.AppendSeq(slices.Collect(maps.Keys(l.blobs)), maps.Keys(l.closed))
	slices.Sort(keys)
	return slices.Compact(keys)
}

// lane is any lane that is in use, with an entity in it; "" for none.
func (w *world) lane() (id online.LaneID, key string) {
	wanted := w.wanted()
	id = online.LaneID{Generation: wanted[w.n(len(wanted))], Lane: uint16(w.n(lanesOfSchedules))}
	if keys := w.keys(id); len(keys) > 0 {
		key = keys[w.n(len(keys))]
	}
	return id, key
}

// rot damages a stored entity: a flipped bit, a lost end, a part that is missing
// or another's.
func (w *world) rot() {
	id, key := w.lane()
	if key == "" {
		return
	}
	l := w.store.lanes[id]
	parts := l.blobs
	if l.closed[key] != nil && w.n(2) == 0 {
		parts = l.closed
	}
	blob := bytes.Clone(parts[key])
	if len(blob) == 0 {
		return // it has lost all there was
	}
	switch keys := w.keys(id); w.n(4) {
	case 0:
		blob = blob[:w.n(len(blob))]
	case 1:
		// Not one that was this entity's own before: an older state that was put
		// back is whole, and only an audit sees it.
		if other := keys[w.n(len(keys))]; other != key && parts[other] != nil && !bytes.Contains(parts[other], []byte(key)) {
			blob = parts[other]
		}
	case 2:
		if l.closed[key] != nil && l.blobs[key] != nil {
			delete(parts, key)
			return
		}
	default:
		blob[w.n(len(blob))] ^= 1 << w.n(8)
	}
	w.trace("an entity of generation %d, lane %d, rots", id.Number, id.Lane)
	parts[key] = blob
}

// loss takes keys away: an entity, or a lane's watermarks, metadata, or all of it,
// or everything. A store that evicts says so when it is asked.
func (w *world) loss() {
	kind, broken := w.n(5), slices.ContainsFunc(w.log.all(), func(m *modelPart) bool { return m.broken })
	id, key := w.lane()
	l := w.store.lanes[id]
	if l == nil || broken && kind < 2 {
		return
	}
	before := maps.Clone(w.store.lanes)
	switch kind {
	case 0:
		if key == "" {
			return
		}
		delete(l.blobs, key)
		delete(l.closed, key)
		w.evict(l)
	case 1:
		clear(l.marks)
		w.evict(l)
	case 2:
		left := *l
		left.meta = online.Meta{}
		w.store.lanes[id] = &left
	case 3:
		delete(w.store.lanes, id)
	default:
		clear(w.store.lanes)
	}
	for _, m := range w.log.all() {
		if m.broken && !w.traced(m) && !w.evident(m) {
			w.store.lanes = before // nothing else knows the old log: with these it is forgotten
			return
		}
	}
	w.trace("keys of generation %d, lane %d, are gone (evicted so far: %d)", id.Number, id.Lane, w.evicted)
}

// evict says that a lane lacks keys. Of the processes, one may have looked for the
// first time just then, at a server that had evicted them: it does not see it.
func (w *world) evict(l *memoryLane) {
	l.spoiled = true
	w.evicted++
	if blind := w.n(4) - 2; blind >= 0 && !w.processes[1-blind].lose {
		w.processes[blind].evicted++
	}
}

// tainted reports whether a lane that is in use lacks keys, which nobody knows yet,
// or a process has yet to see that, and will have it built anew.
func (w *world) tainted() bool {
	for _, p := range w.processes {
		if p != nil && (p.lose || p.evicted < w.evicted) {
			return true
		}
	}
	for _, g := range w.wanted() {
		for _, id := range g.LaneIDs(lanesOfSchedules) {
			if l := w.store.lanes[id]; l != nil && l.spoiled {
				return true
			}
		}
	}
	return false
}

// witnessed reports whether that keys were evicted will be seen without a process
// that starts now: another has yet to say it, or all lanes that lack keys say LOST.
func (w *world) witnessed(number int) bool {
	for i, p := range w.processes {
		if i != number && p != nil && (p.lose || p.evicted < w.evicted) {
			return true
		}
	}
	for _, g := range w.wanted() {
		for _, id := range g.LaneIDs(lanesOfSchedules) {
			if l := w.store.lanes[id]; l != nil && l.spoiled && l.meta.State != online.StateLost {
				return false
			}
		}
	}
	return true
}

// logFault lets records expire, or be removed by compaction, or replaces the end of a
// partition, or all of it, or brings back what was replaced.
func (w *world) logFault() {
	all := w.log.all()
	for _, m := range all {
		if m.broken && w.n(2) == 1 {
			w.restore(m)
			return
		}
	}
	m := all[w.n(len(all))]
	kind := w.n(4)
	if kind == 1 && w.mood[moodFailover] {
		w.compact(m)
		return
	}
	switch kind {
	case 0, 1:
		w.expire(m, m.start+1+int64(w.n(int(m.end()-m.start)+1)))
	case 2:
		if m.end() > m.begin {
			w.replace(m, m.begin+int64(w.n(int(m.end()-m.begin))))
		}
	default:
		w.replace(m, m.begin)
	}
}

// bringBack restores all that was replaced, and says whether there was something.
func (w *world) bringBack() (some bool) {
	for _, m := range w.log.all() {
		if m.broken {
			w.restore(m)
			some = true
		}
	}
	return some
}

// restore brings a partition back that was replaced. Of a process that is just
// reading it, nobody can say which of the two it has read. Where compaction has removed
// the records that lanes have fingerprints of, only a person can say that it is back.
func (w *world) restore(m *modelPart) {
	if slices.ContainsFunc(w.processes[:], func(p *process) bool {
		return slices.ContainsFunc(p.streams, func(s *streaming) bool { return s.p.id() == m.id && s.fetching })
	}) {
		return
	}
	m.records = slices.Clone(m.truth)
	m.truth = m.records
	m.broken, m.cut = false, 0
	m.lives++
	w.mayGap = w.mayGap || slices.ContainsFunc(m.truth, func(r modelRecord) bool { return r.removed })
	w.trace("%v is restored, up to %d", m.id, m.end()-1)
}

// expire moves a partition's start. Where nothing of it is at rest yet, somebody
// may have begun where it began, and nobody could give that again.
func (w *world) expire(m *modelPart, start int64) {
	rest := w.history.parts[m.id]
	if m.broken || rest.next() == 0 || start > m.end() {
		return
	}
	m.start = start
	w.mayGap = w.mayGap || w.expired()
	w.trace("%v: what lies before %d has expired", m.id, start)
}

// compact removes records that are at rest, wherever the lanes are, but not the newest.
func (w *world) compact(m *modelPart) {
	rest := w.history.parts[m.id]
	if m.broken || rest.next() <= m.start {
		return
	}
	from := m.start + int64(w.n(int(rest.next()-m.start)))
	to := min(from+1+int64(w.n(3)), rest.next(), m.end()-1)
	for at := from; at < to; at++ {
		m.records[at].removed = m.records[at].visible && rest.ranges[0].From <= at
	}
	w.trace("%v: compaction removes %d to %d", m.id, from, to-1)
}

// markOf is how far a lane is.
func (w *world) markOf(id online.LaneID, m *modelPart) int64 {
	if l := w.store.lanes[id]; l != nil {
		if mark, met := l.marks[m.id]; met {
			return mark.Offset
		}
	}
	return -1
}

// replace truncates a partition, and others append.
func (w *world) replace(m *modelPart, cut int64) {
	if m.broken || m.start > m.begin || w.tainted() {
		return
	}
	if w.kept(m) < cut {
		if !w.forget(m, cut) {
			return
		}
		m.records = slices.Clone(m.records[:cut])
		m.truth = m.records
	} else {
		m.broken, m.cut = true, cut
		if !w.traced(m) && !w.evident(m) {
			m.broken = false
			return
		}
		m.records = slices.Clone(m.records[:cut])
	}
	m.lives++
	m.clock += 1000 // else a record may be replaced by its like
	for range w.n(6) {
		w.log.produce(m, w.tape, m.broken)
	}
	w.trace("%v: from %d on there are other records, up to %d; somebody has applied what was there: %t", m.id, cut, m.end()-1, m.broken)
}

// kept is the last offset of a partition of which anything is kept that outlives
// the processes.
func (w *world) kept(m *modelPart) int64 {
	last := w.history.parts[m.id].next() - 1
	for _, lanes := range append(slices.Clone(w.copies), w.store.lanes) {
		for _, l := range lanes {
			if mark, met := l.marks[m.id]; met {
				last = max(last, mark.Offset)
			}
		}
	}
	for i := range w.store.late {
		if b := &w.store.late[i]; b.Partition == m.id {
			last = max(last, b.To.Offset)
		}
	}
	return last
}

// forget ends the processes that have read, and nobody kept, what is replaced:
// whether it counts would depend on whether they get to keep it. It is false where
// one of them is in the midst of something.
func (w *world) forget(m *modelPart, cut int64) bool {
	for _, p := range w.processes {
		if !p.hasRead(m, cut) {
			continue
		}
		if p.inside > 0 || p.cancel != nil {
			return false
		}
		w.crash(p)
	}
	return true
}

// hasRead reports whether a process has something of a partition's end in memory.
func (p *process) hasRead(m *modelPart, cut int64) bool {
	for _, s := range p.streams {
		if s.p.id() == m.id && s.reader != nil && (s.from > cut || s.fetching) {
			return true
		}
	}
	for _, open := range p.worker.archives {
		if a, ok := open.Archive.(*archiveOf); ok && a.source == m.id.Source {
			if f := a.feeds[offline.Partition{Generation: m.id.Generation, Partition: m.id.Number}]; f != nil && f.next > cut {
				return true
			}
		}
	}
	return false
}

// evident reports whether what is at rest shows that a partition is another.
func (w *world) evident(m *modelPart) bool {
	rest := w.history.parts[m.id]
	return rest != nil && slices.ContainsFunc(rest.events, func(ev featurestore.Event) bool { return ev.Offset >= m.cut })
}

// traced reports whether some generation's watermarks show that a partition is
// another, and each process that reads it knows of such a generation: one that is
// arranged anew knows all.
func (w *world) traced(m *modelPart) bool {
	showing := w.showing(m)
	for _, p := range w.processes {
		if p == nil {
			continue
		}
		for _, s := range p.streams {
			knows := func(v *View) bool { return slices.Contains(showing, v.ID()) }
			if s.p.id() == m.id && !slices.ContainsFunc(s.p.shared.views, knows) {
				return false
			}
		}
	}
	return len(showing) > 0
}

// showing are the generations whose lowest or highest lane carries a record that was
// replaced.
func (w *world) showing(m *modelPart) (out []online.Generation) {
	for _, g := range w.wanted() {
		ids := g.LaneIDs(lanesOfSchedules)
		low, high, whole := int64(1<<62), int64(-1), true
		for _, id := range ids {
			l := w.store.lanes[id] // one that is not filled, or LOST and soon dropped, nobody asks
			whole = whole && l != nil && l.meta.State > online.StateBuilding && l.meta.State != online.StateLost
			low, high = min(low, w.markOf(id, m)), max(high, w.markOf(id, m))
		}
		for _, id := range ids {
			if at := w.markOf(id, m); whole && (at == low || at == high) && at >= 0 {
				if slices.ContainsFunc(w.store.lanes[id].marks[m.id].Prints, func(print online.Fingerprint) bool { return print.Offset >= m.cut }) {
					out = append(out, g)
				}
			}
		}
	}
	return out
}

// noteHalt remembers why a partition has halted. A GAP of which nobody can say
// whether it is over lasts until a person starts the process again.
func (w *world) noteHalt(s *streaming) {
	var gap *GapError
	w.mayGap = w.mayGap || errors.As(s.halted, &gap) && len(gap.had.prints) == 0
	state, stream := haltState(s.halted)
	if w.spent = w.spent || state == online.StateHalted; !stream {
		w.noteUnhealed(s.halted)
	}
}

// noteUnhealed is about an error that a rebuild may have: what it needs is gone.
func (w *world) noteUnhealed(err error) {
	if errors.Is(err, featurestore.ErrUnavailable) || errors.Is(err, errLost) {
		return // later
	}
	if errors.Is(err, errRebuild) && w.mayLack() {
		w.excused = true
		return
	}
	w.violation("a partition halts: %v", err)
}

// noteUnfilled is about a generation that cannot be filled, and why.
func (w *world) noteUnfilled(why string) {
	if strings.Contains(why, errRebuild.Error()) && w.mayLack() {
		w.excused = true
		return
	}
	w.violation("a generation cannot be filled: %s", why)
}

// mayLack reports whether records may be nowhere any more, or were never there.
func (w *world) mayLack() bool {
	return slices.ContainsFunc(w.log.all(), func(m *modelPart) bool { return m.broken || m.start > 0 })
}
