package ondemand

import (
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/transforms/expr"
)

// One feature, a / b with the default 7, over one input and one request value.
func TestStatusAndDefault(t *testing.T) {
	p, err := expr.Compile("a / b", []expr.Var{{Name: "a", Type: featurestore.Int64}, {Name: "b", Type: featurestore.Int64}})
	if err != nil {
		t.Fatal(err)
	}
	n, null := featurestore.Int64Value, featurestore.Null
	v := &definition.OnDemandView{Features: []definition.OnDemandFeature{{Name: "x", Type: featurestore.Int64, Expr: p, Default: n(7)}}}
	for _, c := range []struct {
		name  string
		input featurestore.Cell
		b     featurestore.Value
		want  featurestore.Cell
	}{
		{"a value", featurestore.Cell{Value: n(6), Status: featurestore.Present}, n(3), featurestore.Cell{Value: n(2), Status: featurestore.Present}},
		{"a value of an input that is not PRESENT", featurestore.Cell{Value: n(6), Status: featurestore.Expired}, n(3), featurestore.Cell{Value: n(2), Status: featurestore.Present}},
		{"a failure hides the default", featurestore.Cell{Value: n(6), Status: featurestore.Present}, n(0), featurestore.Cell{Status: featurestore.StatusError}},
		{"null request data", featurestore.Cell{Value: n(6), Status: featurestore.Present}, null, featurestore.Cell{Value: n(7), Status: featurestore.Empty}},
		{"the input's status", featurestore.Cell{Status: featurestore.NotFound}, n(1), featurestore.Cell{Value: n(7), Status: featurestore.NotFound}},
		{"an invalid key hides the default", featurestore.Cell{Status: featurestore.InvalidKey}, n(1), featurestore.Cell{Status: featurestore.InvalidKey}},
		{"so does a rebuilding input", featurestore.Cell{Status: featurestore.Rebuilding}, n(1), featurestore.Cell{Status: featurestore.Rebuilding}},
	} {
		out := make([]featurestore.Cell, 1)
		Eval(v, []featurestore.Cell{c.input}, []featurestore.Value{c.b}, nil, out)
		if !out[0].Equal(c.want) {
			t.Errorf("%s: got %v %s, want %v %s", c.name, out[0].Value, out[0].Status, c.want.Value, c.want.Status)
		}
	}
}
