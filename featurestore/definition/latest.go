package definition

import "github.com/freshet/freshet/transforms/window"

// latest builds a feature that is the value of the greatest row.
func (b *featureBuilder) latest(n *node) {
	b.refuseWindow(n)
	f := window.Feature{Name: n.get("name").value(), Kind: window.Latest, Input: -1, Second: -1, By: -1, Where: -1}
	if !b.hasType(n) {
		return
	}
	t, ok := typeOf(n.get("type"))
	if !ok {
		return
	}
	f.Type = t
	f.Default = b.l.defaultOf(n, t)
	text, ok := b.l.latestExpression(n)
	if !ok {
		return
	}
	if b.in.usable {
		f.Input, _, _ = b.in.add(text, t)
	}
	b.add(n, n.get("name"), f)
}

// refuseWindow refuses what only a windowed feature has.
func (b *featureBuilder) refuseWindow(n *node) {
	b.refuseKeys(n, "without agg", "add agg: to make it a windowed feature", "window", "windows", "offset", "where", "by", "max_keys", "exact", "max_rows", "empty", "nulls")
}

func (b *featureBuilder) hasType(n *node) bool {
	if !n.has("type") {
		b.l.problem(n, "write agg: and window: for a windowed feature, or type: for the latest value", "a feature needs an agg, or a type")
	}
	return n.has("type")
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
