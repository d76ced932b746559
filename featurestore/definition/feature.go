package definition

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

func streamFeatureShape() *shape {
	return object("a feature",
		field{key: "name", shape: variableShape(), need: true, doc: "write {name: events, agg: count, window: 1h}"},
		field{key: "agg", shape: filledTextShape("an aggregate, as avg(x)"), doc: "An aggregate, as avg(x); without it the feature is the latest value."},
		field{key: "window", shape: windowShape(), doc: "The window of the aggregate, as 24h."},
		field{key: "windows", shape: listOf(windowShape(), 1), doc: "Several windows; each is appended to the name."},
		field{key: "offset", shape: durationShape(), doc: "How far back the window ends."},
		field{key: "where", shape: expressionShape(), doc: "Which events count for this feature."},
		field{key: "by", shape: nameShape(), later: true, doc: "A value for each value of a field."},
		field{key: "max_keys", shape: countShape(), later: true, doc: "How many keys by: keeps."},
		field{key: "exact", shape: boolShape(), doc: "true: an exact start edge."},
		field{key: "default", shape: anyShape(), doc: "What stands for null."},
		field{key: "empty", shape: nullShape(), doc: "write null: an empty window then gives null, also for counts"},
		field{key: "nulls", shape: wordShape("nulls", []string{"respect"}, nil), doc: "respect: first and last take nulls too."},
		field{key: "type", shape: typeShape(), doc: "The type of a latest value."},
		field{key: "column", shape: nameShape(), doc: "The field of a latest value; by default that of its name."},
		field{key: "expr", shape: expressionShape(), doc: "The expression of a latest value."})
}

func windowShape() *shape {
	length := durationShape()
	length.is, length.words = "a duration, as 24h", []string{"lifetime"}
	zone := zoneShape()
	one := func(key string, s *shape) *shape {
		return object("a window", field{key: key, shape: s, need: true, doc: "A window of this kind."})
	}
	need := func(key string, s *shape) field {
		return field{key: key, shape: s, need: true, doc: "write " + key}
	}
	return anyOf("a duration, lifetime, or one of {rows}, {session}, {tumbling}, {hopping}, {calendar}, {series}", length,
		one("rows", countShape()),
		one("session", object("a mapping of gap", need("gap", durationShape()))),
		one("tumbling", durationShape()),
		one("hopping", object("a mapping of size and step", need("size", durationShape()), need("step", durationShape()))),
		one("calendar", object("a mapping of unit, zone and complete", need("unit", wordShape("unit", []string{"day", "week", "month"}, nil)), need("zone", zone),
			field{key: "complete", shape: boolShape(), doc: "true: the last complete one."})),
		one("series", object("a mapping of window, step and count", need("window", durationShape()), need("step", durationShape()), need("count", countShape()))))
}

// featureBuilder expands the features of one stream view.
type featureBuilder struct {
	l    *loader
	d    *document
	view *StreamView
	in   *inputs
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
	if ttl := b.d.node.key("ttl"); ttl != nil && !latest {
		b.l.warn(ttl, "remove it: windows end by themselves", "ttl has no effect: it is for latest values, and the view has none")
	}
}

// windowed builds a feature for each window of an aggregate.
func (b *featureBuilder) windowed(n *node) {
	b.refuseKeys(n, "beside agg", "the aggregate gives the value", "type", "column", "expr")
	if exact := n.get("exact"); exact.isTrue() {
		b.l.problem(exact, "remove it: the start edge is aligned down to a tile", "exact: true is not supported yet")
	}
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
	f := window.Feature{Kind: window.Trailing, Input: -1, Where: -1, Offset: durationOf(n.get("offset"), 0), EmptyNull: n.has("empty")}
	ok := true
	if call := n.get("agg"); call != nil {
		f.Call, f.Type, f.Input, ok = b.l.aggregate(call, n.get("nulls"), b.in)
	}
	if where := n.get("where"); where != nil && b.in.usable {
		index, _, good := b.in.add(whole(where), featurestore.Bool)
		f.Where, ok = index, ok && good
	}
	f.Default = b.l.defaultOf(n, f.Type, ok)
	widths := map[featurestore.Duration]bool{}
	for _, w := range windows {
		f.Name = n.get("name").value()
		if n.has("windows") {
			f.Name += "_" + w.value()
		}
		if b.trailing(n, w, &f) && b.fresh(w, widths, f.Width) {
			b.add(n, w, f)
		}
	}
}

