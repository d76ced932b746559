package history

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
)

// Rows from the cutover on are the topic's: the others keep their ranks, however
// the files are cut and sorted.
func TestCutover(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	var lines [3][]string
	var want []got
	for i := range 300 {
		a := int64(r.IntN(100))
		f := r.IntN(3)
		text := fmt.Sprintf("%d-%d", f, len(lines[f]))
		lines[f] = append(lines[f], fmt.Sprintf(`{"e": %d, "a": %d, "s": %q}`, i, a, text))
		if a < 60 {
			want = append(want, got{a: featurestore.LogTime(a), text: text})
		}
	}
	for f, rows := range lines {
		ok(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.jsonl", f)), []byte(strings.Join(rows, "\n")+"\n"), 0o600))
	}
	s := source(definition.JSONL, "*.jsonl")
	cutover := featurestore.LogTime(60)
	s.History.Cutover = &cutover
	reader := New(Options{Root: dir, Files: JoinedFiles, BatchRows: 7, SortBytes: 500})
	have := collect(t, reader, offline.Spec{Source: s})
	if len(have) != len(want) {
		t.Fatalf("%d rows, want %d", len(have), len(want))
	}
	last := featurestore.LogTime(0)
	for i, g := range have {
		if g.offset != int64(i) || g.a < last || !slices.ContainsFunc(want, func(w got) bool { return w.a == g.a && w.text == g.text }) {
			t.Fatalf("row %d is %+v", i, g)
		}
		last = g.a
	}
	segments, err := reader.Segments(t.Context(), s)
	if err != nil || len(segments) != 1 || segments[0].Offsets != (offline.Range{To: int64(len(want))}) {
		t.Errorf("%+v, %v", segments, err)
	}
	s.History.Cutover = nil
	if have := collect(t, reader, offline.Spec{Source: s}); len(have) != 0 {
		t.Errorf("files that are joined to nothing give %d rows", len(have))
	}
}

// Rows with positions are records of the first log: sorted by offset, each once,
// from any range on; what is missing between them is counted.
func TestPositions(t *testing.T) {
	dir := t.TempDir()
	s := source(definition.JSONL, "*.jsonl")
	s.History.Positions = &definition.PositionColumns{Partition: "p", Offset: "o"}
	row := func(p, o int) string {
		return fmt.Sprintf(`{"e": %d, "a": %d, "s": "%d/%d", "p": %d, "o": %d}`, o, o, p, o, p, o)
	}
	var one, two []string
	for o := range 100 {
		if o != 40 && o != 41 {
			one = append(one, row(0, o))
		}
		two = append(two, row(3, 99-o)) // not sorted
	}
	two = append(two, row(0, 10), row(0, 120), row(0, 99)) // there already, behind, there already
	ok(t, os.WriteFile(filepath.Join(dir, "1.jsonl"), []byte(strings.Join(one, "\n")), 0o600))
	ok(t, os.WriteFile(filepath.Join(dir, "2.jsonl"), []byte(strings.Join(two, "\n")), 0o600))
	reader := New(Options{Root: dir, BatchRows: 7, SortBytes: 500})
	var want []got
	for _, p := range []int{0, 3} {
		for o := range 121 {
			if o < 100 && (p == 3 || o != 40 && o != 41) || p == 0 && o == 120 {
				want = append(want, got{int64(o), featurestore.LogTime(o), fmt.Sprintf("%d/%d", p, o)})
			}
		}
	}
	if have := collect(t, reader, offline.Spec{Source: s}); !slices.Equal(have, want) {
		t.Errorf("%v", have)
	}
	spec := offline.Spec{Source: s, Only: true, Bounds: map[offline.Partition]offline.Range{{Generation: 1, Partition: 3}: {From: 20, To: 30}}}
	if have := collect(t, reader, spec); !slices.Equal(have, want[99+20:99+30]) {
		t.Errorf("%v", have)
	}
	stream, err := reader.Scan(t.Context(), offline.Spec{Source: s})
	ok(t, err)
	for err == nil {
		_, err = stream.Next(t.Context())
	}
	if st := stream.Stats(); st.Events != 199 || st.Repeated != 2 || st.Missing != 2+20 {
		t.Errorf("%+v", st)
	}
	ok(t, stream.Close())

	// A bad cell is a bad row in its place; a row without a place refuses the file.
	ok(t, os.WriteFile(filepath.Join(dir, "3.jsonl"), []byte(`{"e": 1, "a": 1, "s": 7, "p": 0, "o": 40}`), 0o600))
	if have := collect(t, reader, offline.Spec{Source: s}); !slices.Contains(have, got{offset: 40, text: "bad 3.jsonl:0"}) {
		t.Errorf("%v", have)
	}
	for name, bad := range map[string]string{
		"no position": `{"e": 1, "a": 1, "s": "x", "p": 0}`, "no offset of a log": `{"e": 1, "a": 1, "s": "x", "p": 0, "o": -1}`, "cannot be read": `{"e": "x", "a": 1, "s": "x", "p": 0, "o": 200}`,
	} {
		ok(t, os.WriteFile(filepath.Join(dir, "3.jsonl"), []byte(bad), 0o600))
		if _, err := reader.Scan(t.Context(), offline.Spec{Source: s}); !errors.Is(err, featurestore.ErrInvalid) || !strings.Contains(err.Error(), "3.jsonl") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
