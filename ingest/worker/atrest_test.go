package worker

import (
	"slices"
	"strings"
	"testing"
)

// A store that fails over to a state before the end of what is at rest has no fingerprint
// of a log that was cut off in between, and has other records since: what is at rest
// says it. Nothing of it is applied until a person accepts it.
func TestStoreFailsOverToBeforeACut(t *testing.T) {
	for name, c := range map[string]struct {
		kept, more int
		says       string
	}{
		"longer":  {15, 12, "the record at offset 24 is not the one that is at rest"},
		"shorter": {15, 3, "the log ends at 18, but 24 is at rest"},
	} {
		t.Run(name, func(t *testing.T) {
			p, view := newActivity(t)
			p.random("clicks", 0, 180, 10)
			p.random("orders", 0, 181, 10)
			p.start()
			p.right(view, 1)
			p.stop()
			p.copyStore("before")
			p.start()
			p.random("orders", 0, 182, 15)
			p.right(view, 1)
			p.stop()
			p.restoreStore("before")
			id := partition0("orders", 0)
			old := p.sent[id]
			p.again("orders", 1)
			later := event{user: "eve", v: 1, at: base + 3600*micros, a: base + 3600*micros}
			_, err := p.log.Produce(t.Context(), "orders", 0, append(slices.Clone(old[:c.kept]), recordsOf(slices.Repeat([]event{later}, c.more)...)...))
			ok(t, err)
			p.start()
			if gap := p.gap("activity", "orders"); !strings.Contains(gap.Error(), c.says) || !strings.Contains(gap.Error(), "start the ingester again") {
				t.Errorf("it says %v", gap)
			}
			p.stop()

			p.again("orders", 1) // it is restored
			p.logs = nil
			p.sent[id] = old
			_, err = p.log.Produce(t.Context(), "orders", 0, old)
			ok(t, err)
			p.start()
			p.random("orders", 0, 184, 5)
			p.right(view, 1)
			if halted := p.worker.Progress().Halted(); len(halted) > 0 {
				t.Errorf("still halted: %v", halted)
			}
			p.stop()
			p.wantArchived(view)
		})
	}
}
