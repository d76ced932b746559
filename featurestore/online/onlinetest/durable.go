package onlinetest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// Restart loses everything that the store's process holds in memory, and gives
// the store again.
type Restart func() online.Store

// RunDurable holds that what was acknowledged is there after a restart: batches
// with their watermarks, rows, metadata, states, and the clock where kept.
func RunDurable(t *testing.T, open func(t *testing.T) (online.Store, Restart)) {
	s, restart := open(t)
	f := newFixture(t, s, "v", 4)
	gone := newFixture(t, s, "gone", 4)
	gone.fill(4, 10)
	var blob []byte
	for n := range int64(300) {
		next := Blob(fmt.Sprint(n), bytes.Repeat([]byte{byte(n)}, 1000))
		f.apply(f.step(n-1, n, write("a", blob, next), write(fmt.Sprint(n), nil, next)), online.OutcomeOK)
		blob = next
		if n%100 == 50 {
			f.s = restart()
			f.wantOffset(n)
			f.wantBlob("a", blob)
		}
	}
	f.put(2, row("n1", "1", "x"), row("n2", "1", "y"))
	if err := f.s.SetState(f.ctx, f.g, online.StateGap); err != nil {
		t.Fatal(err)
	}
	if err := f.s.Drop(f.ctx, gone.g, 4); err != nil {
		t.Fatal(err)
	}
	if err := f.s.SetNotes(f.ctx, "p", "a", map[string][]byte{"one": []byte("kept")}); err != nil {
		t.Fatal(err)
	}
	const now = featurestore.Instant(1_400_000_000_000_001)
	if c, ok := f.s.(online.Clocked); ok {
		if err := c.SetClock(f.ctx, "p", now); err != nil {
			t.Fatal(err)
		}
	}

	f.s = restart()
	f.wantOffset(299)
	f.wantBlob("a", blob)
	f.wantBlob("17", Blob("17", bytes.Repeat([]byte{17}, 1000)))
	f.wantRow("n2", RowBlob("1", []byte("y")))
	if got := f.lanes()[3].Meta.State; got != online.StateGap {
		t.Errorf("the state is %v", got)
	}
	if notes, err := f.s.Notes(f.ctx, "p", "a"); err != nil || string(notes["one"]) != "kept" {
		t.Errorf("a note is %q (%v)", notes["one"], err)
	}
	gone.s = f.s
	if n := gone.count(4, 10); n != 0 {
		t.Errorf("%d dropped entities came back", n)
	}
	if c, ok := f.s.(online.Clocked); ok {
		if got, found, err := c.Clock(f.ctx, "p"); got != now || !found || err != nil {
			t.Errorf("the clock is %v, %v (%v), want %v", got, found, err, now)
		}
		if _, found, err := c.Clock(f.ctx, "q"); found || err != nil {
			t.Errorf("another project has a clock: %v (%v)", found, err)
		}
	}
}
