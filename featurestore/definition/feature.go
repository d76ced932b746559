package definition

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// featureBuilder expands the features of one view.
type featureBuilder struct {
	l        *loader
	d        *document
	in       *inputs
	features []window.Feature
	at       []*node // where each of them stands: its window, or its name
}

func (b *featureBuilder) build() {
	latest := false
	for _, n := range b.d.node.get("features").list() {
		if n.has("agg") {
			b.windowed(n)
		} else {
			b.latest(n)
			latest = true
		}
	}
	b.checkTTL(latest)
	b.checkTile(false)
}

// checkTile reports a tile that nothing stands on. In a batch view of latest
// values alone, which has no windows at all, it is an error.
func (b *featureBuilder) checkTile(batch bool) {
	tile, aggregates := b.d.node.key("tile"), false
	if tile == nil || b.d.node.get("tile") == nil {
		return
	}
	for _, n := range b.d.node.get("features").list() {
		if standsOnTiles(n) {
			return
		}
		aggregates = aggregates || n.has("agg")
	}
	if batch && !aggregates {
		b.l.problem(tile, "remove it", "tile has no meaning without an aggregate: it is the grain of windows, and the view has none")
		return
	}
	b.l.warn(tile, "remove it", "tile has no effect: only windows with a start or a gap stand on one, and the view has none")
}

// standsOnTiles reports whether a feature has a window that a tile is for, or one
// that is too broken to say.
func standsOnTiles(n *node) bool {
	if !n.has("agg") {
		return false
	}
	windows := n.get("windows").list()
	if one := n.get("window"); one != nil {
		windows = append(windows, one)
	}
	for _, w := range windows {
		if kind := windowText(w); kind != wordLifetime && kind != wordRows {
			return true
		}
	}
	return len(windows) == 0
}

// checkTTL warns of a ttl that nothing looks at.
func (b *featureBuilder) checkTTL(latest bool) {
	if ttl := b.d.node.key("ttl"); ttl != nil && !latest {
		b.l.warn(ttl, "remove it: windows end by themselves", "ttl has no effect: it is for latest values, and the view has none")
	}
}

// windowed builds a feature for each window of an aggregate.
func (b *featureBuilder) windowed(n *node) {
	b.refuseKeys(n, "beside agg", "the aggregate gives the value", "type", "column", "expr")
	windows := n.get("windows").list()
	if one := n.get("window"); one != nil {
		windows = append(windows, one)
	}
	switch {
	case n.has("window") && n.has("windows"):
		b.l.problem(n.key("windows"), "remove one of them", "a feature has both window and windows")
		return
	case !n.has("window") && !n.has("windows"):
		b.l.problem(n.key("agg"), "write window: 24h, or windows: [1h, 24h]", "an aggregate needs a window")
	}
	f := window.Feature{Input: -1, Second: -1, By: -1, Where: -1, EmptyNull: n.has("empty")}
	warned := false // of the default, once for all windows
	typed := b.aggregate(n, &f)
	if where := n.get("where"); where != nil && b.in.usable {
		f.Where, _, _ = b.in.add(whole(where), featurestore.Bool)
	}
	if !typed {
		f.Type = featurestore.Type{}
	}
	seen := map[string]bool{}
	for _, w := range windows {
		one := f
		suffix, ok := b.window(n, w, &one)
		if suffix == "" { // reported; its name is not known
			continue
		}
		one.Name = n.get("name").value()
		if n.has("windows") {
			one.Name += "_" + suffix
		}
		if key := windowKey(&one); ok && seen[key] {
			b.l.problem(w, "remove it", "window %q is listed twice", windowText(w))
			continue
		} else if ok {
			seen[key] = true
		}
		if ok && typed {
			ok = b.elements(n, w, &one)
		}
		if !ok {
			one.Type = featurestore.Type{}
		}
		one.Default = b.l.defaultOf(n, one.Type)
		if of := neverNull(&one); of != "" && !one.Default.IsNull() && !warned {
			warned = true
			b.l.warn(n.key("default"), "remove it, unless a service has on_stale: default", "a default takes the place of null, which %s never is", of)
		}
		b.add(n, w, one)
	}
}

// neverNull names a feature whose value is never null, "" for any other.
func neverNull(f *window.Feature) string {
	switch {
	case f.Kind == window.Series:
		return "a series"
	case f.Call.By.Kind != featurestore.KindNull:
		return f.Call.Func + " by a field"
	}
	switch f.Call.Func {
	case "count", "count_null", "count_distinct", "approx_count_distinct", "ewm_count",
		"histogram", "distinct", "first_n", "last_n", "last_distinct_n", "top_n", "bottom_n":
		return f.Call.Func
	}
	return ""
}

func (b *featureBuilder) refuseKeys(n *node, where, hint string, keys ...string) {
	for _, k := range n.keys {
		if slices.Contains(keys, k.text) {
			b.l.problem(k, hint, "%q has no meaning %s", k.text, where)
		}
	}
}

// add keeps a feature under its name.
func (b *featureBuilder) add(n, at *node, f window.Feature) {
	if n.get("name") == nil {
		return
	}
	if err := featurestore.CheckName(f.Name); err != nil {
		b.l.problem(at, "shorten the name of the feature", "%v", err)
		return
	}
	if b.d.addColumn(b.l, n.get("name"), f.Name, f.Type) {
		b.features = append(b.features, f)
		b.at = append(b.at, at)
	}
}

// addColumn gives a view one more feature; a name that is taken is reported. A
// type of no kind is one that could not be found out, which was reported: where
// the feature is used, nothing more is said of it.
func (d *document) addColumn(l *loader, at *node, name string, t featurestore.Type) bool {
	if fieldIndex(d.columns, name) >= 0 {
		l.problem(at, "rename one of them", "feature %q is declared twice", name)
		return false
	}
	d.columns = append(d.columns, Field{Name: name, Type: t})
	return true
}

// defaultOf reads the default of a feature, null for none and for a feature of
// an unknown type.
func (l *loader) defaultOf(n *node, t featurestore.Type) featurestore.Value {
	d := n.get("default")
	if d == nil || t.Kind == featurestore.KindNull {
		return featurestore.Null
	}
	if d.isNull() {
		l.problem(d, "remove it: null is what a default replaces", "a default may not be null")
		return featurestore.Null
	}
	v, _ := l.literal(d, t, "default")
	return v
}
