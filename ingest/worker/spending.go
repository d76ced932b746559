package worker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
)

// spending is the budget of one source, which the partitions share that this process
// reads. What it has counted, and where it has halted, outlives the process in notes of
// the online store (spentnote.go), which are written before a bad record is passed by:
// no restart, and no move to another process, lets more of them pass. While no record
// is bad, nothing is written.
type spending struct {
	Budget
	store      online.Store
	project    string
	source     string
	generation uint32
	records    string // the digest of how records are read

	mu    sync.Mutex
	parts map[int32]*spentPart
	dirty int // changes that must be kept

	keeping sync.Mutex // held while notes are written: they must not overtake each other
	kept    int        // changes that are
}

// spentPart is what is known of a partition.
type spentPart struct {
	tally   *tally // of all partitions that were counted together with it
	counted int64  // its last offset that was counted, plus one
	stamp   string // of the note that says so, until it is known what came since
	halted  *haltNote
}

// openSpending takes up what was counted of the partitions that this process reads.
func (w *Worker) openSpending(ctx context.Context, s *definition.StreamSource, generation uint32, numbers []int32) (*spending, error) {
	out := &spending{
		Budget: w.c.Budget.withDefaults(), store: w.c.Online, project: w.c.Project,
		source: s.Name, generation: generation, records: recordsDigest(s), parts: map[int32]*spentPart{},
	}
	if err := out.load(ctx, numbers); err != nil {
		return nil, fmt.Errorf("what was counted of dead letters: %w", err)
	}
	return out, nil
}

func (s *spending) load(ctx context.Context, numbers []int32) error {
	notes, err := s.store.Notes(ctx, s.project, spentNotes)
	if err != nil {
		return err
	}
	if s.AtLeast < 0 {
		return s.forget(ctx, numbers, notes)
	}
	known := map[int32]*spentNote{}
	for _, number := range numbers {
		if n := parseSpent(notes[s.noteField(number)]); n != nil && n.Records == s.records {
			known[number] = n
		}
	}
	tallies := talliesOf(known)
	for _, number := range numbers {
		n := known[number]
		if n == nil {
			s.parts[number] = &spentPart{tally: tallies[""]}
			continue
		}
		t, some := tallies[n.Stamp]
		if !some {
			t = tallies[""]
		}
		s.parts[number] = &spentPart{tally: t}
		s.take(number, n)
	}
	for _, t := range tallies {
		slices.SortStableFunc(t.bad, func(a, b badRecord) int { return int(a.at - b.at) })
	}
	return nil
}

// talliesOf are those of notes, by their stamp. What different processes have counted
// side by side is not added up: in the same time, each has looked back over as many
// records as one does over all. A stamp without bad records has none of its own; the one
// of "" is for these, and for partitions without notes.
func talliesOf(notes map[int32]*spentNote) map[string]*tally {
	out := map[string]*tally{}
	for _, n := range notes {
		if len(n.Bad) > 0 && out[n.Stamp] == nil {
			out[n.Stamp] = &tally{}
		}
	}
	rest := &tally{}
	if len(out) == 1 {
		for _, t := range out {
			rest = t
		}
	}
	out[""] = rest
	return out
}

// take takes over a note. Records are counted on from there.
func (s *spending) take(number int32, n *spentNote) {
	p := s.parts[number]
	p.counted, p.stamp = n.Counted, n.Stamp
	if n.Halted != nil && s.broken(n.Halted.Bad, n.Halted.Of) { // else somebody has raised the budget
		p.halted = n.Halted
	}
	for _, age := range n.Bad {
		if age < budgetWindow {
			p.tally.bad = append(p.tally.bad, badRecord{at: -age, partition: number, stamp: n.Stamp})
		}
	}
	p.tally.seen = max(p.tally.seen, min(budgetWindow, n.Seen))
}

