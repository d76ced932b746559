package history

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
	reader "github.com/freshet/freshet/featurestore/offline/history"
)

func changeSource() *definition.StreamSource {
	return &definition.StreamSource{
		Meta: definition.Meta{Name: "rows"}, Format: definition.FormatDebezium, EventID: -1, Sequence: -1, Key: -1, AllowedLateness: featurestore.Hour,
		Fields: []definition.Field{{Name: "n", Type: featurestore.Int64}, {Name: "v", Type: featurestore.List(featurestore.Double)}, {Name: "m", Type: featurestore.Map(featurestore.String)}},
	}
}

// TestChangesComeBack: whatever the seals, batches and reads, the events of a
// change feed come back whole and in order, and no batch parts a record's two.
func TestChangesComeBack(t *testing.T) {
	root := t.TempDir()
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		dir := filepath.Join(root, string(rune('a'+run%26)), strings.Repeat("x", run%7), "d")
		ok(t, os.RemoveAll(dir))
		var events []featurestore.Event
		for offset := range int64(rapid.IntRange(1, 60).Draw(t, "records")) {
			row := func(c featurestore.Change) featurestore.Event {
				ev := featurestore.Event{
					Position: featurestore.Position{PartitionID: featurestore.PartitionID{Generation: 1}, Offset: offset},
					Time:     featurestore.EventTime(offset), LogTime: featurestore.LogTime(offset), Change: c, Mutated: featurestore.EventTime(offset + 3),
				}
				n := rapid.Int64Range(-3, 3).Draw(t, "n")
				ev.Fields = []featurestore.Value{
					featurestore.Int64Value(n), featurestore.ListValue([]featurestore.Value{featurestore.DoubleValue(0.1 * float64(n)), featurestore.Null}),
					featurestore.MapValue([]string{"a\"\u00e9"}, []featurestore.Value{featurestore.StringValue("<b>")}),
				}
				return ev
			}
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				events = append(events, row(featurestore.Added))
			case 1:
				events = append(events, row(featurestore.Retracted))
			case 2:
				events = append(events, row(featurestore.Retracted), row(featurestore.Added))
			}
		}
		src := changeSource()
		w := open(t, Options{Dir: dir, Source: src, Disk: fast, SealRows: rapid.IntRange(1, 9).Draw(t, "seal")})
		p := offline.Partition{Generation: 1}
		ok(t, w.Begin(p, 0))
		for i := range events {
			ok(t, appendTo(w, events[i]))
		}
		for i := range events { // a rewind: all of it is there
			ok(t, appendTo(w, events[i]))
		}
		ok(t, w.Consumed(p, 60))
		ok(t, w.Close())

		r := reader.New(reader.Options{Dir: dir, Files: reader.ArchiveOnly, BatchRows: rapid.IntRange(1, 5).Draw(t, "batch")})
		drop := rapid.Int64Range(-3, 9).Draw(t, "drop")
		s, err := r.Scan(t.Context(), offline.Spec{Source: src, Keep: func(ev *featurestore.Event) bool { return ev.Fields[0].Int64() != drop }})
		ok(t, err)
		defer s.Close()
		var got []featurestore.Event
		through := int64(-1)
		for {
			b, err := s.Next(context.Background())
			if errors.Is(err, io.EOF) {
				break
			}
			ok(t, err)
			for _, ev := range b.Events {
				if ev.Offset <= through || ev.Offset > b.Through {
					t.Fatalf("an event of offset %d in a batch of %d to %d", ev.Offset, through+1, b.Through)
				}
				ev.Fields = slices.Clone(ev.Fields)
				got = append(got, ev)
			}
			through = b.Through
		}
		want := slices.DeleteFunc(slices.Clone(events), func(ev featurestore.Event) bool { return ev.Fields[0].Int64() == drop })
		same := slices.EqualFunc(got, want, func(a, b featurestore.Event) bool {
			return a.Position == b.Position && a.Time == b.Time && a.Change == b.Change && a.Mutated == b.Mutated && slices.EqualFunc(a.Fields, b.Fields, featurestore.Value.Equal)
		})
		if !same || through != 60 {
			t.Fatalf("through %d, got %+v\nwant %+v", through, got, want)
		}
	})
}

// TestOldFilesAreEvents: a source that becomes a change feed keeps what it was.
func TestOldFilesAreEvents(t *testing.T) {
	dir, src := t.TempDir(), changeSource()
	src.Format = definition.FormatJSON
	p := offline.Partition{Generation: 1}
	ev := featurestore.Event{Position: featurestore.Position{PartitionID: p.Of(0)}, Fields: []featurestore.Value{featurestore.Int64Value(1), featurestore.Null, featurestore.Null}}
	write := func() {
		w := open(t, Options{Dir: dir, Source: src, Disk: fast})
		ok(t, w.Begin(p, ev.Offset))
		ok(t, appendTo(w, ev))
		ok(t, w.Close())
	}
	write()
	m, err := archive.Load(dir, "rows")
	if err != nil || m.Version != 1 {
		t.Fatalf("%+v, %v", m, err)
	}
	src.Format = definition.FormatDebezium
	ev.Offset, ev.Change, ev.Mutated = 1, featurestore.Retracted, 5
	write()
	if m, err = archive.Load(dir, "rows"); err != nil || m.Version != 2 {
		t.Fatalf("%+v, %v", m, err)
	}
	got := scanAll(t, dir, src)
	if len(got) != 2 || got[0].Change != featurestore.NoChange || got[1].Change != featurestore.Retracted || got[1].Mutated != 5 {
		t.Errorf("%+v", got)
	}
}
