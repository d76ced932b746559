package history

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	reader "github.com/freshet/freshet/featurestore/offline/history"
)

// scanColumns is scanRows by column.
func scanColumns(t tester, dir string, source *definition.StreamSource, most int) []featurestore.Event {
	t.Helper()
	ctx := context.Background()
	s, err := reader.New(reader.Options{Dir: dir, Files: reader.ArchiveOnly, BatchRows: 7}).Scan(ctx, offline.Spec{Source: source})
	ok(t, err)
	defer s.Close()
	var out []featurestore.Event
	for events := columnar.New(source); ; {
		b, err := s.(offline.ColumnStream).NextColumns(ctx, events, most)
		if errors.Is(err, io.EOF) {
			if n := s.Stats().Events; n != int64(len(out)) {
				t.Fatalf("%d events are counted, %d were read", n, len(out))
			}
			return out
		}
		ok(t, err)
		out = appendOwn(out, events)
		if n := len(out); events.Len() > 0 && (out[n-1].PartitionID != b.Partition || out[n-1].Offset > b.Through) {
			t.Fatalf("%+v in a batch of %v through %d", out[n-1], b.Partition, b.Through)
		}
	}
}

// appendOwn appends events that own their fields.
func appendOwn(dst []featurestore.Event, events *columnar.Events) []featurestore.Event {
	for ev := range events.All() {
		own := *ev
		own.ID = strings.Clone(ev.ID)
		own.Fields = slices.Clone(ev.Fields)
		for i, v := range own.Fields {
			switch v.Kind() {
			case featurestore.KindString:
				own.Fields[i] = featurestore.StringValue(strings.Clone(v.Str()))
			case featurestore.KindBytes:
				own.Fields[i] = featurestore.BytesValue(strings.Clone(v.Str()))
			}
		}
		dst = append(dst, own)
	}
	return dst
}

// A stream goes on where it stands, whichever way it is read, while the files that it
// reads are compacted.
func TestBothWaysGoOnWhereTheOtherStands(t *testing.T) {
	for name, byColumn := range map[string]func(i int) bool{
		"by column": func(int) bool { return true },
		"in turn":   func(i int) bool { return i%2 == 0 },
		"then rows": func(i int) bool { return i < 20 },
	} {
		dir := t.TempDir()
		want := feedDays(t, dir, 90, 4)
		ctx := context.Background()
		s, err := reader.New(reader.Options{Dir: dir, Files: reader.ArchiveOnly, BatchRows: 3}).Scan(ctx, offline.Spec{Source: testSource()})
		ok(t, err)
		var got []featurestore.Event
		for i, events := 0, columnar.New(testSource()); err == nil; i++ {
			if i == 5 || i == 40 {
				compact(t, dir, "clicks", func(c *Compaction) { c.TargetBytes = int64(i) * 2000 })
				listedOnly(t, dir)
			}
			var b offline.Batch
			if byColumn(i) {
				if _, err = s.(offline.ColumnStream).NextColumns(ctx, events, 3); err == nil {
					got = appendOwn(got, events)
				}
				continue
			}
			b, err = s.Next(ctx)
			for _, ev := range b.Events {
				ev.Fields = slices.Clone(ev.Fields)
				got = append(got, ev)
			}
		}
		if !errors.Is(err, io.EOF) {
			t.Fatal(name, err)
		}
		sameEvents(t, got, want)
		if n := s.Stats().Events; n != int64(len(want)) {
			t.Errorf("%s: %d events are counted, %d were read", name, n, len(want))
		}
		ok(t, s.Close())
	}
}

// What cannot be read by column is read row by row, and a row that is none counts for
// nothing either way.
func TestColumnsOfAnotherForm(t *testing.T) {
	dir := t.TempDir()
	w := open(t, Options{Dir: dir, Source: testSource(), Disk: fast, SealRows: 4})
	ok(t, w.Begin(offline.Partition{}, 0))
	for offset := range int64(20) {
		ev := event(0, 0, offset, featurestore.LogTime(offset))
		if offset == 13 {
			ev.Fields[3], ev.ID = featurestore.StringValue("\xff"), "\xff"
		}
		if offset == 17 {
			ev.Fields[5] = featurestore.TimestampValue(math.MaxInt64)
		}
		ok(t, appendTo(w, ev))
	}
	ok(t, w.Close())
	if got := scanAll(t, dir, testSource()); len(got) != 18 {
		t.Errorf("%d events", len(got))
	}
	other := testSource()
	other.Fields[1].Type, other.Sequence = featurestore.Double, -1 // integers that a double holds
	if got := scanAll(t, dir, other); len(got) != 18 || !got[3].Fields[1].Equal(featurestore.DoubleValue(3)) {
		t.Errorf("%d events", len(got))
	}
}
