package pit

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/transforms/oracle"
	"github.com/freshet/freshet/transforms/window"
)

var users = []string{"a", "b", "c", "d"}

const second = int64(featurestore.Second)

// drawEvents makes a log of both sources: two partitions each, log times that
// ascend or (producer clocks) do not, late and early events, repeated ids, ties,
// null keys and rows that the view's where drops.
func drawEvents(t *rapid.T) map[string][]featurestore.Event {
	out := map[string][]featurestore.Event{}
	for _, source := range []string{"clicks", "orders"} {
		for partition := range int32(2) {
			ascending := rapid.Bool().Draw(t, "ascending")
			at := int64(0)
			for i := range rapid.IntRange(0, 25).Draw(t, "events") {
				step := rapid.SampledFrom([]int64{0, 1, 30, 60, 300, 700}).Draw(t, "step") * second
				if !ascending && rapid.IntRange(0, 3).Draw(t, "back") == 0 {
					step = -step
				}
				at += step
				e := at - rapid.SampledFrom([]int64{0, 0, 0, 1, 60, 299, 300, 301, 480, 481, -60, -299, -300, -301, -60}).Draw(t, "age")*second
				ev := featurestore.Event{Time: featurestore.EventTime(e), LogTime: featurestore.LogTime(at), Fields: make([]featurestore.Value, len(eventFields))}
				ev.Generation, ev.Partition, ev.Offset = 1, partition, int64(2*i)
				if n := rapid.IntRange(-1, 3).Draw(t, "user"); n >= 0 {
					ev.Fields[fieldUser] = featurestore.StringValue(users[n])
				}
				if n := rapid.IntRange(0, 5).Draw(t, "v"); n > 0 {
					ev.Fields[fieldV] = featurestore.DoubleValue(float64(n) + 0.1)
				}
				ev.Fields[fieldKeep] = featurestore.BoolValue(rapid.IntRange(0, 9).Draw(t, "keep") > 0)
				if n := rapid.IntRange(0, 2).Draw(t, "seq"); n > 0 {
					ev.Sequence = featurestore.Int64Value(int64(n))
				}
				ev.Fields[fieldSeq] = ev.Sequence
				if source == "orders" {
					ev.ID = rapid.SampledFrom([]string{"", "p", "q", "r"}).Draw(t, "id")
				}
				out[source] = append(out[source], ev)
			}
		}
	}
	return out
}

// rowsOf are the rows of one user as the oracle wants them.
func rowsOf(events map[string][]featurestore.Event, user string) []window.Row {
	var out []window.Row
	for source, name := range []string{"clicks", "orders"} {
		for _, e := range events[name] {
			if e.Fields[fieldUser].IsNull() || e.Fields[fieldUser].Str() != user || !e.Fields[fieldKeep].Bool() {
				continue
			}
			pos := e.Position
			pos.Source = uint16(source)
			out = append(out, window.Row{Position: pos, Time: e.Time, LogTime: e.LogTime, Sequence: e.Sequence, ID: e.ID, Inputs: []featurestore.Value{e.Fields[fieldV]}})
		}
	}
	return out
}

// drawSpine makes rows of users (one of them has no events, some keys are null)
// at instants on and beside events and tile edges.
func drawSpine(t *rapid.T, events map[string][]featurestore.Event) (*Spine, []string) {
	var times []int64
	for _, list := range events {
		for _, e := range list {
			times = append(times, int64(e.Time), int64(e.LogTime))
		}
	}
	n := rapid.IntRange(1, 30).Draw(t, "rows")
	user, friend, scale, at := make([]string, n), make([]string, n), make([]int64, n), make([]featurestore.Instant, n)
	for i := range n {
		user[i], friend[i] = rapid.SampledFrom(append(users, "")).Draw(t, "user"), rapid.SampledFrom(users).Draw(t, "friend")
		scale[i] = rapid.Int64Range(0, 3).Draw(t, "scale")
		base := rapid.Int64Range(-600, 12000).Draw(t, "second") * second
		if len(times) > 0 && rapid.Bool().Draw(t, "near") {
			base = rapid.SampledFrom(times).Draw(t, "event") + rapid.SampledFrom([]int64{0, 1, -1, 60 * second, 600 * second}).Draw(t, "beside")
		}
		at[i] = featurestore.Instant(base)
		if rapid.IntRange(0, 3).Draw(t, "edge") == 0 {
			at[i] = at[i].Floor(featurestore.Minute)
		}
	}
	return &Spine{Time: at, Keys: map[string]*frame.Column{"user": textColumn("user", user...), "friend": textColumn("friend", friend...)}, Request: map[string]*frame.Column{"scale": intColumn("scale", scale...)}}, append(user, friend...)
}

