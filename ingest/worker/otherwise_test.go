package worker

import (
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/registry"
)

// Which revisions have read otherwise than a generation: those of another meaning of its
// view, by whose definition of its source a record may be another event. Of one that
// cannot be read nobody knows; nothing is said of a generation of another version.
func TestReadOtherwise(t *testing.T) {
	with := func(old, to string) string { return strings.Replace(firstRead, old, to, 1) }
	alike := with("v: int64}", "v: int64, spare: double}") // the same meaning
	wider := with("window: 10m", "window: 20m")            // another, which reads the same
	for name, c := range map[string]struct {
		then []string // revisions after the first; "" cannot be read
		want []Otherwise
	}{
		"nothing came":         {nil, nil},
		"a field besides":      {[]string{alike}, nil},
		"another window":       {[]string{wider, firstRead}, nil},
		"more fields, now":     {[]string{moreRead()}, []Otherwise{{"clicks", 2}}},
		"more fields, then":    {[]string{wider, moreRead(), lessRead(), firstRead}, []Otherwise{{"clicks", 3}}},
		"one that is not read": {[]string{"", firstRead}, []Otherwise{{"clicks", 2}}},
		"another lateness":     {[]string{with("allowed_lateness: 1m", "allowed_lateness: 2m"), firstRead}, []Otherwise{{"clicks", 2}}},
	} {
		texts := append([]string{firstRead}, c.then...)
		loader := func(n int64) (*definition.Project, error) {
			if texts[n-1] == "" {
				return nil, featurestore.Invalidf("it does not load")
			}
			return load(t, texts[n-1]), nil
		}
		g := registry.Generation{View: "activity", Number: 1, Revision: 1, Hash: load(t, firstRead).StreamView("activity").Hash}
		got, err := ReadOtherwise(g, int64(len(texts)), loader)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, c.want)
		}
		texts[0] = ""
		if got, err := ReadOtherwise(g, int64(len(texts)), loader); err != nil || len(got) > 0 {
			t.Errorf("%s, of another version: %v, %v", name, got, err)
		}
	}
	away := func(int64) (*definition.Project, error) { return nil, featurestore.Unavailablef("it is away") }
	if _, err := ReadOtherwise(registry.Generation{View: "activity", Revision: 1}, 2, away); err == nil {
		t.Error("a registry that is away says nothing")
	}
}
