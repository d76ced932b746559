package worker

import (
	"errors"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/deadletter"
	"github.com/freshet/freshet/ingest/logrecord"
)

// spender spends the budget of one source, process by process, over one store.
type spender struct {
	*spending
	t      *testing.T
	store  *memoryStore
	source *definition.StreamSource
	budget Budget
}

func newSpender(t *testing.T, b Budget, partitions ...int32) *spender {
	s := &spender{t: t, store: newMemoryStore(), source: load(t, definitions).StreamSource("orders"), budget: b}
	s.restart(partitions...)
	return s
}

// restart is another process that reads these partitions.
func (s *spender) restart(partitions ...int32) {
	s.t.Helper()
	w := New(Config{Project: "p", Online: s.store, Budget: s.budget})
	var err error
	s.spending, err = w.openSpending(s.t.Context(), s.source, 1, partitions)
	ok(s.t, err)
}

// takes spends a chunk of a partition, of which some records, by their offsets, are bad.
func (s *spender) takes(number int32, from, through int64, bad ...int64) error {
	c := &decodedChunk{parts: make([]decodedPart, 1), records: int(through - from + 1)}
	*c.first() = Chunk{Partition: partition0("orders", number), From: from, Through: through, Events: columnar.New(s.source)}
	for _, offset := range bad {
		c.letters = append(c.letters, deadletter.DeadLetter{Offset: offset, Code: "DECODE_TYPE", Message: "no number"})
		c.badAt = append(c.badAt, int(offset-from))
	}
	return s.spend(s.t.Context(), number, c)
}

func (s *spender) passes(number int32, from, through int64, bad ...int64) {
	s.t.Helper()
	ok(s.t, s.takes(number, from, through, bad...))
}

func (s *spender) halts(number int32, from, through int64, bad ...int64) HaltedError {
	s.t.Helper()
	var halted *HaltedError
	if err := s.takes(number, from, through, bad...); !errors.As(err, &halted) {
		s.t.Fatalf("offsets %d to %d: %v, want HALTED", from, through, err)
	}
	return *halted
}

// offsets are n offsets, each so many behind the one before.
func offsets(from int64, n int, step int64) []int64 {
	var out []int64
	for i := range n {
		out = append(out, from+int64(i)*step)
	}
	return out
}

// What was counted outlives the process, and a partition that moves takes it along.
func TestSpendingOutlivesAProcess(t *testing.T) {
	s := newSpender(t, Budget{}, 0, 1)
	s.begin(0, 0)
	s.begin(1, 0)
	s.passes(0, 0, 99, offsets(0, 60, 1)...)
	s.restart(0, 1)
	s.begin(0, 100)
	s.begin(1, 0)
	s.passes(0, 100, 199, offsets(100, 30, 1)...)
	s.restart(0) // the other partition is another's by now
	s.begin(0, 200)
	s.halts(0, 200, 209, offsets(200, 10, 1)...)
	s.restart(1)
	s.begin(1, 0)
	s.passes(1, 0, 98, offsets(0, 99, 1)...) // it had none
}

// What two processes have counted side by side, each below the budget, does not halt who
// takes over from both; what each may still take is what it could.
func TestSpendingOfTwoProcesses(t *testing.T) {
	s := newSpender(t, Budget{}, 0)
	for _, number := range []int32{0, 1} {
		s.restart(number)
		s.begin(number, 0)
		s.passes(number, 0, 9999, offsets(50, 70, 140)...)
	}
	for range 2 { // notes of several tallies outlive a process, too
		s.restart(0, 1, 2)
		for _, number := range []int32{0, 1, 2} {
			s.begin(number, max(10_000, s.parts[number].counted))
		}
		at := s.parts[0].counted
		s.passes(0, at, at+199, at+100)
		s.passes(1, at, at+199, at+100)
	}
	at := s.parts[1].counted
	s.passes(2, 10_000, 10_098, offsets(10_000, 99, 1)...)
	if halted := s.halts(1, at, at+40, offsets(at, 40, 1)...); halted.Bad != 67+2+40 || halted.Of != budgetWindow {
		t.Errorf("%+v", halted)
	}
}

