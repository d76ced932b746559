package node

import (
	"strings"
	"testing"

	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/worker"
)

const day = featurestore.Day

// What a view reads is kept beyond a retention that is shorter, and is said.
func TestRetentionIsNoShorterThanViews(t *testing.T) {
	newest := featurestore.Instant(1000 * day)
	m := &archive.Manifest{Files: []archive.File{{MaxLogTime: int64(newest)}, {MaxLogTime: 5}}}
	for name, c := range map[string]struct {
		keep featurestore.Duration
		n    Reach
		now  featurestore.Instant
		want featurestore.Instant
		note string
	}{
		"all":               {0, Reach{Back: day}, newest, 0, ""},
		"long enough":       {90 * day, Reach{View: "v", Back: 7 * day}, newest + 5, newest - featurestore.Instant(90*day), ""},
		"too short":         {3 * day, Reach{View: "v", Back: 7 * day}, newest + 5, newest - featurestore.Instant(9*day), "9d are kept, not the 3d"},
		"a lifetime":        {3 * day, Reach{View: "v", All: true}, newest + 5, 0, "drops nothing"},
		"a time to come":    {90 * day, Reach{}, newest - 7, newest - 7 - featurestore.Instant(90*day), ""},
		"nobody reads that": {90 * day, Reach{}, newest + featurestore.Instant(900*day), newest - featurestore.Instant(90*day), ""},
	} {
		if got := keepFrom(m, c.keep, c.n, c.now); got != c.want {
			t.Errorf("%s: kept from %d, want %d", name, got, c.want)
		}
		s := &settings.Settings{}
		s.Ingest.Archive.RetentionOf = map[string]settings.Duration{"clicks": settings.Duration(c.keep)}
		notes := RetentionNotes(s, map[string]Reach{"clicks": c.n})
		if c.n.View != "" && (!strings.Contains(notes["clicks"], c.note) || (c.note == "") != (len(notes) == 0)) {
			t.Errorf("%s: it is said %q, want %q", name, notes, c.note)
		}
	}
}

// The view that reads the furthest back counts, and one without a bound most.
func TestNeedsOf(t *testing.T) {
	const head = `kind: Entity
name: user
keys: [{name: user, type: string}]
---
kind: StreamSource
name: clicks
kafka: {topic: clicks}
format: json
timestamp: {field: at, format: unix_us}
fields: {user: string}
`
	view := func(name, window string) string {
		return "---\nkind: StreamView\nname: " + name + "\nentity: user\nsource: clicks\nfeatures: [{name: n, agg: count, window: " + window + "}]\n"
	}
	for want, text := range map[string]string{
		"month": view("day", "1d") + view("month", "30d") + view("week", "7d"),
		"ever":  view("day", "1d") + view("ever", "lifetime") + view("month", "30d"),
	} {
		p, problems := definition.Load([]definition.File{{Path: "d.yaml", Data: []byte(head + text)}})
		if p == nil {
			t.Fatal(problems)
		}
		if n := NeedsOf(p)["clicks"]; n.View != want || n.All != (want == "ever") {
			t.Errorf("%+v, want %s", n, want)
		}
	}
}

// What compaction of a topic had removed before it was at rest is said at its source, beside
// what is said of that already.
func TestRemovedIsSaid(t *testing.T) {
	removed := []worker.Missing{{Partition: online.Partition{Source: "orders", Generation: 1, Number: 2}, Ranges: []offline.Range{{From: 31, To: 33}, {From: 40, To: 41}}}}
	got := withRemoved([]ArchiveStatus{{Source: "clicks", Note: "as it is"}, {Source: "orders", Note: "first"}}, removed)
	if got[0].Note != "as it is" || got[0].Removed != nil {
		t.Errorf("of another source: %+v", got[0])
	}
	if s := got[1]; !strings.HasPrefix(s.Note, "first; compaction of the topic") || !strings.Contains(s.Note, "partition 2: offsets 31 to 32, 40 to 40") || len(s.Removed) != 1 || s.Removed[0].Offsets[1].From != 40 {
		t.Errorf("%+v", s)
	}
}