// forget is about a source without a budget: a person lets everything pass, so that
// one who sets a budget again begins anew.
func (s *spending) forget(ctx context.Context, numbers []int32, notes map[string][]byte) error {
	gone := map[string][]byte{}
	for _, number := range numbers {
		if field := s.noteField(number); len(notes[field]) > 0 {
			gone[field] = nil
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return s.store.SetNotes(ctx, s.project, spentNotes, gone)
}

// begin says from where a partition is read. What lies between that and what was
// counted has passed since, and was good: bad records are noted before they pass.
func (s *spending) begin(number int32, from int64) {
	if s.AtLeast < 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.parts[number]
	if p.stamp != "" && from > p.counted {
		p.tally.age(p.stamp, from-p.counted)
	}
	p.counted, p.stamp = max(p.counted, from), ""
	if p.halted != nil && from > p.halted.At { // it was passed: somebody has let it
		p.halted = nil
	}
}

// spend counts a chunk's records, once each. It is a HaltedError where the bad ones
// are too many, or where one of those that have halted the partition is still bad: none
// of the chunk may pass then. Who gets no error may pass them: what must outlive this
// process is kept.
func (s *spending) spend(ctx context.Context, number int32, c *decodedChunk) error {
	if s.AtLeast < 0 {
		return nil
	}
	halted, dirty := s.note(number, c)
	if dirty {
		if err := s.keep(ctx); err != nil {
			return err
		}
	}
	if halted != nil {
		return halted.error(s.source, number)
	}
	return nil
}

func (s *spending) note(number int32, c *decodedChunk) (halted *haltNote, dirty bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, first := s.parts[number], c.first()
	if p.halted != nil && slices.ContainsFunc(c.badOffsets(), func(o int64) bool { return o <= p.halted.At }) {
		return p.halted, s.dirty > s.kept
	}
	if first.Through < p.counted { // a rewind: it was counted
		return nil, s.dirty > s.kept
	}
	if p.halted != nil && first.Through >= p.halted.At { // they can be read by now
		p.halted = nil
	}
	again := int(min(max(p.counted-first.From, 0), int64(c.records))) // records of a rewind, about: offsets may have no record
	records, bad := c.records-again, c.badBehind(p.counted, again)
	if most, of, broken := p.tally.look(s.Budget, records, bad); broken {
		last := &c.letters[len(c.letters)-1]
		p.halted = &haltNote{At: last.Offset, Bad: most, Of: of, Why: last.Code + ": " + last.Message}
		s.dirty++
		return p.halted, true
	}
	p.tally.add(number, records, bad)
	p.counted = first.Through + 1
	if len(bad) > 0 {
		s.dirty++
	}
	return nil, s.dirty > s.kept
}

// badOffsets are the offsets of a chunk's bad records.
func (c *decodedChunk) badOffsets() []int64 {
	out := make([]int64, len(c.letters))
	for i := range c.letters {
		out[i] = c.letters[i].Offset
	}
	return out
}

// badBehind are the places of the bad records from an offset on, among the chunk's
// records without the first ones.
func (c *decodedChunk) badBehind(from int64, first int) []int {
	var out []int
	for i := range c.letters {
		if c.letters[i].Offset >= from {
			out = append(out, max(0, c.badAt[i]-first))
		}
	}
	return out
}

// keep writes what was counted into the store, of all partitions at once: their notes
// are then of one moment.
func (s *spending) keep(ctx context.Context) error {
	s.keeping.Lock()
	defer s.keeping.Unlock()
	var random [8]byte
	rand.Read(random[:]) // never fails
	s.mu.Lock()
	changes, notes := s.dirty, s.notes(hex.EncodeToString(random[:]))
	s.mu.Unlock()
	if err := s.store.SetNotes(ctx, s.project, spentNotes, notes); err != nil {
		return fmt.Errorf("what is counted of dead letters cannot be kept: %w", err)
	}
	s.mu.Lock()
	s.kept = changes
	s.mu.Unlock()
	return nil
}

// notes are those of all partitions of which it is known what came since they were
// read. The caller holds s.mu.
func (s *spending) notes(stamp string) map[string][]byte {
	out := map[string][]byte{}
	stamps := map[*tally]string{}
	for number, p := range s.parts {
		if p.stamp != "" {
			continue
		}
		if _, some := stamps[p.tally]; !some {
			stamps[p.tally] = stamp + "-" + strconv.Itoa(len(stamps))
		}
		n := spentNote{Version: spentVersion, Records: s.records, Stamp: stamps[p.tally], Counted: p.counted, Seen: p.tally.seen, Halted: p.halted}
		for i := range p.tally.bad {
			if r := &p.tally.bad[i]; r.partition == number {
				n.Bad = append(n.Bad, p.tally.records-r.at)
			}
		}
		out[s.noteField(number)] = n.bytes()
	}
	return out
}

// sayAgain writes that a partition has halted where the store, as one that failed over,
// has forgotten it.
func (s *spending) sayAgain(ctx context.Context, number int32) error {
	notes, err := s.store.Notes(ctx, s.project, spentNotes)
	if err != nil {
		return err
	}
	if n := parseSpent(notes[s.noteField(number)]); n != nil && n.Halted != nil {
		return nil
	}
	return s.keep(ctx)
}
