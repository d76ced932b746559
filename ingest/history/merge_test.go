package history

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/freshet/freshet/featurestore/offline/archive"
)

// groupsOf writes a file without fields: groups of rows with such offsets.
func groupsOf(t *testing.T, groups ...[]int64) string {
	t.Helper()
	source := testSource()
	source.Fields = source.Fields[:0]
	schema, err := archive.Schema(source)
	ok(t, err)
	var out bytes.Buffer
	w := newParquet(&out, schema)
	for _, offsets := range groups {
		for _, o := range offsets {
			at := parquet.Int64Value(o)
			_, err := w.WriteRows([]parquet.Row{{at.Level(0, 0, 0), at.Level(0, 0, 1), parquet.Int32Value(0).Level(0, 0, 2), at.Level(0, 0, 3), parquet.BooleanValue(false).Level(0, 0, 4)}})
			ok(t, err)
		}
		ok(t, w.Flush())
	}
	ok(t, w.Close())
	path := filepath.Join(t.TempDir(), "f.parquet")
	ok(t, os.WriteFile(path, out.Bytes(), 0o644))
	return path
}

// mergedGroups merges files and gives the rows of each row group, with all offsets.
func mergedGroups(t *testing.T, copied int64, inputs ...*mergeInput) (rows []int64, err error) {
	t.Helper()
	schema, err := schemaOf(inputs[0].path)
	ok(t, err)
	var out bytes.Buffer
	if _, err := mergeFiles(t.Context(), &out, schema, copied, inputs); err != nil {
		return nil, err
	}
	f, err := parquet.OpenFile(bytes.NewReader(out.Bytes()), int64(out.Len()))
	ok(t, err)
	for _, g := range f.RowGroups() {
		rows = append(rows, g.NumRows())
	}
	return rows, nil
}

// A row group whose offsets do not ascend is refused, copied or not.
func TestCopiedGroupsAreInOrder(t *testing.T) {
	for _, copied := range []int64{100, 1} {
		_, err := mergedGroups(t, copied, &mergeInput{path: groupsOf(t, []int64{0, 2, 1, 3})}, &mergeInput{path: groupsOf(t, []int64{4, 5}), first: 4})
		if err == nil || !strings.Contains(err.Error(), "out of order") {
			t.Errorf("copied from %d rows on: %v", copied, err)
		}
	}
}

// Behind a row group that is read by rows, those that can be copied are.
func TestGroupsAreCopiedBehindOthers(t *testing.T) {
	got, err := mergedGroups(t, 3, &mergeInput{path: groupsOf(t, []int64{0, 1}, []int64{2, 3, 4}, []int64{5, 6, 7})}, &mergeInput{path: groupsOf(t, []int64{8, 9, 10}), first: 8})
	ok(t, err)
	if fmt.Sprint(got) != "[2 3 3 3]" {
		t.Errorf("%v", got)
	}
}