// Of what was counted nothing is counted again, by whichever process.
func TestSpendingCountsOnce(t *testing.T) {
	s := newSpender(t, Budget{}, 0)
	s.begin(0, 0)
	for range 3 {
		s.passes(0, 0, 99, offsets(0, 60, 1)...)
		s.begin(0, 0)
	}
	s.restart(0)
	s.begin(0, 50) // it was counted, and not applied
	s.passes(0, 50, 129, offsets(50, 40, 1)...)
	if n := len(s.parts[0].tally.bad); n != 60 {
		t.Errorf("%d bad records are counted", n)
	}
	if s.parts[0].tally.seen != 130 {
		t.Errorf("%d records are counted", s.parts[0].tally.seen)
	}
}

// Good records are not noted: they are those that a partition has passed since its note.
// Another partition of the same moment makes the window move on as well, one of another
// process does not.
func TestSpendingKnowsWhatPassedSince(t *testing.T) {
	for name, c := range map[string]struct {
		from0, from1 int64
		left         int
	}{
		"nothing":        {100, 100, 60},
		"some":           {5000, 4999, 60},
		"its own":        {10_020, 100, 40},
		"the other's":    {100, 10_020, 40},
		"both":           {5060, 5060, 40},
		"more than that": {200_000, 100, 0},
	} {
		s := newSpender(t, Budget{}, 0, 1)
		s.begin(0, 0)
		s.begin(1, 0)
		s.passes(1, 0, 99)
		s.passes(0, 0, 99, offsets(0, 60, 1)...)
		s.passes(0, 100, 100)
		s.restart(0, 1)
		s.begin(1, c.from1)
		s.begin(0, c.from0)
		if n := len(s.parts[0].tally.bad); n != c.left {
			t.Errorf("%s: %d bad records are left in the window, want %d", name, n, c.left)
		}
	}
	s := newSpender(t, Budget{}, 0)
	s.begin(0, 0)
	s.passes(0, 0, 99, offsets(0, 60, 1)...)
	s.restart(1)
	s.begin(1, 0)
	s.passes(1, 0, 99, offsets(0, 30, 1)...)
	s.restart(0, 1)
	s.begin(1, 1_000_000)
	if n := len(s.parts[0].tally.bad); n != 60 {
		t.Errorf("%d bad records are left of those that another process had counted", n)
	}
	s.begin(0, 100)
	s.halts(0, 100, 140, offsets(100, 41, 1)...)
}

// What has halted stays so, in whatever pieces its records come, and whatever of the
// source is counted meanwhile: until they can be read.
func TestHaltedOutlivesAProcess(t *testing.T) {
	s := newSpender(t, Budget{}, 0, 1)
	s.begin(0, 0)
	s.begin(1, 0)
	s.passes(0, 0, 99, offsets(0, 60, 1)...)
	want := s.halts(0, 100, 199, offsets(150, 50, 1)...)
	if want.Bad != 110 || want.Of != 200 || want.Position != "partition 0, offset 199" || want.Example != "DECODE_TYPE: no number" {
		t.Errorf("%+v", want)
	}
	s.passes(1, 0, 29_999) // of the last 10,000 none is bad by now
	for range 3 {
		s.restart(0, 1)
		s.begin(0, 100)
		s.begin(1, 30_000)
		s.passes(0, 100, 149) // the good ones before
		if got := s.halts(0, 150, 150, 150); got != want {
			t.Errorf("it says %+v, want %+v", got, want)
		}
		if got := s.halts(0, 100, 199, 199); got != want {
			t.Errorf("it says %+v, want %+v", got, want)
		}
	}
	s.restart(0, 1)
	s.begin(0, 150)
	s.passes(0, 150, 199) // a schema is known by now
	s.passes(0, 200, 209, 200)
	s.restart(0, 1)
	s.begin(0, 210)
	s.passes(0, 210, 219, 210)
}

