package worker

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/redis"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
	"github.com/freshet/freshet/ingest/logrecord"
)

// A lane of a real redis-server says a state that this version does not know: a newer
// one has written it, or somebody by hand. Its view stands still, says so and leaves it
// alone; a view of the same source goes on, and the first one once the state is known.
func TestALaneOfAnUnknownState(t *testing.T) {
	server, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir()})
	ok(t, err)
	t.Cleanup(func() { ok(t, server.Stop()) })
	p := &plant{t: t, dir: t.TempDir(), sent: map[online.Partition][]logrecord.Record{}}
	p.store, err = redis.Open(redis.Config{Project: "p", Addrs: []string{server.Addr()}})
	ok(t, err)
	p.open()
	p.topic("clicks", 2)
	p.topic("orders", 1)
	text := definitions + `---
kind: StreamView
name: visits
entity: user
source: clicks
features: [{name: n, agg: count, window: 1h}]
`
	project := p.apply(text)
	activity, visits := project.StreamView("activity"), project.StreamView("visits")
	key := string(online.LaneID{Generation: generation, Lane: 3}.AppendMetaKey(nil))
	say := func(state string) { t.Helper(); ok(t, server.Do(t.Context(), "HSET", key, "state", state)) }
	goesOn := func(seed uint64) {
		t.Helper()
		p.produce("clicks", 0, recordsOf(randomEvents(rand.New(rand.NewPCG(seed, 3)), 20)...)...)
		p.right(visits, 1)
	}
	stands := func() bool {
		c := p.worker.Conditions()[generation]
		return c.State == "STALE_BINARY" && strings.Contains(c.Reason, "lane 3") && strings.Contains(c.Reason, `"PAUSED"`) && c.Next != ""
	}
	p.start()
	p.some(1, 60)
	p.right(activity, 1)
	p.right(visits, 1)

	say("PAUSED")
	p.eventually("the view says why it stands still", stands)
	goesOn(2)
	p.stop()
	p.start()
	goesOn(3)
	p.eventually("it says so after a start", stands)
	if state, err := server.Ask(t.Context(), "HGET", key, "state"); err != nil || state != "PAUSED" {
		t.Errorf("the state is %v now (%v)", state, err)
	}
	if c := p.worker.Conditions()[online.Generation{Project: "p", View: "visits", Number: 1}]; c.State != "RUNNING" {
		t.Errorf("the other view: %+v", c)
	}

	say("LIVE")
	p.right(activity, 1)
	p.eventually("it runs", func() bool { return p.worker.Conditions()[generation].State == "RUNNING" })
	goesOn(4)

	say("PAUSED")
	p.eventually("it stands still again", stands)
	p.order(text)
	p.eventually("another generation takes over", func() bool { return p.live("activity") == 2 && p.state("activity", 2) == online.StateLive })
	p.right(activity, 2)
	goesOn(5)
	p.eventually("nothing is said of the one before", func() bool { _, said := p.worker.Conditions()[generation]; return !said })
}
