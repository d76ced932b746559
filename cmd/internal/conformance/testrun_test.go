package conformance

import (
	"context"
	"encoding/json"
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
// partition, and what a deployment would refuse fails the test. Runs of a batch
// view are those that are due, over one file.
func (testPath) Runs(c *conformance.Case, r *conformance.Reading) bool {
	if r == nil || r.Mode != conformance.Online || r.AsOf || len(c.Replays) > 0 {
		return false
	}
	switch c.Kind {
	case conformance.KindWindow:
		return plainLog(c)
	case conformance.KindBatch:
		return len(c.Runs) == 0
	}
	return false
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
	if c.Kind == conformance.KindBatch {
		t.Events = append(t.Events, definition.TestEvents{Source: conformance.TableName, JSON: objects(c.Tables[len(c.Tables)-1])})
	}
	for _, s := range c.Sources {
		if c.Kind == conformance.KindBatch {
			break // it has no stream
		}
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

// objects are the rows of a table in JSON.
func objects(rows []conformance.TableRow) [][]byte {
	var out [][]byte
	for i := range rows {
		line, err := json.Marshal(rows[i].Object)
		if err != nil {
			panic(err) // it came from JSON
		}
		out = append(out, line)
	}
	return out
}

// notTested are the cases that a Test document cannot say, by vector or name.
func notTested(t *testing.T) map[string]string {
	reasons := map[string]string{
		"a record has another log time than a document gives it": "11 12/late 12/applied 13 37 51 52 53 54 56 57 58 61 72 74 78 81 86 87 93 97 104 111 123 131 141 161 190 205 " +
			"225 225/added_late 226 238 240/late 240/edge 240/forgotten 241 242 250 256 257",
		"it has two partitions, or offsets out of order": "15/partition/order_1 15/partition/order_2 15/partition/order_5 15/sequence/order_1 15/sequence/order_2 " +
			"15/sequence/order_5 84/sequence/order_1 84/sequence/order_2 84/sequence/order_5 84/partition/order_1 " +
			"84/partition/order_2 84/partition/order_5 185/order_1 185/order_2 185/order_5 186/order_1 186/order_2 " +
			"186/order_5 239 251/order_1 251/order_2 251/order_3 " +
			"280/rebuilt/order_1 280/rebuilt/order_2 280/rebuilt/order_3 280/rebuilt/order_4 280/rebuilt/order_5 280/rebuilt/order_6 280/rebuilt/order_13 " +
			"280/rebuilt/order_14 280/rebuilt/order_17 280/rebuilt/order_19 280/rebuilt/order_20 280/rebuilt/order_23 280/rebuilt/order_73 " +
			"280/rebuilt/order_74 280/rebuilt/order_77 280/rebuilt/order_91 280/rebuilt/order_97 280/rebuilt/order_98 280/rebuilt/order_101 " +
			"280/rebuilt/order_115 280/subtracted 281/from_the_higher/order_1 281/from_the_higher/order_2 281/from_the_higher/order_3 " +
			"281/from_the_lower/order_1 281/from_the_lower/order_2 281/from_the_lower/order_3 281/subtracted 282/beside_one_elsewhere/order_1 " +
			"282/beside_one_elsewhere/order_2 282/beside_one_elsewhere/order_5",
		"it is not about a view's values":                 "27/bytes 28/request 29 30 31/parse 32/parse",
		"it replays the log in other batches":             "18 233 246",
		"a record that is no event fails a Test document": "31/event",
		"it reads in mode event_time alone":               "36 55",
		"it asks for an as_of":                            "42 247",
	}
	all := map[string]string{}
	for _, c := range load(t) {
		switch {
		case c.Kind == conformance.KindMergeTree:
			all[c.Name] = "it is about trees of merges"
		case c.Kind == conformance.KindBatch && len(c.Runs) > 0:
			all[c.Name] = "a Test document makes the runs that are due"
		}
	}
	for reason, names := range reasons {
		for _, name := range strings.Fields(names) {
			all[strings.ReplaceAll(name, "_", " ")] = reason
		}
	}
	return all
}

func TestTestDocuments(t *testing.T) {
	wantLeftOut(t, conformance.RunAll(t, load(t), testPath{}), notTested(t))
}
