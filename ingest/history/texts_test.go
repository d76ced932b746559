package history

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go/format"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
)

// Texts that repeat are written by a dictionary, others one by one; which, is decided
// for each file of many rows, and no reader sees it.
func TestTextsThatDoNotRepeatHaveNoDictionary(t *testing.T) {
	dir := t.TempDir()
	source := &definition.StreamSource{Meta: definition.Meta{Name: "clicks"}, EventID: -1, Sequence: -1, Fields: []definition.Field{
		{Name: "user", Type: featurestore.String}, {Name: "kind", Type: featurestore.String}, {Name: "n", Type: featurestore.Int64},
	}}
	w := open(t, Options{Dir: dir, Source: source, Disk: fast})
	p := offline.Partition{Generation: 1}
	ok(t, w.Begin(p, 0))
	var want []string
	write := func(n int, user func(i int) string) {
		var list []featurestore.Event
		for range n {
			i := len(want)
			ev := featurestore.Event{Time: featurestore.EventTime(i), LogTime: featurestore.LogTime(i), Fields: []featurestore.Value{
				featurestore.StringValue(user(i)), featurestore.StringValue([]string{"tap", "", "swipe"}[i%3]), featurestore.Int64Value(int64(i)),
			}}
			if i%5 == 0 {
				ev.Fields[1] = featurestore.Null
			}
			ev.Generation, ev.Offset = 1, int64(i)
			list, want = append(list, ev), append(want, ev.Fields[0].Str())
		}
		ok(t, appendTo(w, list...))
		ok(t, w.Flush())
	}
	each := func(i int) string { return fmt.Sprintf("user %d", i) }
	few := func(i int) string { return fmt.Sprintf("user %d", i%10) }
	for _, step := range []struct {
		n     int
		user  func(int) string
		plain bool
	}{
		{100, each, false}, // too few to know
		{2000, each, true},
		{100, few, true}, // it stays as it was
		{2000, few, false},
	} {
		write(step.n, step.user)
		m, err := archive.LoadPartition(dir, "clicks", p)
		ok(t, err)
		file := filepath.Join(archive.Folder(dir, "clicks"), filepath.FromSlash(m.Files[len(m.Files)-1].Path))
		for column, want := range map[string]bool{"user": !step.plain, "kind": true} {
			if got := dictionaryOf(t, file, column); got != want {
				t.Errorf("%d rows: column %q has a dictionary: %t", step.n, column, got)
			}
		}
	}
	ok(t, w.Close())
	got := scanAll(t, dir, source)
	if len(got) != len(want) {
		t.Fatalf("%d of %d rows", len(got), len(want))
	}
	for i, ev := range got {
		if ev.Fields[0].Str() != want[i] || ev.Fields[1].IsNull() != (i%5 == 0) || !ev.Fields[2].Equal(featurestore.Int64Value(int64(i))) {
			t.Fatalf("row %d is %v", i, ev.Fields)
		}
	}
}

// dictionaryOf reports whether a column of a file has a dictionary.
func dictionaryOf(t *testing.T, path, column string) bool {
	t.Helper()
	f := parquetAt(t, path)
	for _, c := range f.Metadata().RowGroups[0].Columns {
		if c.MetaData.PathInSchema[0] == column {
			return slices.Contains(c.MetaData.Encoding, format.RLEDictionary)
		}
	}
	t.Fatalf("%s has no column %q: %+v", path, column, f.Metadata().RowGroups[0].Columns)
	return false
}