// compareStream checks the cells of both roles against the oracle's.
func compareStream(t *rapid.T, result *Result, spine *Spine, want func(row, role int, user string) []featurestore.Cell) {
	for role, key := range []string{"user", "friend"} {
		for row := range spine.Time {
			k := spine.Keys[key].Value(row)
			var cells []featurestore.Cell
			if k.IsNull() {
				cells = slices.Repeat([]featurestore.Cell{{Status: featurestore.InvalidKey}}, 6)
			} else {
				cells = want(row, role, k.Str())
			}
			for i, w := range cells {
				c := &result.Columns[role*6+i]
				if got := (featurestore.Cell{Value: c.Value(row), Status: c.Status[row]}); !got.Value.Equal(w.Value) || got.Status != w.Status {
					t.Fatalf("row %d at %s, %s of %q: got %s %s, want %s %s", row, spine.Time[row], c.Name, k.Str(),
						got.Value.Text(c.Type), got.Status, w.Value.Text(c.Type), w.Status)
				}
			}
		}
	}
}

// In modes available and event_time every cell is the oracle's, which knows
// neither state nor sweep.
func TestJoinEqualsOracle(t *testing.T) {
	p, s := project(t)
	c := config(t)
	rapid.Check(t, func(t *rapid.T) {
		events := drawEvents(t)
		spine, _ := drawSpine(t, events)
		r := &Request{Project: p, Service: s, Spine: spine}
		if rapid.Bool().Draw(t, "event_time") {
			r.Mode, r.Delay = EventTime, featurestore.Duration(rapid.SampledFrom([]int64{0, 1, 90, 3600}).Draw(t, "delay")*second)
		}
		applyDelay := featurestore.Duration(rapid.SampledFrom([]int64{0, 60}).Draw(t, "apply_delay") * second)
		for _, b := range p.StreamViews[0].Bindings {
			b.Source.ApplyDelay = applyDelay
		}
		m := &memory{events: events}
		result := m.join(t, r)
		compareStream(t, result, spine, func(row, _ int, user string) []featurestore.Cell {
			reading := oracle.Reading{At: spine.Time[row], Delay: applyDelay}
			if r.Mode == EventTime {
				reading.Mode, reading.Delay = oracle.EventTime, r.Delay
			}
			cells, err := oracle.Read(c, rowsOf(events, user), reading)
			if err != nil {
				t.Fatal(err)
			}
			return cells
		})
	})
}

// In mode exact the state is the one of the recorded list, whatever the order of
// the lists, and a list that history cannot give is counted.
func TestExactEqualsOracle(t *testing.T) {
	p, s := project(t)
	c := config(t)
	plan := p.StreamViews[0].Plan
	rapid.Check(t, func(t *rapid.T) {
		events := drawEvents(t)
		spine, _ := drawSpine(t, events)
		r := &Request{Project: p, Service: s, Spine: spine, Mode: Exact}
		for row := range spine.Time {
			x := ExactRow{Applied: make([]featurestore.Applied, 3), Runs: make([]string, 3)}
			for role, key := range []string{"user", "friend"} {
				if k := spine.Keys[key].Value(row); !k.IsNull() {
					x.Applied[role] = drawList(t, plan, rowsOf(events, k.Str()))
				}
			}
			for _, list := range x.Applied {
				if at, ok := list.MaxLogTime(); ok {
					x.ReadTime = max(x.ReadTime, featurestore.Instant(at)+1)
				}
			}
			x.ReadTime += featurestore.Instant(rapid.SampledFrom([]int64{0, 60, 1000}).Draw(t, "after") * second)
			r.Exact = append(r.Exact, x)
			spine.Time[row] = x.ReadTime
		}
		result := (&memory{events: events}).join(t, r)
		if result.Incomplete != 0 {
			t.Fatalf("%d reads are incomplete", result.Incomplete)
		}
		compareStream(t, result, spine, func(row, role int, user string) []featurestore.Cell {
			cells, err := oracle.Read(c, rowsOf(events, user), oracle.Reading{At: r.Exact[row].ReadTime, Mode: oracle.Exact, Applied: r.Exact[row].Applied[role]})
			if err != nil {
				t.Fatal(err)
			}
			return cells
		})
	})
}

