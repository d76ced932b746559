package definition

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/window"
)

// The words of windows.
const (
	wordLifetime = "lifetime"
	wordRows     = "rows"
	wordSession  = "session"
	wordTumbling = "tumbling"
	wordHopping  = "hopping"
	wordCalendar = "calendar"
	wordSeries   = "series"
)

// The bounds of windows.
const (
	maxRows          = 10_000 // rows: n
	maxExactRows     = 100_000
	defaultExactRows = 1000
	maxSeries        = 1000
)

// window fills in a window as w writes it. suffix is what it adds to a
// feature's name in a list of windows, "" where it is too broken to say; ok is
// false where something was reported.
//
// Suffixes: the duration as written (_24h), _lifetime, _last20, _session30m,
// _tumbling1h, _hopping1h (the size), _day, _week, _month and _day_complete,
// _series24x1h (count x window).
func (b *featureBuilder) window(n, w *node, f *window.Feature) (suffix string, ok bool) {
	suffix, ok = b.windowKind(w, f)
	if suffix == "" || f.Kind == window.Trailing {
		ok = b.edges(n, f) && ok
		return suffix, ok && b.taken(w, f)
	}
	for _, key := range []string{"offset", "exact", "max_rows"} {
		k := n.key(key)
		if k == nil || key == "exact" && !n.get(key).isTrue() {
			continue
		}
		if ok = false; !k.bad { // once, however many windows it is wrong for
			b.l.problem(k, "remove it: it is for a duration, as 24h", "%s has no meaning for the window %s", key, windowText(w))
			k.bad = true
		}
	}
	return suffix, ok && b.taken(w, f)
}

// taken reports a window that the engine refuses, whatever the aggregate: beside
// it the rest of the view may be wrong.
func (b *featureBuilder) taken(w *node, f *window.Feature) bool {
	one := *f
	one.Call, one.Input, one.Second, one.By, one.Where = agg.Call{Func: "count"}, -1, -1, -1, -1
	one.Type, one.Default = featurestore.Type{}, featurestore.Null
	_, err := window.Compile(window.Config{Features: []window.Feature{one}, Sources: make([]window.SourceRule, 1)})
	if err != nil {
		message, hint := splitHint(err)
		b.l.problem(w, hint, "%s", strings.TrimPrefix(message, fmt.Sprintf("feature %q: ", one.Name)))
	}
	return err == nil
}

// windowKind reads the window without what stands beside it.
func (b *featureBuilder) windowKind(w *node, f *window.Feature) (suffix string, ok bool) {
	if w.form == formScalar {
		if w.text == wordLifetime {
			f.Kind = window.Lifetime
			return wordLifetime, true
		}
		f.Kind = window.Trailing
		return w.text, b.length(w, &f.Width, "window") && b.tile(w, f, f.Width)
	}
	kind, of := windowOf(w)
	if of == nil {
		return "", false
	}
	switch kind {
	case wordRows:
		f.Kind = window.Rows
		f.Count, _ = parseWhole(of.text, 1, maxRows) // checked by its shape
		return "last" + of.text, true
	case wordSession:
		return b.session(of, f)
	case wordTumbling:
		f.Kind = window.Tumbling
		return wordTumbling + of.text, b.length(of, &f.Width, wordTumbling) && b.tile(of, f, f.Width)
	case wordHopping:
		return b.hopping(of, f)
	case wordCalendar:
		return b.calendar(of, f)
	}
	return b.series(of, f)
}

// windowOf gives the kind of a window that is a mapping, and what it says; nil
// where that was reported.
func windowOf(w *node) (kind string, of *node) {
	for _, kind := range []string{wordRows, wordSession, wordTumbling, wordHopping, wordCalendar, wordSeries} {
		if of := w.get(kind); of != nil {
			return kind, of
		}
	}
	return "", nil
}

// windowText is a window for messages.
func windowText(w *node) string {
	if w.form == formScalar {
		return w.text
	}
	kind, _ := windowOf(w)
	return kind
}

// windowKey is equal for equal windows, however they are written.
func windowKey(f *window.Feature) string {
	return fmt.Sprint(f.Kind, f.Width, f.Step, f.Count, f.Unit, f.Zone, f.Complete)
}

// edges reads what stands beside a trailing window: offset, exact, max_rows.
func (b *featureBuilder) edges(n *node, f *window.Feature) bool {
	ok := b.offset(n.get("offset"), f)
	f.Exact = n.get("exact").isTrue()
	if !f.Exact {
		if k := n.key("max_rows"); k != nil && !(n.has("exact") && n.get("exact") == nil) {
			b.l.problem(k, "remove it, or write exact: true", "max_rows has no meaning without exact: true")
			return false
		}
		return ok
	}
	f.MaxRows = defaultExactRows
	if most := n.get("max_rows"); most != nil {
		f.MaxRows, _ = parseWhole(most.text, 1, maxExactRows) // checked by its shape
	}
	return ok
}

// offset reads an offset of whole seconds; a wrong one is reported once, however
// many windows it is beside.
func (b *featureBuilder) offset(n *node, f *window.Feature) bool {
	if n == nil {
		return true
	}
	f.Offset = durationOf(n, 0)
	ok := f.Offset > 0 && f.Offset%featurestore.Second == 0
	switch {
	case ok || n.bad:
	case f.Offset == 0:
		b.l.problem(n, "remove it: without an offset the window ends at the read time", "offset %q is none", n.text)
	default:
		b.l.problem(n, "write whole seconds, as 30s", "offset %q must be at least 1s, and a multiple of it", n.text)
	}
	n.bad = n.bad || !ok
	return ok
}

