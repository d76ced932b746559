package skew_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/skew"
)

// What was served from any prefix of the log, in any run, at any time, is what
// history says; a value that is changed is found, alone, with what it should be.
func TestServedIsRecomputed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := small()
		h.events = h.events[:0]
		now := base
		for range rapid.IntRange(0, 30).Draw(t, "events") {
			now += featurestore.Instant(rapid.SampledFrom([]int64{0, 1, 59, 60, 600}).Draw(t, "step")) * featurestore.Instant(featurestore.Second)
			h.click(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "user"), now, rapid.Float64Range(-100, 100).Draw(t, "v"))
		}
		p := load(t, rapid.SampledFrom([]string{"status", "default", "fail"}).Draw(t, "on_stale"))
		var rows []*skew.Row
		for i := range rapid.IntRange(1, 8).Draw(t, "rows") {
			s := newServer(p, h)
			s.applied = rapid.IntRange(0, len(h.events)).Draw(t, "applied")
			s.run = rapid.SampledFrom([]string{"", "run1", "run2"}).Draw(t, "run")
			read := base + featurestore.Instant(rapid.Int64Range(-600, 7200).Draw(t, "read"))*featurestore.Instant(featurestore.Second)
			if s.applied > 0 {
				read = max(read, featurestore.Instant(h.events[s.applied-1].LogTime)+1)
			}
			if rapid.Bool().Draw(t, "watermark") {
				s.watermark = at(read - featurestore.Instant(rapid.Int64Range(0, 600).Draw(t, "age"))*featurestore.Instant(featurestore.Second))
			}
			user := func() string { return rapid.SampledFrom([]string{"a", "b", "nobody"}).Draw(t, "key") }
			row := s.serve(string(rune('a'+i)), user(), user(), read)
			row.Revision = rapid.Int64Range(1, 2).Draw(t, "revision")
			rows = append(rows, row)
		}
		c := h.checker(map[int64]*definition.Project{1: p, 2: p})
		c.BatchRows = rapid.IntRange(1, 10).Draw(t, "batch")
		report := checkIn(t, c, rows)
		if report.Mismatches != 0 || report.Incomplete != 0 || report.Rows != int64(len(rows)) {
			b, _ := json.MarshalIndent(report, "", " ")
			t.Fatalf("%s", b)
		}
		// The sum is whole: nothing falls through.
		for _, f := range report.Features {
			if f.Rows != int64(len(rows)) || f.Rows != f.Matches+f.Defaulted {
				t.Fatalf("%+v", f)
			}
		}
		row := rows[rapid.IntRange(0, len(rows)-1).Draw(t, "row")]
		column := rapid.IntRange(0, len(row.Cells)-1).Draw(t, "column")
		was := row.Cells[column]
		row.Cells[column].Value = featurestore.Int64Value(-12345)
		report = checkIn(t, c, rows)
		if report.Mismatches != 1 {
			t.Fatalf("%d mismatches where one value was changed", report.Mismatches)
		}
		f := feature(t, report, row.Schema.Columns[column])
		if len(f.Examples) != 1 || f.Examples[0].RequestID != row.RequestID || f.Examples[0].Recomputed.Status != was.Status.String() {
			t.Fatalf("%+v, was %s", f, was.Status)
		}
	})
}

func TestExampleSaysWhatDiffers(t *testing.T) {
	h, p := small(), load(t, "status")
	s := newServer(p, h)
	s.applied, s.run, s.watermark = 10, "run1", at(base+10*minute)
	row := s.serve("r-1", "a", "b", base+10*minute)
	i := slices.Index(s.schema.Columns, "act__n")
	row.Cells[i].Value = featurestore.Int64Value(99)
	report := h.check(t, p, row)
	if report.Mismatches != 1 || report.Matches != 13 || *report.MatchRate != 13.0/14 {
		t.Fatalf("%+v", report)
	}
	got, err := json.Marshal(feature(t, report, "act__n"))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"name":"act__n","type":"int64","rows":1,"matches":0,"mismatches":1,"match_rate":0,"examples":[{"request_id":"r-1","row":0,"revision":1,` +
		`"read_time":"2013-01-01T00:36:40Z","keys":{"friend":"b","user":"a"},"served":{"value":"99","status":"PRESENT"},"recomputed":{"value":"5","status":"PRESENT"}}]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// A status alone differs too.
	row = s.serve("r-1", "a", "b", base+10*minute)
	row.Cells[i].Status = featurestore.Approximate
	if report = h.check(t, p, row); report.Mismatches != 1 {
		t.Errorf("%+v", report)
	}
}

