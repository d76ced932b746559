package conformance

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/conformance"
	"github.com/freshet/freshet/transforms/window"
)

// countOnly gives a case without a view the smallest one.
func countOnly() ([]conformance.Feature, []window.Feature) {
	return []conformance.Feature{{Name: "n", Agg: "count", Window: featurestore.Minute}},
		[]window.Feature{{Name: "n", Call: agg.Call{Func: "count"}, Type: featurestore.Int64, Input: -1, Where: -1, Width: featurestore.Minute}}
}
