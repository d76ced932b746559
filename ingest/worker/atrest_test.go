package worker

import (
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/logrecord"
)

// copied is how many records of the first partition the copy of a store has.
const copied = 10

// loseBoth lets the store go back to a copy that lacks fifteen records of the first
// partition of clicks, and some of the second, while all are at rest; and the topic be
// made anew, with what it held up to some offset, and other records.
func (p *plant) loseBoth(view *definition.StreamView, partitions, kept, others int) (before, after []logrecord.Record) {
	p.t.Helper()
	p.random("clicks", 0, 180, copied)
	p.random("clicks", 1, 181, 7)
	p.start()
	p.right(view, 1)
	p.stop()
	p.copyStore("before")
	p.start()
	p.random("clicks", 0, 182, 15)
	p.random("clicks", 1, 183, 20)
	p.right(view, 1)
	p.stop()
	p.restoreStore("before")
	before = p.sent[partition0("clicks", 0)]
	p.again("clicks", partitions)
	later := event{user: "eve", v: 1, at: base + 3600*micros, a: base + 3600*micros}
	after = append(slices.Clone(before[:kept]), recordsOf(slices.Repeat([]event{later}, others)...)...)
	_, err := p.log.Produce(p.t.Context(), "clicks", 0, slices.Clone(after))
	ok(p.t, err)
	return before, after
}

// A store that fails over to a state before the end of what is at rest has no fingerprint
// of a log that was cut off in between, and has other records since: what is at rest
// says it. Nothing of it is applied until a person accepts it, or it is restored.
func TestStoreFailsOverToBeforeACut(t *testing.T) {
	for name, c := range map[string]struct {
		others int
		says   string
	}{
		"longer":  {12, "the record at offset 24 is not the one that is at rest"},
		"shorter": {3, "the log ends at 18, but 24 is at rest"},
	} {
		t.Run(name, func(t *testing.T) {
			p, view := newActivity(t)
			before, _ := p.loseBoth(view, 2, copied+5, c.others)
			second := p.sent[partition0("clicks", 1)]
			_, err := p.log.Produce(t.Context(), "clicks", 1, second)
			ok(t, err)
			p.start()
			if gap := p.gap("activity", "clicks"); !strings.Contains(gap.Error(), c.says) || !strings.Contains(gap.Error(), "start the ingester again") {
				t.Errorf("it says %v", gap)
			}
			source := view.Bindings[bindingOf(view, "clicks")].Source
			found, err := p.inspector().Inspect(t.Context(), source, 1, p.generations())
			if ok(t, err); found[0].Gap == "" || !strings.Contains(found[0].Gap, c.says) || found[0].Records != RecordsAnother || found[1].Gap != "" {
				t.Errorf("without an ingester it is %+v", found)
			}
			away := *source
			away.History = &definition.History{Files: []string{"nowhere/*.csv"}}
			if _, err := endsAtRest(t.Context(), p.config().History, &away); err != nil {
				t.Errorf("without history files: %v", err)
			}
			p.stop()

			p.again("clicks", 2)
			p.logs = nil // it is restored
			for number, records := range [][]logrecord.Record{before, second} {
				_, err = p.log.Produce(t.Context(), "clicks", int32(number), records)
				ok(t, err)
			}
			p.start()
			p.random("clicks", 0, 184, 5)
			p.right(view, 1)
			p.wantNoneHalted()
			p.stop()
			p.wantArchived(view)
		})
	}
}

// Records that are no events are at rest too: a log that ends before them is another.
func TestStoreFailsOverToBeforeRecordsThatAreNoEvents(t *testing.T) {
	p, view := newActivity(t)
	p.random("orders", 0, 185, copied)
	p.start()
	p.right(view, 1)
	p.stop()
	p.copyStore("before")
	p.start()
	for range 6 {
		p.produce("orders", 0, logrecord.Record{LogTime: base, Value: []byte("{")})
	}
	p.right(view, 1)
	p.stop()
	p.restoreStore("before")
	kept := p.sent[partition0("orders", 0)][:copied]
	p.again("orders", 1)
	_, err := p.log.Produce(t.Context(), "orders", 0, append(slices.Clone(kept), recordsOf(event{user: "eve", v: 1, at: base, a: base})...))
	ok(t, err)
	p.start()
	if gap := p.gap("activity", "orders"); !strings.Contains(gap.Error(), "the log ends at 11, but 15 is at rest") {
		t.Errorf("it says %v", gap)
	}
}
