package definition

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

// by makes a map of a feature's value: one for each value of a field.
func (b *featureBuilder) by(n *node, f *window.Feature) (ok bool) {
	field := n.get("by")
	if field == nil {
		if n.has("max_keys") && !n.has("by") {
			b.l.problem(n.key("max_keys"), "remove it, or write by: FIELD", "max_keys has no meaning without by")
		}
		return !n.has("by")
	}
	index, t, ok := b.in.add(whole(field), featurestore.Type{})
	if !ok {
		return false
	}
	f.By, f.Call.By, f.Call.MaxKeys = index, t, agg.DefaultMaxKeys
	if most := n.get("max_keys"); most != nil {
		f.Call.MaxKeys, _ = parseWhole(most.text, 1, agg.MaxMaxKeys) // checked by its shape
	}
	if !slices.Contains(keyedKinds(), t.Kind) {
		b.l.problem(field, "name a field of type "+kindList(keyedKinds()), "field %q is %s, whose values are no keys of a map", field.text, t)
		return false
	}
	if isComposite(f.Type) {
		b.l.problem(n.key("by"), "ask for one value a key, as count, sum(x) or last(x)", "by needs an aggregate of one value, and %s gives %s", f.Call.Func, f.Type)
		return false
	}
	f.Type = featurestore.Map(f.Type)
	return true
}

// modifiers reads nulls and empty, beside the aggregates that they change.
func (b *featureBuilder) modifiers(n *node, call *agg.Call) {
	call.RespectNulls = n.get("nulls") != nil
	if call.RespectNulls && call.Func != "first" && call.Func != "last" {
		call.RespectNulls = false
		b.l.problem(n.key("nulls"), "remove it: only first and last can take nulls", "%s cannot have nulls: respect", call.Func)
	}
	byField := call.By.Kind != featurestore.KindNull
	if n.get("empty") == nil || !byField && (call.Func == "sum" || call.Func == "ewm_sum") {
		return
	}
	of := call.Func
	if byField {
		of += " by a field"
	}
	b.l.warn(n.key("empty"), "remove it: it makes null of the sum of nothing", "empty: null has no effect on %s", of)
}
