package worker

import (
	"slices"
	"testing"

	"github.com/freshet/freshet/featurestore/online"
)

// Where a store fails over to an older copy, and the log is lost with what that copy
// lacks, the way on is `accept-new-topic`: what is at rest of the old log counts then, once,
// in the view that answers and in one that is built later. Of a log that was cut off, the
// records from the newest compared one on, which is the same, count under the new log too.
func TestEarlierLogIsFilledFromRest(t *testing.T) {
	const copied = 10 // records that the copy has of the log that is lost
	for name, c := range map[string]struct{ kept, more, partitions int }{
		"made anew": {0, 5, 2}, "cut off": {15, 12, 2}, "cut off and shorter": {15, 3, 2}, "with fewer partitions": {0, 5, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p, view := newActivity(t)
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
			id := partition0("clicks", 0)
			old := p.sent[id]
			p.again("clicks", c.partitions)
			later := event{user: "eve", v: 1, at: base + 3600*micros, a: base + 3600*micros}
			if c.kept > 0 {
				_, err := p.log.Produce(t.Context(), "clicks", 0, slices.Clone(old[:c.kept]))
				ok(t, err)
			}
			fresh := recordsOf(slices.Repeat([]event{later}, c.more)...)
			_, err := p.log.Produce(t.Context(), "clicks", 0, fresh)
			ok(t, err)
			p.start()
			_ = p.gap("activity", "clicks")
			id.Generation++
			p.sent[id] = append(slices.Clone(old[:c.kept]), fresh...)
			for i := range p.sent[id] {
				if p.sent[id][i].Offset = int64(i); i < min(c.kept, copied) {
					p.sent[id][i].Value = nil // it counts under the old log
				}
			}
			p.accept("clicks")
			p.eventually("it is live again", func() bool { return p.state("activity", 1) == online.StateLive })
			p.right(view, 1)
			p.newGeneration(view)
			p.stop()
			p.wantArchived(view)
		})
	}
}
