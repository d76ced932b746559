//go:build duckdb_arrow

package duckdb_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/dataset"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/frame"
	"github.com/freshet/freshet/featurestore/latest"
	"github.com/freshet/freshet/featurestore/offline/runs"
	"github.com/freshet/freshet/featurestore/offline/warehouse"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/pit"
	"github.com/freshet/freshet/ingest/materialize"
	"github.com/freshet/freshet/transforms/oracle"
)

const salesDefinitions = `kind: Entity
name: user
keys: [{name: user_id, type: int64}]
---
kind: BatchSource
name: sales
files: [sales*.csv]
format: csv
timestamp: {field: at, format: rfc3339}
available_at: {field: loaded, format: rfc3339}
fields: {user: int64, x: int64, y: double, tag: string}
---
kind: BatchView
name: sold
entity: user
source: sales
keys: {user_id: user}
ttl: 2h
schedule: hourly
features:
  - {name: n, agg: count, windows: [10m, 6h, lifetime, {rows: 3}, {session: {gap: 20m}}, {tumbling: 1h}]}
  - {name: tag, type: string, default: none}
  - {name: mean, agg: avg(y), window: 3h, default: 7.5}
  - {name: spread, agg: stddev_samp(y), window: lifetime}
  - {name: before, agg: sum(x), window: 1h, offset: 1h, empty: null}
  - {name: by_tag, agg: max(y), window: 6h, where: x > 3, by: tag, max_keys: 2}
  - {name: tags, agg: "last_distinct_n(tag, 2)", window: {hopping: {size: 2h, step: 30m}}}
  - {name: hours, agg: sum(x), window: {series: {window: 1h, step: 1h, count: 3}}}
  - {name: median, agg: median(y), window: {calendar: {unit: day, zone: Europe/Berlin}}}
  - {name: exactly, agg: sum(x), window: 100m, exact: true, max_rows: 4}
  - {name: decayed, agg: "ewm_avg(y, 30m)", window: 6h}
  - {name: distinct, agg: "count_distinct(x, max: 3)", window: lifetime}
  - {name: twice, type: int64, expr: x * 2}
---
kind: FeatureService
name: svc
features: [sold.*]
log: {sample: 1.0}
`

const salesUsers = 12

var salesDay = func() featurestore.Instant {
	day, err := featurestore.ParseInstant("2024-03-30T00:00:00Z")
	if err != nil {
		panic(err) // a constant
	}
	return day
}()

// sales is a table of random rows, some of which are available late, with what
// the oracle wants of it.
type sales struct {
	*world
	*materializer
	rows [][]oracle.BatchRow // by user
	runs []oracle.Run
	ids  []string // of the runs
}

