package oracle_test

import (
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/oracle"
	"github.com/freshet/freshet/transforms/window"
)

// A duplicate that was pending is still an applied event once its time has
// come: it alone keeps the entity found here. Random logs hardly ever get there.
func TestPendingDuplicateIsApplied(t *testing.T) {
	c := viewOf("count", featurestore.Int64)
	c.Sources[0].HasEventID = true
	ms := func(e, a, offset int64, id string) window.Row {
		row := at(0, offset, featurestore.Int64Value(1))
		row.Time, row.LogTime, row.ID = featurestore.EventTime(e*1000), featurestore.LogTime(a*1000), id
		return row
	}
	rows := []window.Row{ms(100, 100, 0, "k"), ms(900, 100, 1, "k"), ms(0, 900, 2, "l")}
	r := &run{scenario: &scenario{config: c, inputs: []featurestore.Type{featurestore.Int64}}, valued: map[string]int{}}
	var err error
	if r.plan, err = window.Compile(c); err != nil {
		t.Fatal(err)
	}
	var state window.State
	for i := range rows {
		r.plan.Apply(&state, &rows[i])
	}
	r.plan.Settle(&state)
	keep := featurestore.Instant(minute + minute + hour)
	for _, x := range []struct {
		at     featurestore.Instant
		status featurestore.Status
	}{{keep + 900_000, featurestore.Empty}, {keep + 900_001, featurestore.NotFound}} {
		got := make([]featurestore.Cell, 1)
		r.plan.Read(&state, x.at, got)
		want, err := oracle.Read(c, rows, oracle.Reading{At: x.at})
		if err != nil {
			t.Fatal(err)
		}
		if problem := r.compare(got, want); problem != "" || want[0].Status != x.status {
			t.Errorf("at %d: %s, want status %s", x.at, problem, x.status)
		}
	}
}