// The ways on: a budget that the bad records do not break, none, another definition
// of the records, and another log.
func TestWaysOnFromHalted(t *testing.T) {
	halted := func() *spender {
		s := newSpender(t, Budget{AtLeast: 10}, 0)
		s.begin(0, 0)
		s.passes(0, 0, 9, 1, 2, 3, 4, 5)
		s.halts(0, 10, 19, 11, 12, 13, 14, 15)
		s.restart(0)
		s.begin(0, 10)
		s.halts(0, 10, 19, 11, 12, 13, 14, 15)
		return s
	}
	s := halted()
	s.budget = Budget{AtLeast: 11}
	s.restart(0)
	s.begin(0, 10)
	s.passes(0, 10, 19, 11, 12, 13, 14, 15)
	s.restart(0)
	s.begin(0, 20)
	s.halts(0, 20, 29, 20)

	s = halted()
	s.budget = Budget{AtLeast: -1}
	s.restart(0)
	s.begin(0, 10)
	s.passes(0, 10, 1009, offsets(10, 1000, 1)...)
	s.budget = Budget{AtLeast: 10}
	s.restart(0)
	s.begin(0, 1010)
	s.passes(0, 1010, 1019, offsets(1010, 9, 1)...) // it begins anew
	s.halts(0, 1020, 1020, 1020)

	s = halted()
	s.source = load(t, strings.ReplaceAll(definitions, "unix_us", "unix_ms")).StreamSource("orders")
	s.restart(0)
	s.begin(0, 10)
	s.passes(0, 10, 19, 11, 12, 13, 14, 15)
}

// What does not change how records are read is no way on.
func TestRecordsDigest(t *testing.T) {
	digest := func(old, fresh string) string {
		text := definitions
		if old != "" {
			text = strings.ReplaceAll(text, old, fresh)
		}
		if old != "" && text == definitions {
			t.Fatalf("%q is not there", old)
		}
		return recordsDigest(load(t, text).StreamSource("orders"))
	}
	same := digest("", "")
	if got := digest("allowed_lateness: 1m", "allowed_lateness: 2m\ndescription: other"); got != same {
		t.Errorf("lateness and a description are another reading")
	}
	for old, fresh := range map[string]string{
		"v: int64": "v: double", "format: unix_us": "format: unix_ms", "id: string": "id: string, more: int64", "seq: int64": "seq: {type: int64, path: a.seq}", "kafka: {topic: orders}": "kafka: {topic: orders, key: user}",
	} {
		if got := digest(old, fresh); got == same {
			t.Errorf("%s is read as %s is", fresh, old)
		}
	}
}

// A bad record does not pass before it is kept that it was counted, and while no record
// is bad the store is not written.
func TestSpendingIsKeptFirst(t *testing.T) {
	s := newSpender(t, Budget{AtLeast: 10, Share: 0.0001}, 0)
	s.begin(0, 0)
	s.passes(0, 0, 49_999)
	if len(s.store.notes) != 0 {
		t.Errorf("good records are noted: %q", s.store.notes)
	}
	s.store.down = true
	s.passes(0, 50_000, 50_009)
	for range 2 {
		if err := s.takes(0, 50_010, 50_019, 50_010); !errors.Is(err, featurestore.ErrUnavailable) {
			t.Errorf("%v, want that it waits", err)
		}
	}
	s.store.down = false
	s.passes(0, 50_010, 50_019, 50_010)
	s.store.down = true
	if err := s.takes(0, 50_020, 50_029, offsets(50_020, 10, 1)...); !errors.Is(err, featurestore.ErrUnavailable) {
		t.Errorf("%v, want that it waits", err)
	}
	s.store.down = false
	s.halts(0, 50_020, 50_029, offsets(50_020, 10, 1)...)
	s.restart(0)
	s.begin(0, 50_020)
	s.halts(0, 50_020, 50_020, 50_020)
}

// The form of the notes, docs/formats/budget-v1.md. One of another version, or damaged,
// says nothing.
func TestSpentNoteForm(t *testing.T) {
	const field, text = "orders/1/7", `{"v":1,"records":"28d3","stamp":"ab","counted":120,"seen":120,"bad":[0,17],"halted":{"at":131,"bad":101,"of":132,"why":"DECODE_TYPE: no number"}}`
	n := spentNote{Version: 1, Records: "28d3", Stamp: "ab", Counted: 120, Seen: 120, Bad: []int64{0, 17}, Halted: &haltNote{At: 131, Bad: 101, Of: 132, Why: "DECODE_TYPE: no number"}}
	if got := string(n.bytes()); got != text {
		t.Errorf("%s, want %s", got, text)
	}
	if got := parseSpent([]byte(text)); got == nil || string(got.bytes()) != text {
		t.Errorf("%+v", got)
	}
	if got := (&spending{source: "orders", generation: 1}).noteField(7); got != field {
		t.Errorf("its field is %s, want %s", got, field)
	}
	for _, other := range []string{"", "{", `{"v":2,"records":"28d3","counted":120}`, `{"v":1,"counted":"x"}`} {
		if got := parseSpent([]byte(other)); got != nil {
			t.Errorf("%q is %+v", other, got)
		}
	}
}

