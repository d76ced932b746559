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