// trailing fills the width and tile of a trailing window, and refuses the others.
func (b *featureBuilder) trailing(n, w *node, f *window.Feature) bool {
	if w.form != formScalar || w.text == "lifetime" {
		kind := w.text
		if w.form == formObject && len(w.keys) > 0 {
			kind = w.keys[0].text
		}
		b.l.problem(w, "this version runs trailing windows, as 24h", "window %q is not supported yet", kind)
		return false
	}
	f.Width = durationOf(w, 0)
	if f.Width <= 0 || f.Width%featurestore.Second != 0 {
		b.l.problem(w, "write whole seconds, as 30s", "window %q must be at least 1s, and a multiple of it", w.text)
		return false
	}
	f.Tile = window.DefaultTile(f.Width)
	tile := b.d.node.get("tile")
	if tile == nil {
		return true
	}
	f.Tile = durationOf(tile, featurestore.Second)
	if f.Width%f.Tile != 0 {
		b.l.problem(w, "choose a tile that divides every window of the view, or remove tile:", "tile %s does not divide window %q", tile.text, w.text)
		return false
	}
	return true
}

func (b *featureBuilder) fresh(w *node, widths map[featurestore.Duration]bool, width featurestore.Duration) bool {
	if widths[width] {
		b.l.problem(w, "remove it", "window %q is listed twice", w.text)
		return false
	}
	widths[width] = true
	return true
}

// latest builds a feature that is the value of the greatest row.
func (b *featureBuilder) latest(n *node) {
	b.refuseKeys(n, "without agg", "add agg: to make it a windowed feature", "window", "windows", "offset", "where", "exact", "empty", "nulls")
	f := window.Feature{Name: n.get("name").value(), Kind: window.Latest, Where: -1}
	if !n.has("type") {
		b.l.problem(n, "write agg: and window: for a windowed feature, or type: for the latest value", "a feature needs an agg, or a type")
		return
	}
	t, ok := typeOf(n.get("type"))
	if !ok {
		return
	}
	f.Type = t
	f.Default = b.l.defaultOf(n, t, true)
	text, ok := b.l.latestExpression(n)
	if !ok {
		return
	}
	if b.in.usable {
		f.Input, _, _ = b.in.add(text, t)
	}
	b.add(n, n.get("name"), f)
}

// latestExpression is what a latest value is read from: expr, column, or the
// column of the feature's name.
func (l *loader) latestExpression(n *node) (fragment, bool) {
	name, column, expression := n.get("name"), n.get("column"), n.get("expr")
	switch {
	case n.has("column") && n.has("expr"):
		l.problem(n.key("expr"), "remove one of them", "a feature has both column and expr")
		return fragment{}, false
	case expression != nil:
		return whole(expression), true
	case column != nil:
		return whole(column), true
	case name != nil && !n.has("column") && !n.has("expr"):
		return whole(name), true
	}
	return fragment{}, false
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
		b.view.Features = append(b.view.Features, f)
	}
}

// addColumn gives a view one more feature; a name that is taken is reported.
func (d *document) addColumn(l *loader, at *node, name string, t featurestore.Type) bool {
	if fieldIndex(d.columns, name) >= 0 {
		l.problem(at, "rename one of them", "feature %q is declared twice", name)
		return false
	}
	d.columns = append(d.columns, Field{Name: name, Type: t})
	return true
}

// defaultOf reads the default of a feature, null for none.
func (l *loader) defaultOf(n *node, t featurestore.Type, typed bool) featurestore.Value {
	d := n.get("default")
	if d == nil || !typed {
		return featurestore.Null
	}
	if d.isNull() {
		l.problem(d, "remove it: null is what a default replaces", "a default may not be null")
		return featurestore.Null
	}
	v, _ := l.literal(d, t, "default")
	return v
}
