package conformance

import (
	"errors"
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore"
)

// Executor is one way to compute feature values.
type Executor interface {
	// Name is shown in failures.
	Name() string
	// Runs reports whether the executor has a way for a reading of the case; r
	// is nil for a case without readings. It is for what the executor's path
	// cannot carry (an offline export has no requests), not for what fails.
	Runs(c *Case, r *Reading) bool
	// Run takes the case in, afresh, and answers its readings. An input that
	// must be refused gives an error of kind featurestore.ErrInvalid.
	Run(c *Case) (Result, error)
}

// Result is what an executor made of a case.
type Result struct {
	Cells    [][]featurestore.Cell // one row for each of c.Readings; one for a KindRequest
	Counters map[string]int64      // those that the executor counts
	Distinct int                   // KindKey
	Instant  featurestore.Instant  // KindParseTime
}

// T is what RunAll needs of a *testing.T.
type T interface {
	Helper()
	Errorf(format string, args ...any)
}

// RunAll runs every case on an executor and reports each difference to t. It
// returns the names of the cases that the executor has no way for, which its
// test should pin; a case counts as left out if all its readings were.
func RunAll(t T, cases []*Case, e Executor) (leftOut []string) {
	t.Helper()
	for _, c := range cases {
		runnable, ok := restrict(c, e)
		if !ok {
			leftOut = append(leftOut, c.Name)
			continue
		}
		result, err := e.Run(runnable)
		for _, problem := range Compare(runnable, result, err) {
			t.Errorf("%s: vector %s (%s): %s", e.Name(), c.Name, c.Title, problem)
		}
	}
	return leftOut
}

// restrict keeps the readings that the executor can take.
func restrict(c *Case, e Executor) (*Case, bool) {
	if len(c.Readings) == 0 {
		return c, e.Runs(c, nil)
	}
	each := *c
	each.Readings = slices.DeleteFunc(slices.Clone(c.Readings), func(r Reading) bool { return !e.Runs(c, &r) })
	return &each, len(each.Readings) > 0
}

// Compare says how a result differs from what the case expects.
func Compare(c *Case, r Result, err error) (problems []string) {
	if c.Refused != "" {
		if !errors.Is(err, featurestore.ErrInvalid) {
			problems = append(problems, fmt.Sprintf("want a refusal with %s, got error %v", c.Refused, err))
		}
		return problems
	}
	if err != nil {
		return []string{err.Error()}
	}
	for name, want := range c.Counters {
		if got, counted := r.Counters[name]; counted && got != want {
			problems = append(problems, fmt.Sprintf("counter %s is %d, want %d", name, got, want))
		}
	}
	switch c.Kind {
	case KindKey:
		if r.Distinct != c.Distinct {
			problems = append(problems, fmt.Sprintf("%d distinct keys, want %d", r.Distinct, c.Distinct))
		}
	case KindParseTime:
		if r.Instant != c.Instant {
			problems = append(problems, fmt.Sprintf("%q is %d us, want %d", c.Text, r.Instant, c.Instant))
		}
	default:
		problems = append(problems, compareRows(c, r)...)
	}
	return problems
}

func compareRows(c *Case, r Result) []string {
	want := [][]featurestore.Cell{c.Expect}
	what := []string{"request"}
	if c.Kind == KindWindow || c.Kind == KindBatch {
		want, what = nil, nil
		for _, reading := range c.Readings {
			want = append(want, reading.Expect)
			what = append(what, fmt.Sprintf("%s at %d us", reading.Mode, reading.At))
		}
	}
	if len(r.Cells) != len(want) {
		return []string{fmt.Sprintf("%d rows of cells for %d readings", len(r.Cells), len(want))}
	}
	var problems []string
	for i := range want {
		if len(r.Cells[i]) != len(want[i]) {
			problems = append(problems, fmt.Sprintf("%s: %d cells for %d features", what[i], len(r.Cells[i]), len(want[i])))
			continue
		}
		for k := range want[i] {
			f, got, wanted := c.Config.Features[k], r.Cells[i][k], want[i][k]
			if got.Status != wanted.Status || !got.Value.Equal(wanted.Value) {
				problems = append(problems, fmt.Sprintf("%s: feature %s is %s %s, want %s %s", what[i], f.Name,
					got.Value.Text(f.Type), got.Status, wanted.Value.Text(f.Type), wanted.Status))
			}
		}
	}
	return problems
}
