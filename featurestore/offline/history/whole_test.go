package history

import (
	"path/filepath"
	"testing"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
)

// A reader that lives long remembers the files that are listed, and not every one
// that ever was: compaction and retention replace them for ever.
func TestAReaderForgets(t *testing.T) {
	dir, p := t.TempDir(), offline.Partition{Generation: 1}
	src := source(definition.Parquet)
	src.History = nil
	r := New(Options{Dir: dir})
	for i := range int64(20) {
		m := &archive.Manifest{Version: archive.ManifestVersion, Source: "clicks"}
		archived(t, dir, m, p, offline.Range{From: i, To: i + 2}, i)
		archived(t, dir, m, p, offline.Range{From: i, To: i + 2}, i+1)
		if n := len(collect(t, r, offline.Spec{Source: src})); n != 2 {
			t.Fatalf("%d events", n)
		}
		for _, f := range m.Files {
			if known := r.whole["clicks"][f.Path]; known.xxh3 != f.XXH3 {
				t.Fatalf("what was just read is %+v", known)
			}
		}
		if n := len(r.whole["clicks"]); n > 2*len(m.Files) {
			t.Fatalf("%d files are remembered, %d are listed", n, len(m.Files))
		}
	}

	root := t.TempDir()
	rows := []jsonRow{{E: 1, A: 1, S: "a"}}
	r = New(Options{Root: root})
	for i := range 5 {
		rows = append(rows, rows[0])
		writeJSON(t, filepath.Join(root, "a.jsonl"), rows)
		if n := len(collect(t, r, offline.Spec{Source: source(definition.JSONL, "*.jsonl")})); n != i+2 {
			t.Fatalf("%d events", n)
		}
	}
	if len(r.indexes) != 1 {
		t.Errorf("%d states of one file are remembered", len(r.indexes))
	}
}
