package worker

import (
	"slices"
	"testing"

	"github.com/freshet/freshet/featurestore/online"
)

// A mark keeps its fingerprints when the memory in which they came is used again.
func TestMarksKeepTheirPrints(t *testing.T) {
	l := &lanes{marks: []map[online.Partition]mark{{}}}
	p, from := online.Partition{Source: "pages"}, []online.Fingerprint{{Offset: 1, Hash: 2}, {Offset: 3, Hash: 4}}
	for _, prints := range [][]online.Fingerprint{from, from[:1], from, nil} {
		want := slices.Clone(prints)
		l.set(0, p, online.Watermark{Offset: 3, Prints: prints}, true)
		for i := range prints {
			prints[i] = online.Fingerprint{Offset: 9}
		}
		if got := l.at(0, p).prints; !slices.Equal(got, want) {
			t.Errorf("the mark has %+v, want %+v", got, want)
		}
		copy(from, []online.Fingerprint{{Offset: 1, Hash: 2}, {Offset: 3, Hash: 4}})
	}
}

// The watermarks of a chunk's lanes have fingerprints of their own, each in memory that is
// used again with the next chunk.
func TestLanesDoNotSharePrints(t *testing.T) {
	var m written
	for round := range 4 {
		m.reset()
		var got []online.Watermark
		var want [][]online.Fingerprint
		for lane := range int64(3) {
			before := mark{prints: []online.Fingerprint{{Offset: lane, Hash: uint64(round)}}}
			c := &Chunk{Through: 10 + lane, Prints: []online.Fingerprint{{Offset: 10 + lane}}}
			got, want = append(got, c.target(before, m.printRoom())), append(want, slices.Concat(before.prints, c.Prints))
		}
		for lane, w := range got {
			if !slices.Equal(w.Prints, want[lane]) {
				t.Errorf("round %d, lane %d has %+v, want %+v", round, lane, w.Prints, want[lane])
			}
		}
		if most := 3 * (maxPrints + 1); len(m.prints) != most {
			t.Errorf("round %d takes the memory of %d fingerprints, want %d", round, len(m.prints), most)
		}
	}
}
