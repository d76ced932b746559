package conformance

import (
	"maps"
	"slices"
	"testing"

	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

// The least number of vectors.
const (
	leastOfAggregate = 3
	leastOfWindow    = 5
	leastOfTopic     = 1
)

// windowWords are the kinds of windows and what may stand beside one.
func windowWords() []string {
	words := []string{"exact", "offset", "by"}
	for k := window.Trailing; k <= window.Series; k++ {
		words = append(words, k.String())
	}
	return words
}

// A new aggregate, and a new kind of window, fails here until vectors show it:
// its plain value, and what nothing, nulls, late events and retractions make of it.
func TestEverythingIsCovered(t *testing.T) {
	seen := coverage(load(t))
	for _, name := range agg.Functions() {
		if n := len(seen[name]); n < leastOfAggregate {
			t.Errorf("%d vectors have the aggregate %s, want %d", n, name, leastOfAggregate)
		}
	}
	for _, word := range windowWords() {
		if n := len(seen[word]); n < leastOfWindow {
			t.Errorf("%d vectors have the window %s, want %d", n, word, leastOfWindow)
		}
	}
	for _, word := range slices.Concat(agg.Functions(), windowWords()) {
		for _, topic := range topics {
			if n := len(seen[word+": "+topic.name]); n < leastOfTopic {
				t.Errorf("%d vectors show %s of %s, want %d", n, topic.name, word, leastOfTopic)
			}
		}
	}
}

// The signatures of this reader and the aggregates of the engine are one list.
func TestSignaturesAreTheAggregates(t *testing.T) {
	if got, want := slices.Sorted(maps.Keys(signatures)), agg.Functions(); !slices.Equal(got, want) {
		t.Errorf("this package reads %q, the engine runs %q", got, want)
	}
}
