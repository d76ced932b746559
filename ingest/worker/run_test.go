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
