package agg

import (
	"fmt"
	"maps"
	"slices"

	"github.com/freshet/freshet/featurestore"
)

// spec is what one aggregate of the language is: what a call must look like,
// what a tile keeps for it, and how a value is read from that. An aggregate is
// a file that defines its spec, and its line in table.
type spec struct {
	name  string
	takes parameter // beside x
	gate  gateKind  // which events contribute
	empty emptiness // the value where none did

	// check checks the types and gives that of the value.
	check func(c *Call) (featurestore.Type, error)
	// needs lists the partials in the order in which read finds them in
	// Finisher.partials; nil for none, the count of the events alone.
	needs func(c *Call) []need
	// read gives the value of n > 0 contributing events.
	read func(f *Finisher, c *Cells, s Slot, at readAt) featurestore.Cell
}

// need is a partial that an aggregate asks for.
type need struct {
	*quantity
	greatest bool                  // of least and greatest, first and last: the latter
	size     int64                 // bounds the cell: n, max
	halfLife featurestore.Duration // of decaying sums
}

// readAt is the occasion of a read: how many events contributed, which is above
// zero, and the read time.
type readAt struct {
	n int64
	t featurestore.Instant
}

// parameter is a set of a call's parameters.
type parameter uint8

const (
	takesN parameter = 1 << iota
	takesMax
	takesShare
	takesHalfLife
	takesSecond
	takesNulls // nulls: respect
)

// emptiness is the value of a feature to which nothing contributed.
type emptiness uint8

const (
	emptyNull emptiness = iota
	emptyZero           // 0, [] or {}, by its type
	emptySum            // the same, but null under empty: null
)

// table lists the aggregates of the language.
var table = byName(
	specCount, specCountNull, specSum, specAvg, specMin, specMax,
	specVarPop, specVarSamp, specStddevPop, specStddevSamp, specSkew, specKurtosis,
	specFirst, specLast, specFirstN, specLastN, specLastDistinctN, specLag,
	specSinceLast, specSinceFirst, specMinBy, specMaxBy, specTopN, specBottomN,
	specCountDistinct, specApproxCountDistinct, specDistinct,
	specQuantile, specMedian, specApproxQuantile,
	specEwmSum, specEwmCount, specEwmAvg,
	specHistogram,
)

func byName(specs ...*spec) map[string]*spec {
	m := make(map[string]*spec, len(specs))
	for _, s := range specs {
		m[s.name] = s
	}
	return m
}

// Functions are the names of all aggregates, ascending.
func Functions() []string { return slices.Sorted(maps.Keys(table)) }

// lookup gives the aggregate of a name.
func lookup(name string) (*spec, error) {
	if s := table[name]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("unknown aggregate %q", name)
}

// taken is one parameter of a call: whether it is given, and its word.
type taken struct {
	bit   parameter
	given bool
	word  string
}

// checkParameters refuses what the aggregate has no use for.
func (s *spec) checkParameters(c *Call) error {
	for _, p := range [...]taken{
		{takesN, c.N != 0, "n"},
		{takesMax, c.Max != 0, "max"},
		{takesShare, c.Share != Share{}, "p"},
		{takesHalfLife, c.HalfLife != 0, "half_life"},
		{takesSecond, c.Second.Kind != featurestore.KindNull, "second argument"},
	} {
		if p.given && s.takes&p.bit == 0 {
			return fmt.Errorf("%s takes no %s", s.name, p.word)
		}
	}
	if c.RespectNulls && s.takes&takesNulls == 0 {
		return fmt.Errorf("%s cannot have nulls: respect: only first and last can", s.name)
	}
	return nil
}

// within checks a whole number of a call.
func within(c *Call, word string, v, least, most int64) error {
	if v < least || v > most {
		return fmt.Errorf("%s of %s is %d: write %d to %d", word, c.Func, v, least, most)
	}
	return nil
}

// The checks of x, by what it may be. Each is named for what it accepts.

func isScalar(t featurestore.Type) bool {
	return t.Kind >= featurestore.KindBool && t.Kind <= featurestore.KindDecimal
}

func isNumeric(t featurestore.Type) bool {
	return t.Kind == featurestore.KindInt64 || t.Kind == featurestore.KindDouble || t.Kind == featurestore.KindDecimal
}

func isVector(t featurestore.Type) bool {
	return t.Kind == featurestore.KindList && t.Elem.Kind == featurestore.KindDouble
}

func wantNone(c *Call) error {
	if c.Input.Kind != featurestore.KindNull {
		return fmt.Errorf("%s takes no argument", c.Func)
	}
	return nil
}

func wantAny(*Call) error { return nil }

func wantInput(c *Call) error {
	if c.Input.Kind == featurestore.KindNull {
		return fmt.Errorf("%s needs an argument: write %s(x)", c.Func, c.Func)
	}
	return nil
}

// maxNesting is how deep the type of a value that is kept may nest lists and
// maps: as deep as package pack reads it back.
const maxNesting = 8

func wantValue(c *Call) error {
	if c.Input.Kind == featurestore.KindStruct {
		return fmt.Errorf("%s of %s has no meaning: name one of its fields", c.Func, c.Input)
	}
	depth := 0
	for t := &c.Input; t != nil; t = t.Elem {
		if depth++; depth > maxNesting {
			return fmt.Errorf("%s of %s: its type nests deeper than %d", c.Func, c.Input, maxNesting)
		}
	}
	return wantInput(c)
}

func wantScalar(c *Call) error {
	if err := wantValue(c); err != nil {
		return err
	}
	if !isScalar(c.Input) {
		return fmt.Errorf("%s of %s has no meaning: its argument must be a single value, no list or map", c.Func, c.Input)
	}
	return nil
}

func wantNumeric(c *Call) error {
	if err := wantInput(c); err != nil {
		return err
	}
	if !isNumeric(c.Input) {
		return fmt.Errorf("%s of %s has no meaning: its argument must be int64, double or decimal", c.Func, c.Input)
	}
	return nil
}

func wantSummable(c *Call) error {
	if err := wantInput(c); err != nil {
		return err
	}
	if !isNumeric(c.Input) && !isVector(c.Input) {
		return fmt.Errorf("%s of %s has no meaning: its argument must be int64, double, decimal or list<double>", c.Func, c.Input)
	}
	return nil
}

// giving is a check that needs no more than want, and the type of the value.
func giving(want func(*Call) error, t featurestore.Type) func(*Call) (featurestore.Type, error) {
	return func(c *Call) (featurestore.Type, error) { return t, want(c) }
}

// givingInput is giving, where the value's type is that of x.
func givingInput(want func(*Call) error) func(*Call) (featurestore.Type, error) {
	return func(c *Call) (featurestore.Type, error) { return c.Input, want(c) }
}