// length reads a length of whole seconds.
func (b *featureBuilder) length(n *node, into *featurestore.Duration, what string) bool {
	*into = durationOf(n, 0)
	if *into > 0 && *into%featurestore.Second == 0 {
		return true
	}
	b.l.problem(n, "write whole seconds, as 30s", "%s %q must be at least 1s, and a multiple of it", what, n.text)
	return false
}

// tile puts the view's tile under a window, whose lengths it must divide; a
// view without one leaves it to the engine.
func (b *featureBuilder) tile(w *node, f *window.Feature, lengths ...featurestore.Duration) bool {
	tile := b.d.node.get("tile")
	if tile == nil {
		return true
	}
	f.Tile = durationOf(tile, featurestore.Second)
	if i := slices.IndexFunc(lengths, func(d featurestore.Duration) bool { return d%f.Tile != 0 }); i >= 0 {
		b.l.problem(w, "choose a tile that divides every window of the view, or remove tile:", "tile %s does not divide window %q", tile.text, lengths[i])
		return false
	}
	return true
}

// tiles is tile for a width and a step.
func (b *featureBuilder) tiles(f *window.Feature, width, step *node) bool {
	ok := b.tile(width, f, f.Width)
	return b.tile(step, f, f.Step) && ok
}

func (b *featureBuilder) session(of *node, f *window.Feature) (suffix string, ok bool) {
	gap := of.get("gap")
	if gap == nil {
		return "", false
	}
	f.Kind, f.Width, suffix = window.Session, durationOf(gap, 0), wordSession+gap.text
	if f.Width < featurestore.Second {
		b.l.problem(gap, "write 1s or more, as 30m", "the gap %q of a session is less than 1s", gap.text)
		return suffix, false
	}
	if tile := b.d.node.get("tile"); tile != nil {
		if f.Tile = durationOf(tile, featurestore.Second); f.Tile > f.Width {
			b.l.problem(gap, "choose a finer tile, or remove tile:", "tile %s is longer than the gap %s of a session: events of one tile must belong to one session", tile.text, gap.text)
			return suffix, false
		}
	}
	return suffix, true
}

func (b *featureBuilder) hopping(of *node, f *window.Feature) (suffix string, ok bool) {
	size, step := of.get("size"), of.get("step")
	if size == nil || step == nil {
		return "", false
	}
	f.Kind = window.Hopping
	ok = b.length(size, &f.Width, "size")
	ok = b.length(step, &f.Step, "step") && ok
	if ok && f.Step > f.Width {
		b.l.problem(step, "write a step up to the size, or ask for {tumbling: "+size.text+"}", "step %s of a hopping window is longer than its size %s: what lies between would never count", step.text, size.text)
		ok = false
	}
	return wordHopping + size.text, ok && b.tiles(f, size, step)
}

func (b *featureBuilder) calendar(of *node, f *window.Feature) (suffix string, ok bool) {
	unit, zone := of.get("unit"), of.get("zone")
	if unit == nil || zone == nil || of.has("complete") && of.get("complete") == nil {
		return "", false
	}
	f.Kind, f.Unit = window.Calendar, map[string]window.Unit{"day": window.Day, "week": window.Week, "month": window.Month}[unit.text]
	f.Complete = of.get("complete").isTrue()
	suffix = unit.text
	if f.Complete {
		suffix += "_complete"
	}
	location, err := time.LoadLocation(zone.text)
	if err != nil {
		return suffix, false // checked by its shape
	}
	f.Zone = location
	return suffix, b.tile(unit, f) // whether it divides the zone's offsets, the engine knows
}

func (b *featureBuilder) series(of *node, f *window.Feature) (suffix string, ok bool) {
	width, step, count := of.get("window"), of.get("step"), of.get("count")
	if width == nil || step == nil || count == nil {
		return "", false
	}
	f.Kind = window.Series
	f.Count, _ = parseWhole(count.text, 1, maxSeries) // checked by its shape
	suffix = fmt.Sprintf("%s%sx%s", wordSeries, count.text, width.text)
	ok = b.length(width, &f.Width, "window")
	ok = b.length(step, &f.Step, "step") && ok
	if !ok || !b.tiles(f, width, step) {
		return suffix, false
	}
	if reach := f.Step*featurestore.Duration(f.Count-1) + f.Width; f.Step > maxDuration/featurestore.Duration(f.Count) || reach > maxDuration {
		b.l.problem(count, "make it shorter", "the series reaches back more than %s", maxDuration)
		return suffix, false
	}
	return suffix, true
}

// elements makes a list of a feature whose window is a series.
func (b *featureBuilder) elements(n, w *node, f *window.Feature) bool {
	if f.Kind != window.Series {
		return true
	}
	if isComposite(f.Type) {
		of := f.Call.Func
		if f.Call.By.Kind != featurestore.KindNull {
			of += " by a field"
		}
		b.l.problem(w, "ask for one value an element, as count, sum(x) or last(x)", "a series is a list of single values, and %s gives %s", of, f.Type)
		return false
	}
	f.Type = featurestore.List(f.Type)
	return true
}
