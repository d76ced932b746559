package conformance

import (
	"maps"
	"slices"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

// capabilities are the words of a case's needs, as README.md lists them.
var capabilities = []string{
	"trailing", "exact", "lifetime", "offset", "series", "rows", "session", "tumbling", "hopping", "calendar", "latest", "ttl",
	"where", "by", "default", "list", "map", "decay", "hll", "ddsketch", "decimal", "typed_nan",
	"partitions", "sequence", "event_id", "pending", "replay", "as_of", "key", "request", "parse_time", "cdc", "batch",
}

// topics are what the vectors of an aggregate or of a kind of window must show
// beside its plain value. A vector is of a topic if one of its cases is.
var topics = []struct {
	name string
	of   func(c *Case, f *window.Feature) bool
}{
	{"empty", func(c *Case, f *window.Feature) bool { return expects(c, f, featurestore.Empty) }},
	{"unknown", func(c *Case, f *window.Feature) bool { return expects(c, f, featurestore.NotFound) }},
	{"null", func(c *Case, _ *window.Feature) bool {
		return hasRow(c, func(r *EntityRow) bool { return slices.ContainsFunc(r.Inputs, featurestore.Value.IsNull) })
	}},
	{"late or pending", func(c *Case, _ *window.Feature) bool {
		return hasRow(c, func(r *EntityRow) bool { return r.Change == featurestore.NoChange && int64(r.LogTime) != int64(r.Time) })
	}},
	{"retraction", func(c *Case, _ *window.Feature) bool {
		return hasRow(c, func(r *EntityRow) bool { return r.Change == featurestore.Retracted })
	}},
}

// expects reports whether some reading expects the status of the feature.
func expects(c *Case, f *window.Feature, status featurestore.Status) bool {
	at := slices.IndexFunc(c.Config.Features, func(o window.Feature) bool { return o.Name == f.Name })
	return slices.ContainsFunc(c.Readings, func(r Reading) bool { return r.Expect[at].Status == status })
}

func hasRow(c *Case, is func(*EntityRow) bool) bool {
	return slices.ContainsFunc(c.Events, func(e Event) bool {
		return slices.ContainsFunc(e.Rows, func(r EntityRow) bool { return is(&r) })
	})
}

// words are what a feature is an example of: its aggregate, and its window with
// what stands beside it.
func words(f *window.Feature) []string {
	all := []string{f.Kind.String()}
	if f.Kind != window.Latest {
		all = append(all, f.Call.Func)
	}
	if f.Exact {
		all = append(all, "exact")
	}
	if f.Offset != 0 {
		all = append(all, "offset")
	}
	if f.By >= 0 {
		all = append(all, "by")
	}
	return all
}

// coverage gives, for each word and each topic, the vectors that show it.
func coverage(cases []*Case) map[string]map[int]bool {
	seen := map[string]map[int]bool{}
	note := func(word string, vector int) {
		if seen[word] == nil {
			seen[word] = map[int]bool{}
		}
		seen[word][vector] = true
	}
	for _, c := range cases {
		for i := range c.Config.Features {
			f := &c.Config.Features[i]
			for _, word := range words(f) {
				note(word, c.Vector)
				for _, topic := range topics {
					if c.Kind == KindWindow && topic.of(c, f) {
						note(word+": "+topic.name, c.Vector)
					}
				}
			}
		}
	}
	return seen
}

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