// drawList is the applied list of some prefix of each partition.
func drawList(t *rapid.T, plan *window.Plan, rows []window.Row) featurestore.Applied {
	end := map[featurestore.PartitionID]int64{}
	var state window.State
	for i := range rows {
		id := rows[i].PartitionID
		if _, ok := end[id]; !ok {
			end[id] = rapid.Int64Range(-1, 50).Draw(t, "through")
		}
		if rows[i].Offset <= end[id] {
			plan.Apply(&state, &rows[i])
		}
	}
	return slices.Clone(state.Applied)
}

func TestExactCountsWhatHistoryLacks(t *testing.T) {
	p, s := project(t)
	spine := &Spine{Time: make([]featurestore.Instant, 2), Keys: map[string]*frame.Column{"user": textColumn("user", "a", "b"), "friend": textColumn("friend", "a", "a")}, Request: map[string]*frame.Column{"scale": intColumn("scale", 1, 1)}}
	lost := featurestore.Applied{{PartitionID: featurestore.PartitionID{Generation: 1}, Offset: 7, MaxLogTime: 5}}
	r := &Request{Project: p, Service: s, Spine: spine, Mode: Exact, Exact: []ExactRow{
		{ReadTime: 10, Applied: []featurestore.Applied{lost, nil, nil}, Runs: []string{"", "", "gone"}},
		{ReadTime: 10, Applied: make([]featurestore.Applied, 3), Runs: make([]string, 3)},
	}}
	result := (&memory{}).join(t, r)
	if result.Incomplete != 2 || !slices.Equal(result.IncompleteRows, []bool{true, false}) {
		t.Errorf("incomplete %d, %v", result.Incomplete, result.IncompleteRows)
	}
}

// A batch view's cells are the oracle's: over random rows, runs and ticks.
func TestBatchEqualsOracle(t *testing.T) {
	p, s := project(t)
	view := p.BatchViews[0]
	rapid.Check(t, func(t *rapid.T) {
		m := &memory{}
		truth := map[string][]oracle.BatchRow{}
		for i := range rapid.IntRange(0, 40).Draw(t, "rows") {
			e := rapid.Int64Range(-20, 100).Draw(t, "e") * 60 * second
			row := SourceRow{Time: featurestore.EventTime(e), Available: featurestore.LogTime(e + rapid.SampledFrom([]int64{0, 60, 1200, -60}).Draw(t, "known")*second),
				File: rapid.Int64Range(0, 2).Draw(t, "file"), Row: int64(i), Fields: []featurestore.Value{featurestore.StringValue(rapid.SampledFrom(users[:3]).Draw(t, "user")), featurestore.Null}}
			if rapid.IntRange(0, 4).Draw(t, "null") > 0 {
				row.Fields[1] = featurestore.Int64Value(int64(i))
			}
			m.rows = append(m.rows, row)
			user := row.Fields[0].Str()
			truth[user] = append(truth[user], oracle.BatchRow{Time: row.Time, AvailableAt: row.Available, File: fmt.Sprint(row.File), FileRow: row.Row, Values: row.Fields[1:]})
		}
		done := featurestore.Instant(rapid.Int64Range(0, 60).Draw(t, "first run") * 60 * second)
		for range rapid.IntRange(0, 4).Draw(t, "runs") {
			m.runs = append(m.runs, Run{Cutoff: done - featurestore.Instant(rapid.Int64Range(0, 30).Draw(t, "cut")*60*second), Completed: done})
			done += featurestore.Instant(rapid.Int64Range(1, 30).Draw(t, "gap") * 60 * second)
		}
		spine, _ := drawSpine(t, nil)
		r := &Request{Project: p, Service: s, Spine: spine, Mode: Mode(rapid.IntRange(0, 1).Draw(t, "mode"))}
		result := m.join(t, r)
		column := &result.Columns[12]
		for row, at := range spine.Time {
			key := spine.Keys["user"].Value(row)
			want := featurestore.Cell{Status: featurestore.InvalidKey}
			if !key.IsNull() {
				want = batchCell(view, truth[key.Str()], oracle.BatchReading{At: at, Mode: oracle.Mode(r.Mode), TTL: view.TTL, Runs: runsAt(m.runs, at)})
			}
			if got := (featurestore.Cell{Value: column.Value(row), Status: column.Status[row]}); !got.Equal(want) {
				t.Fatalf("row %d at %s of %s: got %v %s, want %v %s", row, at, key.Str(), got.Value.Text(featurestore.Int64), got.Status, want.Value.Text(featurestore.Int64), want.Status)
			}
		}
	})
}

