package predictions_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/predictions"
)

// What version 1 wrote, every later release reads: the frozen segment and file
// hold the same rows as their text, and a segment of them has the same bytes. A
// change of these files is a new version.
func TestFrozenFormat(t *testing.T) {
	text, err := os.ReadFile("testdata/prediction-v1.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(text)), "\n")
	segment, err := os.ReadFile("testdata/prediction-v1.seg")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(segment, segmentOf(t, oneLookup())) {
		t.Error("a segment of the same lookup has other bytes")
	}
	file, err := os.ReadFile("testdata/prediction-v1.parquet")
	if err != nil {
		t.Fatal(err)
	}
	at := oneLookup().LoggedAt
	sealed := predictions.Sealed{Segment: predictions.SegmentID{Session: "00000000000000aa", Number: 1}, Schema: 1, First: at, Last: at}
	for name, place := range map[string]func(dir string) (string, []byte){
		"segment": func(dir string) (string, []byte) { return predictions.SegmentPath(dir, sealed.Segment), segment },
		"parquet": func(dir string) (string, []byte) { return sealed.Path(dir, "svc"), file },
	} {
		dir := t.TempDir()
		path, data := place(dir)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		rows := readAll(t, predictions.Query{Dir: dir, Service: "svc"})
		if len(rows) != len(want) {
			t.Errorf("%s: %d rows of %d", name, len(rows), len(want))
		}
		for i, r := range rows {
			if got := string(predictions.RowJSON(r)); i >= len(want) || got != want[i] {
				t.Errorf("%s, row %d: got %s", name, i, got)
			}
		}
	}
}