func TestStale(t *testing.T) {
	h := small()
	for onStale, want := range map[string]skew.Feature{
		"status": {Rows: 1, Matches: 1, Stale: 1}, "default": {Rows: 1, Defaulted: 1},
	} {
		p := load(t, onStale)
		s := newServer(p, h)
		s.applied, s.run, s.watermark = 10, "run1", at(base)
		row := s.serve("r", "a", "b", base+10*minute)
		f := feature(t, h.check(t, p, row), "act__mean")
		if f.Rows != want.Rows || f.Matches != want.Matches || f.Stale != want.Stale || f.Defaulted != want.Defaulted || f.Mismatches != 0 {
			t.Errorf("on_stale %s: %+v", onStale, f)
		}
		// Serving said STALE where the log says that the view was not behind.
		fresh := *row
		fresh.States = slices.Clone(row.States)
		for i := range fresh.States {
			fresh.States[i].Watermark = base + 10*minute
		}
		if f := feature(t, h.check(t, p, &fresh), "act__mean"); f.Mismatches != 1 {
			t.Errorf("on_stale %s, not stale: %+v", onStale, f)
		}
	}
}

// What serving did not look at is no skew, and is not passed over either.
func TestUnservedIsCountedApart(t *testing.T) {
	h, p := small(), load(t, "status")
	for status, count := range map[featurestore.Status]func(skew.Feature) int64{
		featurestore.Rebuilding:  func(f skew.Feature) int64 { return f.Rebuilding },
		featurestore.TooOld:      func(f skew.Feature) int64 { return f.TooOld },
		featurestore.StatusError: func(f skew.Feature) int64 { return f.Errors },
	} {
		s := newServer(p, h)
		s.applied, s.run, s.watermark = 10, "run1", at(base+10*minute)
		row := s.serve("r", "a", "b", base+10*minute)
		for i, name := range s.schema.Columns {
			switch {
			case strings.HasPrefix(name, "act__"):
				row.Cells[i] = featurestore.Cell{Status: status}
			case name == "derived__ratio": // made from it, and yet a value
				row.Cells[i] = featurestore.Cell{Value: featurestore.Int64Value(1), Status: featurestore.Present}
			}
		}
		report := h.check(t, p, row)
		if report.Mismatches != 0 || count(feature(t, report, "act__n")) != 1 || feature(t, report, "derived__ratio").Inputs != 1 {
			t.Errorf("%s: %+v", status, report)
		}
	}
}

// Where history lacks what was applied, nothing is compared, and it is said.
func TestIncompleteHistory(t *testing.T) {
	h, p := small(), load(t, "status")
	s := newServer(p, h)
	s.applied, s.run, s.watermark = 20, "run1", at(base+20*minute)
	row, other := s.serve("r", "a", "b", base+20*minute), s.serve("r2", "nobody", "nobody", base+20*minute)
	h.events = h.events[:12] // not archived yet
	report := h.check(t, p, row, other)
	if report.Incomplete != 1 || report.Mismatches != 0 || feature(t, report, "act__n").Incomplete != 1 || feature(t, report, "act__n").Matches != 1 {
		t.Errorf("%+v", report)
	}
	h.runRows = nil
	s.run = "run1"
	row.States[0].Run = "run1"
	if report = h.check(t, p, row); report.Incomplete != 1 || report.MatchRate != nil {
		t.Errorf("a run that is gone: %+v", report)
	}
}

func TestErrors(t *testing.T) {
	h, p := small(), load(t, "status")
	s := newServer(p, h)
	row := s.serve("r", "a", "b", base)
	row.Revision = 9
	read := func(each func(*skew.Row) error) error { return each(row) }
	c := h.checker(map[int64]*definition.Project{1: p})
	if _, err := c.Check(context.Background(), "svc", read); !errors.Is(err, featurestore.ErrNotFound) {
		t.Errorf("a revision that is not there: %v", err)
	}
	row.Revision = 1
	if _, err := c.Check(context.Background(), "other", read); !errors.Is(err, featurestore.ErrNotFound) {
		t.Errorf("a service that is not there: %v", err)
	}
	row.Schema = &skew.Schema{Entities: []string{"friend"}}
	if _, err := c.Check(context.Background(), "svc", read); !errors.Is(err, featurestore.ErrInvalid) || !strings.Contains(err.Error(), `"user"`) {
		t.Errorf("rows without a key: %v", err)
	}
	row.Schema = &skew.Schema{Entities: s.schema.Entities, Request: s.schema.Request, Roles: slices.Clone(s.schema.Roles)}
	row.Schema.Roles[1].Sources = []string{"views"}
	if _, err := c.Check(context.Background(), "svc", read); !errors.Is(err, featurestore.ErrInvalid) || !strings.Contains(err.Error(), `"views"`) {
		t.Errorf("rows of another source: %v", err)
	}
}