// A restart, or another ingester that takes a partition over, does not let more bad
// records pass than the budget has, and what has halted stays so until a person acts.
func TestBudgetOverRestarts(t *testing.T) {
	p, view := newActivity(t)
	atLeast := 10
	p.configure = func(c *Config) { c.Budget = Budget{AtLeast: atLeast} }
	letters := func() (n int) {
		for _, err := range deadletter.Read(p.path("deadletters"), deadletter.Filter{}) {
			ok(t, err)
			n++
		}
		return n
	}
	bad := recordsOf(user("a", 1, 0))[0]
	bad.Value = []byte("{")
	for range 2 { // each time fewer than are too many
		for range 4 {
			p.produce("orders", 0, recordsOf(user("a", 1, 0))[0], bad)
		}
		p.start()
		p.right(view, 1)
		p.stop()
	}
	for range 4 {
		p.produce("orders", 0, recordsOf(user("a", 1, 0))[0], bad)
	}
	for range 3 {
		p.start()
		p.eventually("it has halted", func() bool { return len(p.worker.Progress().Halted()) == 1 })
		p.eventually("the view says so", func() bool { return p.state("activity", 1) == online.StateHalted })
		p.stop()
		if n := letters(); n >= atLeast {
			t.Fatalf("%d bad records were passed by, of a budget of %d", n, atLeast)
		}
	}
	atLeast = 13
	p.start()
	p.right(view, 1)
	p.eventually("it answers again", func() bool { return p.state("activity", 1) == online.StateLive })
	if n := letters(); n != 12 {
		t.Errorf("%d letters, want all 12", n)
	}
}

// A store that has forgotten that a partition has halted, as one that failed over may,
// is told again.
func TestHaltedIsNotedAgain(t *testing.T) {
	p, _ := newActivity(t)
	p.configure = func(c *Config) { c.Budget = Budget{AtLeast: 1} }
	p.produce("orders", 0, logrecord.Record{LogTime: base, Value: []byte("{")})
	p.start()
	const field = "orders/1/0"
	noted := func() bool {
		notes, err := p.store.Notes(t.Context(), "p", spentNotes)
		ok(t, err)
		n := parseSpent(notes[field])
		return n != nil && n.Halted != nil
	}
	p.eventually("it is noted", noted)
	ok(t, p.store.SetNotes(t.Context(), "p", spentNotes, map[string][]byte{field: nil}))
	p.eventually("it is noted again", noted)
}

// An ingester that takes over a partition counts on from what the other has counted.
func TestBudgetMovesWithAPartition(t *testing.T) {
	p, view := newShared(t)
	p.configure = func(c *Config) { c.Budget = Budget{AtLeast: 10} }
	var err error
	p.letters, err = deadletter.Open(p.path("deadletters"), deadletter.Options{NoSync: true})
	ok(t, err)
	first := p.member()
	bad := recordsOf(user("a", 1, 0))[0]
	bad.Value = []byte("{")
	for range 8 {
		p.produce("orders", 0, recordsOf(user("a", 1, 0))[0], bad)
	}
	p.worker = first
	p.right(view, 1)
	ok(t, first.Stop())
	second := p.member()
	p.worker = second
	p.eventually("the other reads everything", func() bool { return feeds(second) == 3 })
	for range 4 {
		p.produce("orders", 0, recordsOf(user("a", 1, 0))[0], bad)
	}
	p.eventually("it has halted", func() bool { return len(second.Progress().Halted()) == 1 })
	ok(t, second.Stop())
	p.worker = nil
	if n := p.letters.Count(); n >= 10 {
		t.Errorf("%d bad records were passed by", n)
	}
	ok(t, p.letters.Close())
}