func batchCell(view *definition.BatchView, rows []oracle.BatchRow, r oracle.BatchReading) featurestore.Cell {
	row, status := oracle.LatestBatch(rows, r)
	cell := featurestore.Cell{Status: status}
	if row != nil {
		if cell.Value = row.Values[0]; cell.Value.IsNull() {
			cell.Status = featurestore.Empty
		}
	}
	if cell.Value.IsNull() {
		cell.Value = view.Features[0].Default
	}
	return cell
}

// runsAt gives the runs on record, or the tick each twenty minutes before them.
func runsAt(runs []Run, at featurestore.Instant) []oracle.Run {
	var out []oracle.Run
	for _, r := range runs {
		out = append(out, oracle.Run{Cutoff: r.Cutoff, Completed: r.Completed})
	}
	if len(runs) == 0 || at < runs[0].Completed {
		tick := at.Floor(minutes(20))
		out = append(out, oracle.Run{Cutoff: tick, Completed: tick})
	}
	return out
}

// On-demand features take the defaults and statuses of their inputs.
func TestOnDemand(t *testing.T) {
	p, s := project(t)
	spine := &Spine{
		Time:    slices.Repeat([]featurestore.Instant{featurestore.Instant(minutes(41))}, 4),
		Keys:    map[string]*frame.Column{"user": textColumn("user", "a", "a", "", "z"), "friend": textColumn("friend", "a", "a", "a", "a")},
		Request: map[string]*frame.Column{"scale": intColumn("scale", 2, 0, 1, 1)},
	}
	event := featurestore.Event{Time: featurestore.EventTime(minutes(35)), LogTime: featurestore.LogTime(minutes(35)), Fields: []featurestore.Value{featurestore.StringValue("a"), featurestore.DoubleValue(1), featurestore.BoolValue(true), featurestore.Null, featurestore.Null}}
	m := &memory{events: map[string][]featurestore.Event{"clicks": {event}}, rows: []SourceRow{{Time: featurestore.EventTime(minutes(5)), Available: featurestore.LogTime(minutes(5)), Fields: []featurestore.Value{featurestore.StringValue("a"), featurestore.Int64Value(9)}}}}
	result := m.join(t, &Request{Project: p, Service: s, Spine: spine, Mode: Available})
	ratio := result.Columns[len(result.Columns)-1]
	want := []featurestore.Cell{
		{Value: featurestore.Int64Value(5), Status: featurestore.Present}, // (1 + 9) / 2
		{Status: featurestore.StatusError},                                // division by zero
		{Status: featurestore.InvalidKey},
		{Value: featurestore.Int64Value(-1), Status: featurestore.Present}, // (0 + default -1) / 1
	}
	for row, w := range want {
		if got := (featurestore.Cell{Value: ratio.Value(row), Status: ratio.Status[row]}); !got.Equal(w) {
			t.Errorf("row %d: got %v %s, want %v %s", row, got.Value, got.Status, w.Value, w.Status)
		}
	}
	for i, want := range []string{"1970-01-01T00:35:00Z", "1970-01-01T00:35:00Z", "1970-01-01T00:05:00Z"} {
		if times := result.EventTimes[i]; times.Times.Value(0).Timestamp().String() != want {
			t.Errorf("%s: event time %s, want %s", times.Prefix, times.Times.Value(0).Timestamp(), want)
		}
	}
}