func openSales(t *testing.T) *sales {
	t.Helper()
	s := &sales{world: open(t, t.TempDir(), []definition.File{{Path: "sales.yaml", Data: []byte(salesDefinitions)}}), rows: make([][]oracle.BatchRow, salesUsers)}
	s.materializer = newMaterializer(t, s.world)
	draw := rand.New(rand.NewPCG(7, 7))
	for file := range 2 {
		var text strings.Builder
		text.WriteString("at,loaded,user,x,y,tag\n")
		for range 300 {
			at := salesDay + featurestore.Instant(draw.IntN(36*60))*featurestore.Instant(featurestore.Minute)
			loaded := at + featurestore.Instant([]int{0, 0, 0, 5, 200}[draw.IntN(5)])*featurestore.Instant(featurestore.Minute)
			fmt.Fprintf(&text, "%s,%s,%d,%s,%s,%s\n", at, loaded, draw.IntN(salesUsers-1), []string{"", fmt.Sprint(draw.IntN(9))}[min(draw.IntN(6), 1)],
				[]string{"", fmt.Sprint(draw.NormFloat64())}[min(draw.IntN(6), 1)], []string{"", "a", "b", "c"}[draw.IntN(4)])
		}
		if err := os.WriteFile(filepath.Join(s.root, fmt.Sprintf("sales%d.csv", file)), []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.read(t)
	return s
}

// read reads the table with the pure Go reader.
func (s *sales) read(t *testing.T) {
	t.Helper()
	table, err := warehouse.Open(s.root, s.view.Source, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = table.Close() }()
	for {
		rows, err := table.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			row := oracle.BatchRow{Time: r.Time, AvailableAt: r.Available, File: r.File, FileRow: r.Row}
			for _, f := range s.view.Features {
				if f.Expr != nil {
					v, _ := f.Expr.Eval(r.Fields)
					row.Values = append(row.Values, v)
				}
			}
			for _, p := range s.view.Inputs {
				v, _ := p.Eval(r.Fields)
				row.Inputs = append(row.Inputs, v)
			}
			user := r.Fields[0].Int64()
			s.rows[user] = append(s.rows[user], row)
		}
	}
}

// want is what the oracle finds for a user.
func (s *sales) want(t *testing.T, user int64, r oracle.BatchReading) []featurestore.Cell {
	t.Helper()
	out := make([]featurestore.Cell, len(s.view.Features))
	greatest, status := oracle.LatestBatch(s.rows[user], r)
	aggregates, err := oracle.BatchAggregates(s.view.Config(), s.rows[user], r)
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	for i := range s.view.Features {
		f := &s.view.Features[i]
		out[i].Status = status
		if f.Expr == nil {
			out[i] = aggregates[f.Aggregate]
		} else if greatest != nil {
			if out[i].Value = greatest.Values[next]; out[i].Value.IsNull() {
				out[i].Status = featurestore.Empty
			}
			next++
		}
		if out[i].Value.IsNull() {
			out[i].Value = f.Default
		}
	}
	return out
}

func (s *sales) reading(at featurestore.Instant, runs []oracle.Run) oracle.BatchReading {
	return oracle.BatchReading{At: at, TTL: s.view.TTL, Runs: runs}
}

// served is what is stored of a user, as a lookup at an instant reads it.
func (s *sales) served(t *testing.T, user int64, at featurestore.Instant) ([]featurestore.Cell, string) {
	t.Helper()
	key, err := codec.AppendKey(nil, []featurestore.Type{featurestore.Int64}, []featurestore.Value{featurestore.Int64Value(user)})
	if err != nil {
		t.Fatal(err)
	}
	entity := online.EntityID{LaneID: online.LaneID{Generation: s.generation(), Lane: codec.Lane(key, online.DefaultLanes)}, Key: key}
	blobs, err := s.store.Get(context.Background(), []online.EntityID{entity})
	if err != nil {
		t.Fatal(err)
	}
	out := make([]featurestore.Cell, len(s.view.Features))
	if blobs[0].Open == nil {
		latest.Cells(s.view, nil, at, out)
		return out, ""
	}
	row := codec.BatchRow{Definition: s.view.Hash, Key: key}
	if err := codec.DecodeBatchRow(blobs[0].Open, latest.StoredTypes(s.view), &row); err != nil {
		t.Fatal(err)
	}
	latest.Cells(s.view, latest.Stored(s.view, &row), at, out)
	return out, row.Run
}

// bring makes a run at an hour of the day and checks every user's values then,
// and an hour and a half later.
func (s *sales) bring(t *testing.T, hour int, now featurestore.Instant) {
	t.Helper()
	cutoff := salesDay + featurestore.Instant(hour)*featurestore.Instant(featurestore.Hour)
	report := s.run(t, cutoff.String(), now.String())
	s.runs, s.ids = append(s.runs, oracle.Run{Cutoff: cutoff, Completed: now}), append(s.ids, report.Run.ID)
	for user := range int64(salesUsers) {
		for _, at := range []featurestore.Instant{now, now + 90*featurestore.Instant(featurestore.Minute)} {
			got, _ := s.served(t, user, at)
			for i, want := range s.want(t, user, s.reading(at, s.runs)) {
				if !got[i].Value.Equal(want.Value) || got[i].Status != want.Status {
					f := &s.view.Features[i]
					t.Errorf("after the run at %s, user %d at %s, %s: got %s %s, want %s %s", cutoff, user, at, f.Name, got[i].Value.Exact(f.Type), got[i].Status, want.Value.Exact(f.Type), want.Status)
				}
			}
		}
	}
}

// leave takes the rows of some users out of the files, and puts them back.
func (s *sales) leave(t *testing.T, users ...int) (back func()) {
	t.Helper()
	texts := map[string]string{}
	for file := range 2 {
		name, err := filepath.Rel(s.dir, filepath.Join(s.root, fmt.Sprintf("sales%d.csv", file)))
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = read(t, s.path(name))
		var left strings.Builder
		for _, line := range strings.SplitAfter(texts[name], "\n") {
			if cells := strings.Split(line, ","); len(cells) < 3 || !slices.ContainsFunc(users, func(u int) bool { return cells[2] == fmt.Sprint(u) }) {
				left.WriteString(line)
			}
		}
		s.write(t, name, left.String())
	}
	again := func() {
		s.rows = make([][]oracle.BatchRow, salesUsers)
		s.read(t)
	}
	again()
	return func() {
		for name, text := range texts {
			s.write(t, name, text)
		}
		again()
	}
}

// lastRun is the run that a lookup at an instant reads.
func (s *sales) lastRun(at featurestore.Instant) (run int) {
	run = -1
	for i, r := range s.runs {
		if r.Completed <= at && (run < 0 || r.Cutoff > s.runs[run].Cutoff) {
			run = i
		}
	}
	return run
}

// Aggregates of a warehouse table are the oracle's, in every run as it is served
// and in training sets of every mode.
func TestBatchAggregates(t *testing.T) {
	s := openSales(t)
	now := salesDay
	for _, hour := range []int{7, 12, 9, 20, 30} { // that at nine replaces nothing
		now = max(now, salesDay+featurestore.Instant(hour)*featurestore.Instant(featurestore.Hour)) + 7*featurestore.Instant(featurestore.Minute)
		s.bring(t, hour, now)
	}
	var spine, recorded strings.Builder
	spine.WriteString("user_id,event_timestamp\n")
	recorded.WriteString("request_id,request_row\n")
	l := lookups{}
	for i := range 150 {
		user, at := int64(i%salesUsers), salesDay+featurestore.Instant(i*17)*featurestore.Instant(featurestore.Minute)+featurestore.Instant(i%3)
		fmt.Fprintf(&spine, "%d,%s\n", user, at)
		x := dataset.Recorded{ExactRow: pit.ExactRow{ReadTime: at, Applied: make([]featurestore.Applied, 1), Runs: []string{""}}, Keys: []featurestore.Value{featurestore.Int64Value(user)}}
		if run := s.lastRun(at); run >= 0 && user < salesUsers-1 {
			x.Runs[0] = s.ids[run]
		}
		l[fmt.Sprintf("r/%d", i)] = x
		fmt.Fprintf(&recorded, "r,%d\n", i)
	}
	s.write(t, "spine.csv", spine.String())
	s.write(t, "exact.csv", recorded.String())
	for _, mode := range []pit.Mode{pit.Available, pit.EventTime, pit.Exact} {
		t.Run(mode.String(), func(t *testing.T) { s.compare(t, mode, l) })
	}
}

func (s *sales) compare(t *testing.T, mode pit.Mode, l lookups) {
	t.Helper()
	r := dataset.Request{Project: s.project, Service: s.service(t, "svc"), Spine: s.path("spine.csv"), SpineFormat: definition.CSV, Out: s.path("out-" + mode.String()), Format: definition.Parquet, Mode: mode}
	r.With.Status = true
	x := s.exporter()
	switch mode {
	case pit.Exact:
		r.Spine, x.Lookups = s.path("exact.csv"), l
	case pit.EventTime:
		r.Delay = 11 * featurestore.Minute
	default:
	}
	if report, err := x.Export(context.Background(), r); err != nil || report.Incomplete != 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	all := s.loadAll(t, filepath.Join(r.Out, "data.parquet"))
	if all.Len() != len(l) {
		t.Fatalf("%d rows", all.Len())
	}
	for row := range all.Len() {
		x := l[fmt.Sprintf("r/%d", row)]
		reading := s.reading(x.ReadTime, slices.Clone(s.runs))
		switch run := s.lastRun(x.ReadTime); {
		case mode == pit.EventTime:
			reading.Mode, reading.Delay = oracle.EventTime, r.Delay
		case mode == pit.Available && run < 0:
			tick := x.ReadTime.Floor(featurestore.Hour)
			reading.Runs = []oracle.Run{{Cutoff: tick, Completed: tick}}
		}
		for i, want := range s.want(t, x.Keys[0].Int64(), reading) {
			checkCell(t, all, row, "sold__"+s.view.Features[i].Name, want)
		}
	}
}

// loadAll reads a whole file.
func (w *world) loadAll(t *testing.T, path string) *frame.Frame {
	t.Helper()
	ctx := context.Background()
	table, fields, err := w.db.Load(ctx, frame.File{Path: path, Name: filepath.Base(path)})
	if err != nil {
		t.Fatal(err)
	}
	all := frame.New(fields)
	if err := w.db.Columns(ctx, table, fields, func(f *frame.Frame) error { all.AppendFrame(f); return nil }); err != nil {
		t.Fatal(err)
	}
	if err := w.db.Unload(ctx, table); err != nil {
		t.Fatal(err)
	}
	return all
}

// An entity whose rows have left the table reads as one without rows from the
// next run on, whichever run had brought it: also one that looks further back,
// one at the same cutoff, and one that broke off while it went online.
func TestEntitiesThatLeave(t *testing.T) {
	const minute, hour = featurestore.Instant(featurestore.Minute), featurestore.Instant(featurestore.Hour)
	s := openSales(t)
	back := s.leave(t, 3)
	s.bring(t, 12, salesDay+12*hour)
	back()
	s.run(t, (salesDay + 11*hour).String(), (salesDay + 12*hour + minute).String()) // it has user 3, and the newer one has not
	s.wantGone(t, 3, salesDay+13*hour)

	s.bring(t, 12, salesDay+12*hour+2*minute)
	back = s.leave(t, 4, 5)
	s.bring(t, 12, salesDay+12*hour+2*minute) // of the same cutoff, and the clock stands
	s.wantGone(t, 4, salesDay+13*hour)
	s.bring(t, 13, salesDay+13*hour)
	back()
	s.bring(t, 14, salesDay+14*hour) // they are there again

	back = s.leave(t, 6)
	s.bring(t, 15, salesDay+15*hour)
	back()
	whole := s.Record
	s.Record = broken{whole}
	s.clock = salesDay + 16*hour
	_, err := s.Run(t.Context(), materialize.Request{View: s.view, Cutoff: s.clock, Generation: s.generation(), Lanes: online.DefaultLanes})
	if !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	s.Record = whole
	s.leave(t, 6)
	s.bring(t, 17, salesDay+17*hour)
	s.wantGone(t, 6, salesDay+17*hour)
}

// Files of runs that were cleared away are named, and a run is made all the same.
func TestRunsThatWereClearedAway(t *testing.T) {
	const hour = featurestore.Instant(featurestore.Hour)
	s := openSales(t)
	s.bring(t, 12, salesDay+12*hour)
	if err := os.RemoveAll(filepath.Join(s.Dir, "views", s.view.Name)); err != nil {
		t.Fatal(err)
	}
	back := s.leave(t, 3)
	report := s.run(t, (salesDay + 13*hour).String(), (salesDay + 13*hour).String())
	if len(report.Lost) != 1 || report.Gone != 0 {
		t.Errorf("lost %q, gone %d", report.Lost, report.Gone)
	}
	back()
	s.runs = append(s.runs, oracle.Run{Cutoff: salesDay + 13*hour, Completed: salesDay + 13*hour})
	s.ids = append(s.ids, report.Run.ID)
	s.bring(t, 14, salesDay+14*hour)
	if err := os.RemoveAll(filepath.Join(s.Dir, "views", s.view.Name)); err != nil {
		t.Fatal(err)
	}
	report = s.run(t, (salesDay + 11*hour).String(), (salesDay + 15*hour).String()) // the newest one's rows are not there
	if cells, run := s.served(t, 3, salesDay+15*hour); len(report.Lost) != 1 || report.Gone != 0 || run != s.ids[len(s.ids)-1] || cells[0].Status == featurestore.NotFound {
		t.Errorf("lost %q, gone %d; user 3 reads %v of run %s", report.Lost, report.Gone, cells[0], run)
	}
}

func (s *sales) wantGone(t *testing.T, user int64, at featurestore.Instant) {
	t.Helper()
	if cells, run := s.served(t, user, at); cells[0].Status != featurestore.NotFound || run != s.ids[len(s.ids)-1] {
		t.Errorf("user %d is not in the table: %v of run %s", user, cells[0], run)
	}
}

// broken is a record that takes no run.
type broken struct{ materialize.Record }

var errBroken = errors.New("the power went")

func (broken) Append(runs.Run) error { return errBroken }
