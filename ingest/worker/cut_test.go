package worker

import (
	"slices"
	"testing"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/logrecord"
)

// A log that was cut off, and has other records since, is gone on with where it was cut:
// what is at rest says where that is, also far from any fingerprint. Each record counts
// once, under the log that it was applied of first.
func TestCutOffLogCountsOnce(t *testing.T) {
	bad := logrecord.Record{LogTime: base, Value: []byte("{")}
	for name, c := range map[string]struct{ kept, others int }{
		"longer than before": {137, 90}, "shorter": {137, 3}, "of the same length": {137, 63}, "at its end": {199, 1}, "before a bad record": {150, 60}, "behind it": {151, 60}, "nothing came since": {120, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p, view := newActivity(t)
			p.random("orders", 0, 221, 150)
			p.produce("orders", 0, bad)
			p.random("orders", 0, 222, 49)
			p.random("clicks", 0, 223, 20)
			p.start()
			p.right(view, 1)
			p.stop()
			old := p.sent[partition0("orders", 0)]
			p.again("orders", 1)
			other := recordsOf(slices.Repeat([]event{{user: "a", v: 1, at: base + 3600*micros, a: base + 3600*micros}}, c.others)...)
			now := append(slices.Clone(old[:c.kept]), other...)
			_, err := p.log.Produce(t.Context(), "orders", 0, slices.Clone(now))
			ok(t, err)
			p.start()
			p.goOn(view, "orders", now, c.kept)
		})
	}
}

// goOn accepts what a topic holds now, of which the first records count under the log
// before, and wants all to count once, in a view that is built later too.
func (p *plant) goOn(view *definition.StreamView, topic string, now []logrecord.Record, kept int) {
	p.t.Helper()
	_ = p.gap("activity", topic)
	for i := range now {
		if now[i].Offset = int64(i); i < kept {
			now[i].Value = nil
		}
	}
	id := partition0(topic, 0)
	id.Generation++
	p.sent[id] = now
	p.accept(topic)
	p.eventually("it is live again", func() bool { return p.state("activity", 1) == online.StateLive })
	p.right(view, 1)
	p.newGeneration(view)
	p.stop()
	p.wantArchived(view)
}
