package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/freshet/freshet/cmd/internal/testrun"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/transforms/conformance"
)

// testPath is `freshet test`: the case as a Test document.
type testPath struct{}

func (testPath) Name() string { return "freshet test" }

// Runs: an event's log time is its event time there, a source has one
// partition, and what a deployment would refuse fails the test.
func (testPath) Runs(c *conformance.Case, r *conformance.Reading) bool {
	if c.Kind != conformance.KindWindow || r == nil || r.Mode != conformance.Online || r.AsOf || len(c.Replays) > 0 {
		return false
	}
	return plainLog(c)
}

// plainLog reports whether a Test document can say the log: no dead letter, the
// log time that a document gives, and one partition in its order.
func plainLog(c *conformance.Case) bool {
	next := map[string]int64{}
	for i := range c.Events {
		e := &c.Events[i]
		if e.BadAt != "" || e.Partition != 0 || e.Offset < next[e.Source] {
			return false
		}
		next[e.Source] = e.Offset + 1
		for _, row := range e.Rows {
			when := row.Time
			if row.Change != featurestore.NoChange {
				when = row.Mutated
			}
			if int64(row.LogTime) != int64(when) {
				return false
			}
		}
	}
	return true
}

// Run answers each reading by a test that expects its very cells.
func (testPath) Run(c *conformance.Case) (conformance.Result, error) {
	p, err := project(c)
	if err != nil {
		return conformance.Result{}, err
	}
	var result conformance.Result
	for i := range c.Readings {
		r := &c.Readings[i]
		got, err := testrun.Run(context.Background(), ".", p, document(c, r))
		if err != nil {
			return result, err
		}
		if !got.Passed() {
			return result, errors.New(strings.Join(got.Failures, "; "))
		}
		if got.Checked != len(r.Expect) {
			return result, fmt.Errorf("%d values were checked, not %d", got.Checked, len(r.Expect))
		}
		result.Cells = append(result.Cells, r.Expect)
	}
	return result, nil
}

func document(c *conformance.Case, r *conformance.Reading) *definition.Test {
	t := &definition.Test{Meta: definition.Meta{Name: "vector"}, Service: conformance.ServiceName}
	for _, s := range c.Sources {
		events := definition.TestEvents{Source: s.Name}
		for i := range c.Events {
			if c.Events[i].Source == s.Name {
				events.JSON = append(events.JSON, c.Events[i].Wire)
			}
		}
		t.Events = append(t.Events, events)
	}
	x := definition.Expectation{At: r.At, Keys: map[string]featurestore.Value{}}
	for i, k := range c.Key {
		x.Keys[k.Name] = r.Entity[i]
	}
	for i, cell := range r.Expect {
		name := featurestore.ColumnName(conformance.ViewName, c.Config.Features[i].Name)
		x.Values = append(x.Values, definition.ExpectedValue{Feature: name, Value: cell.Value, Status: cell.Status})
	}
	t.Expect = []definition.Expectation{x}
	return t
}

// notTested are the cases that a Test document cannot say.
func notTested() map[string]string {
	const (
		noTimes = "its log times differ from its event times"
		noParts = "it needs two partitions, or offsets out of order"
		noView  = "it is not about a view's values"
	)
	return map[string]string{
		"27/bytes": noView, "28/request": noView, "29": noView, "30": noView, "31/parse": noView, "32/parse": noView,
		"11": noTimes, "12/late": noTimes, "12/applied": noTimes, "13": noTimes, "37": noTimes,
		"15/partition/order 1": noParts, "15/partition/order 2": noParts, "15/partition/order 5": noParts,
		"15/sequence/order 1": noParts, "15/sequence/order 2": noParts, "15/sequence/order 5": noParts,
		"18":       "it replays the log in other batches",
		"31/event": "a record that is no event fails a Test document",
		"36":       notOnline["36"],
		"42":       "a Test document has no as_of",
	}
}

func TestTestDocuments(t *testing.T) {
	wantLeftOut(t, conformance.RunAll(t, load(t), testPath{}), notTested())
}
