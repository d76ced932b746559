package worker

import (
	"fmt"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
	"github.com/freshet/freshet/featurestore/offline/history"
	"github.com/freshet/freshet/featurestore/online"
	archive "github.com/freshet/freshet/ingest/history"
)

const visitsText = `kind: Entity
name: user
keys: [{name: user_id, type: string}]
---
kind: StreamSource
name: visits
kafka: {topic: visits}
format: json
timestamp: {field: event_time, format: rfc3339}
allowed_lateness: 10m
event_id: visit
sequence: number
fields: {visit: string, user_id: string, number: string, page: string, unread: string, seconds: double, paid: "decimal(10,2)", tags: list<string>}
---
kind: StreamView
name: visiting
entity: user
sources: [visits]
where: page != "/skip"
features:
  - {name: n, agg: count, window: 1h}
  - {name: page, agg: last(page), window: 1h}
  - {name: pages, agg: "count_distinct(page, max: 40)", window: 1h}
  - {name: seconds, agg: sum(seconds), window: 1h}
  - {name: paid, agg: sum(paid), window: 1h}
  - {name: tags, agg: last(tags), window: 1h}
`

// visit is an event of many kinds of values, some null, and now and then the id of an
// earlier one.
func visit(offset int64) featurestore.Event {
	at := featurestore.EventTime(base) + featurestore.EventTime(offset)*20_000
	id := fmt.Sprintf("visit-%d", offset-offset%11/10)
	ev := featurestore.Event{Time: at - featurestore.EventTime(offset%50)*1_000_000, LogTime: featurestore.LogTime(at), ID: id, Fields: []featurestore.Value{
		featurestore.StringValue(id), featurestore.StringValue(fmt.Sprintf("user-%d", offset*offset%977)), featurestore.StringValue(fmt.Sprintf("%08d", offset)),
		featurestore.StringValue(fmt.Sprintf("/page/%d", offset%61)), featurestore.StringValue("nobody reads it"),
		featurestore.DoubleValue(float64(offset) / 8), featurestore.DecimalValue(offset % 1000),
		featurestore.ListValue([]featurestore.Value{featurestore.StringValue(fmt.Sprintf("tag %d", offset%17))}),
	}}
	if offset%13 == 0 {
		ev.Fields[3] = featurestore.StringValue("/skip")
	}
	for i, every := range []int64{0, 101, 0, 7, 2, 9, 4, 3} {
		if every > 0 && offset%every == 0 {
			ev.Fields[i] = featurestore.Null
		}
	}
	ev.Sequence = ev.Fields[2]
	ev.Generation, ev.Offset = 1, offset
	return ev
}

// A fill from archived files gives the very bytes of who has applied each event as it
// came, though batches of it use the same memory one after the other.
func TestFillGivesTheBytesOfTheStream(t *testing.T) {
	for name, text := range map[string]string{"lists are read by row": visitsText, "by column": withoutTags(visitsText)} {
		t.Run(name, func(t *testing.T) {
			view := load(t, text).StreamView("visiting")
			source := view.Bindings[0].Source
			dir, n := t.TempDir(), int64(2*gatherBatches*eventsOf(gatherBytes, source))
			w, err := archive.Open(archive.Options{Dir: dir, Source: source, Disk: atomicfile.Disk{Durability: atomicfile.Crash}, SealRows: int(n / 5)})
			ok(t, err)
			ok(t, w.Begin(offline.Partition{Generation: 1}, 0))
			want := newMemoryStore()
			stream := openView(t, view, want, lanesOfTests)
			const each = 700
			for from := int64(0); from < n; from += each {
				events := columnar.New(source)
				for offset := from; offset < min(n, from+each); offset++ {
					ev := visit(offset)
					ev.Fields = ev.Fields[:len(source.Fields)]
					ok(t, events.Append(&ev))
				}
				ok(t, w.Append(events))
				through := min(n, from+each) - 1
				ok(t, stream.Apply(t.Context(), &Chunk{
					Partition: online.Partition{Source: source.Name, Generation: 1}, From: from, Events: events, Through: through, LogTime: events.LogTimes()[events.Len()-1],
				}))
			}
			ok(t, w.Close())
			got := newMemoryStore()
			filled := openView(t, view, got, lanesOfTests)
			read, err := fillFrom(t.Context(), history.New(history.Options{Dir: dir}), filled, offline.Spec{Source: source})
			ok(t, err)
			if read.Events != n {
				t.Errorf("%d of %d events were read", read.Events, n)
			}
			sameStates(t, got, want)
			a, b := filled.Counts(), stream.Counts()
			if a.Folded != b.Folded || a.Duplicate != b.Duplicate || a.Filtered != b.Filtered || a.NullKey != b.NullKey || b.Duplicate == 0 || b.Filtered == 0 || b.NullKey == 0 {
				t.Errorf("counts %+v, want %+v", a, b)
			}
		})
	}
}

// Lanes that others have moved since rows were laid out take what they lack, and no
// more; where the store lost what the rows begin behind, the fill begins anew.
func TestLanesMoveWhileRunsAreLaidOut(t *testing.T) {
	view := activity(t)
	p := newPart(t, view, partition0("clicks", 0), user("a", 1, 0), user("b", 2, 1), user("c", 3, 2), user("a", 4, 3), user("b", 5, 4), user("c", 6, 5))
	one := func() func() (*Chunk, error) {
		chunks := []*Chunk{p.all(), nil}
		return func() (c *Chunk, err error) {
			c, chunks = chunks[0], chunks[1:]
			return c, nil
		}
	}
	for _, lost := range []bool{false, true} {
		s := newMemoryStore()
		other, v := openView(t, view, s, lanesOfTests), openView(t, view, s, lanesOfTests)
		old := s.snapshot()
		ok(t, other.Apply(t.Context(), p.chunk(0, 2)))
		ok(t, v.refresh(t.Context()))
		laid := layOut(t.Context(), v, "clicks", one())
		r, err := laid.Next()
		ok(t, err)
		if lost {
			for id := range old {
				s.failover(old, id)
			}
		} else {
			ok(t, other.Apply(t.Context(), p.chunk(2, 4)))
		}
		ok(t, v.refresh(t.Context()))
		if _, err = v.applyRun(t.Context(), r, -1); lost {
			wantRewind(t, err, -1)
		} else {
			ok(t, err)
			ok(t, v.Advance(t.Context(), p.all()))
			sameStates(t, s, undisturbed(t, view, lanesOfTests, p))
			if n := v.Counts(); n.Duplicate > 0 || n.Folded != 2 {
				t.Errorf("%d rows were folded and %d were there, want 2 and none", n.Folded, n.Duplicate)
			}
		}
		laid.Close()
	}
}

// Only what a view reads is read for it.
func TestNeededFields(t *testing.T) {
	var fields []string
	view := load(t, visitsText).StreamView("visiting")
	for _, i := range needed(&view.Bindings[0]) {
		fields = append(fields, view.Bindings[0].Source.Fields[i].Name)
	}
	if got := fmt.Sprint(fields); got != "[user_id page seconds paid tags]" {
		t.Error(got)
	}
}

func withoutTags(text string) string {
	text = strings.Replace(text, ", tags: list<string>}", "}", 1)
	return strings.Replace(text, "  - {name: tags, agg: last(tags), window: 1h}\n", "", 1)
}
