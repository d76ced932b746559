package worker

import (
	"fmt"
	"slices"
)

// Budget says how many bad records of a source are too many: both at least
// AtLeast, and more than Share of its last records. More of them are no poison
// but a wrong schema, a wrong topic or a wrong definition, and passing them by
// would lose the source.
type Budget struct {
	AtLeast int     // 0: the default, 100; below 0: there is no budget
	Share   float64 // 0: the default, 0.01
}

// budgetWindow is how many records of a source the budget looks back over.
const budgetWindow = 10_000

func (b Budget) withDefaults() Budget {
	if b.AtLeast == 0 {
		b.AtLeast = 100
	}
	if b.Share == 0 {
		b.Share = 0.01
	}
	return b
}

// broken reports whether so many bad ones of so many records are too many.
func (b Budget) broken(bad, of int) bool {
	return b.AtLeast >= 0 && bad > 0 && bad >= b.AtLeast && float64(bad) > b.Share*float64(of)
}

// HaltedError halts the views of a source: too many of its records do not
// decode. None of the records that broke the budget was passed by.
type HaltedError struct {
	Source   string
	Bad, Of  int
	Example  string // what the newest of them was refused for
	Position string
}

func (e *HaltedError) Error() string {
	return fmt.Sprintf("HALTED: source %q: %d of its last %d records do not decode, the newest at %s: %s; "+
		"apply a definition that reads them (they are read again), or raise ingest.dead_letters in the settings and start anew (they become dead letters)", e.Source, e.Bad, e.Of, e.Position, e.Example)
}

// tally counts the records of a source, whatever their partitions, in the order in
// which they come. Of good ones it keeps their number alone.
type tally struct {
	records int64 // all that were counted
	seen    int   // of these, at most the window
	bad     []badRecord
}

// badRecord is a bad record that the window may still hold.
type badRecord struct {
	at        int64 // its place among all that were counted, from 1
	partition int32
	stamp     string // of the note that it was read from; "" where it was counted here
}

// look says how many bad records the window would hold, of how many, where it holds
// the most that break the budget in a run of so many records, of which bad are bad,
// ascending; false where nowhere they do. It looks behind each bad record, so that
// it does not matter in which pieces records come.
func (t *tally) look(b Budget, records int, bad []int) (most, of int, broken bool) {
	held := t.bad
	places := make([]int64, 0, len(held)+len(bad))
	for i := range held {
		places = append(places, held[i].at)
	}
	from := 0
	for _, index := range bad {
		at := t.records + int64(index) + 1
		places = append(places, at)
		for places[from] <= at-budgetWindow {
			from++
		}
		n, seen := len(places)-from, min(budgetWindow, t.seen+index+1)
		if n > most && b.broken(n, seen) {
			most, of, broken = n, seen, true
		}
	}
	return most, of, broken
}

// add counts such a run.
func (t *tally) add(partition int32, records int, bad []int) {
	for _, index := range bad {
		t.bad = append(t.bad, badRecord{at: t.records + int64(index) + 1, partition: partition})
	}
	t.records += int64(records)
	t.seen = min(budgetWindow, t.seen+records)
	if len(bad) > 0 {
		t.trim()
	}
}

// trim forgets what the window no longer holds.
func (t *tally) trim() {
	t.bad = slices.DeleteFunc(t.bad, func(r badRecord) bool { return r.at <= t.records-budgetWindow })
}

// age counts good records that came after those of a note, and before all that was
// counted since.
func (t *tally) age(stamp string, records int64) {
	for i := range t.bad {
		if t.bad[i].stamp == stamp {
			t.bad[i].at -= min(records, budgetWindow)
		}
	}
	slices.SortStableFunc(t.bad, func(a, b badRecord) int { return int(a.at - b.at) })
	t.seen = int(min(budgetWindow, int64(t.seen)+records))
	t.trim()
}
