package window

import (
	"errors"
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
)

// rules are what the plan needs to know of a kind of window; each kind has a
// file that says what it means.
type rules struct {
	word    string
	resolve func(f *Feature) error // checks the window, fills in its tile
	// reach is how far back of the read time the window can begin; bounded is
	// false where there is no telling.
	reach func(f *Feature) (d featurestore.Duration, bounded bool)
	cover func(f *Feature) Cover
	spans func(f *Feature) []span // nil for a kind that is not read from the ladder's tiles
}

// kinds are the rules, by Kind; Latest is no window and has its own.
var kinds = [...]rules{
	Trailing: {"trailing", resolveTrailing, reachTrailing, coverTrailing, spansTrailing},
	Latest:   {word: "latest"},
	Lifetime: {"lifetime", resolveLifetime, unbounded, coverNothing, nil},
	Rows:     {"rows", resolveRows, unbounded, coverNothing, nil},
	Session:  {"session", resolveSession, unbounded, coverTile, nil},
	Tumbling: {"tumbling", resolveTumbling, reachTumbling, coverWidth, spansTumbling},
	Hopping:  {"hopping", resolveHopping, reachHopping, coverWidth, spansHopping},
	Calendar: {"calendar", resolveCalendar, reachCalendar, coverCalendar, spansCalendar},
	Series:   {"series", resolveSeries, reachSeries, coverSeries, spansSeries},
}

func unbounded(*Feature) (featurestore.Duration, bool) { return 0, false }

func coverNothing(*Feature) Cover { return Cover{} }

func coverTile(f *Feature) Cover { return Cover{Tile: f.Tile} }

// String gives the kind as messages name it.
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k].word
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// resolve checks one feature and fills in its tile and type.
func (f *Feature) resolve() error {
	if f.Kind == Latest {
		return f.resolveLatest()
	}
	if int(f.Kind) >= len(kinds) {
		return fmt.Errorf("window kind %d is unknown", f.Kind)
	}
	t, err := agg.Check(f.Call)
	if err != nil {
		return err
	}
	if f.Kind == Series {
		if t.Kind == featurestore.KindList || t.Kind == featurestore.KindMap {
			return fmt.Errorf("%s gives a %s, and a series cannot be a list of these: ask for single windows with an offset", f.Call.Func, t)
		}
		t = featurestore.List(t)
	}
	if f.Type.Kind == featurestore.KindNull {
		f.Type = t
	}
	if !f.Type.Equal(t) {
		return fmt.Errorf("its type is %s, but %s gives %s", f.Type, f.Call.Func, t)
	}
	if err := f.checkFields(); err != nil {
		return err
	}
	if f.Tile != 0 && !slices.Contains(steps[:], f.Tile) {
		return fmt.Errorf("tile %s is no tile size: write one of 1s, 10s, 1m, 5m, 1h, 1d", f.Tile)
	}
	if err := kinds[f.Kind].resolve(f); err != nil {
		return err
	}
	return f.checkDefault()
}

// checkFields refuses what belongs to another kind of window.
func (f *Feature) checkFields() error {
	trailing := f.Kind == Trailing
	switch {
	case f.Offset != 0 && !trailing:
		return fmt.Errorf("a %s window takes no offset: only a trailing window (window: 7d) does", f.Kind)
	case f.Exact && !trailing:
		return fmt.Errorf("a %s window takes no exact: only a trailing window (window: 7d) has an edge to be exact about", f.Kind)
	case f.MaxRows != 0 && !trailing:
		return fmt.Errorf("a %s window takes no max_rows: it belongs beside exact: true", f.Kind)
	case f.Step != 0 && f.Kind != Hopping && f.Kind != Series:
		return fmt.Errorf("a %s window takes no step", f.Kind)
	case f.Count != 0 && f.Kind != Rows && f.Kind != Series:
		return fmt.Errorf("a %s window takes no count", f.Kind)
	case (f.Unit != 0 || f.Zone != nil || f.Complete) && f.Kind != Calendar:
		return fmt.Errorf("a %s window takes no calendar unit or zone", f.Kind)
	case f.Width != 0 && (f.Kind == Lifetime || f.Kind == Rows || f.Kind == Calendar):
		return fmt.Errorf("a %s window takes no width", f.Kind)
	}
	return nil
}

func (f *Feature) checkWidth(what string) error {
	if f.Width <= 0 || f.Width > maxReach {
		return fmt.Errorf("%s %s is out of range: write more than 0s and up to %s", what, f.Width, maxReach)
	}
	return nil
}

func (f *Feature) tileDivides(what string, d featurestore.Duration) error {
	if d%f.Tile != 0 {
		return fmt.Errorf("tile %s does not divide the %s %s", f.Tile, what, d)
	}
	return nil
}

func (f *Feature) resolveLatest() error {
	if f.Input < 0 || f.Type.Kind == featurestore.KindNull {
		return errors.New("a latest value needs an input and a type")
	}
	if f.Where >= 0 {
		return errors.New("a latest value takes no where: use last with a window")
	}
	depth := 0
	for t := &f.Type; t != nil; t = t.Elem {
		if depth++; depth > maxNesting {
			return fmt.Errorf("its type nests deeper than %d", maxNesting)
		}
	}
	return f.checkDefault()
}

func (f *Feature) checkDefault() error {
	if !f.Default.IsNull() && f.Default.Kind() != f.Type.Kind {
		return fmt.Errorf("its default is a %s, not a %s", f.Default.Kind(), f.Type)
	}
	return nil
}
