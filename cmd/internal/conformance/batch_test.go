//go:build duckdb_arrow

package conformance

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline/duckdb"
	"github.com/freshet/freshet/featurestore/offline/history"
	"github.com/freshet/freshet/featurestore/offline/runs"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/embedded"
	"github.com/freshet/freshet/featurestore/pit"
	"github.com/freshet/freshet/ingest/materialize"
	"github.com/freshet/freshet/serving/service"
	"github.com/freshet/freshet/transforms/conformance"
)

// batchPath is CSV -> materialize -> store -> lookup, and from the same tables
// and runs `dataset export`.
type batchPath struct {
	onlinePath
	exports exports
	table   bool // also the modes that look at no store
}

func (b *batchPath) Runs(c *conformance.Case, r *conformance.Reading) bool {
	return c.Kind == conformance.KindBatch && (b.table || stored(r))
}

// standing is what readings share that are taken together: the runs that were
// made, or the clock of the one that is due, and how they are read.
type standing struct {
	runs  int
	due   featurestore.Instant
	mode  conformance.Mode
	delay featurestore.Duration
}

// Run brings what was made by a reading's clock to a generation and an offline
// store of its own, looks up, and asks the export what it looked up. The modes
// that look at the table as it is now come after all runs.
func (b *batchPath) Run(c *conformance.Case) (conformance.Result, error) {
	ctx := context.Background()
	result := conformance.Result{Cells: make([][]featurestore.Cell, len(c.Readings))}
	groups := map[standing][]int{}
	for i := range c.Readings {
		r := &c.Readings[i]
		s := standing{runs: len(c.Runs), mode: r.Mode, delay: r.Delay}
		if stored(r) && len(c.Runs) == 0 {
			s.due = r.Clock
		} else if stored(r) {
			s.runs = len(c.Made(r))
		}
		groups[s] = append(groups[s], i)
	}
	for _, places := range groups {
		var readings []conformance.Reading
		for _, i := range places {
			readings = append(readings, c.Readings[i])
		}
		made := c.Runs
		if stored(&readings[0]) {
			made = c.Made(&readings[0])
		}
		w, err := b.warehouse(ctx, c, made)
		if err != nil {
			return result, err
		}
		cells, err := w.read(ctx, readings)
		if err != nil {
			return result, err
		}
		for n, i := range places {
			result.Cells[i] = cells[n]
		}
	}
	return result, nil
}

// stored reports whether a reading is of what the runs left.
func stored(r *conformance.Reading) bool {
	return r.Mode == conformance.Online || r.Mode == conformance.Exact
}

// warehouse is a table with the runs that were made of it.
type warehouse struct {
	b  *batchPath
	w  *archived
	id online.Generation
}

func (b *batchPath) warehouse(ctx context.Context, c *conformance.Case, made []conformance.BatchRun) (*warehouse, error) {
	p, err := project(c)
	if err != nil {
		return nil, err
	}
	b.next++
	dir := filepath.Join(b.exports.dir, fmt.Sprint("batch", b.next))
	w := &warehouse{b: b, w: &archived{c: c, p: p, dir: dir}, id: online.Generation{Project: "conformance", View: conformance.ViewName, Number: b.next}}
	w.w.history, w.w.exact = history.New(history.Options{Root: dir, Dir: dir}), w.logged
	m := &materialize.Materializer{
		Root: dir, Dir: dir, Reader: b.exports.db, Writer: b.exports.db, Store: b.store, Record: runs.Open(dir), Clock: b.clock.now,
	}
	for i := range made {
		if err := w.fill(made[i].Table); err != nil {
			return nil, err
		}
		b.clock.at = made[i].Completed
		r := materialize.Request{View: p.BatchView(conformance.ViewName), Cutoff: made[i].Cutoff, Generation: w.id, Lanes: lanes}
		report, err := m.Run(ctx, r)
		if err != nil {
			return nil, err
		}
		if report.Bad > 0 {
			return nil, fmt.Errorf("%d rows of table %d are bad", report.Bad, made[i].Table)
		}
	}
	return w, w.fill(len(c.Tables) - 1)
}

// fill makes the files those of a table.
func (w *warehouse) fill(table int) error {
	dir := filepath.Join(w.w.dir, conformance.TableName)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	rows := w.w.c.Tables[table]
	last := 0
	for _, row := range rows {
		last = max(last, row.File)
	}
	for file := range last + 1 { // a table without rows is a file without rows
		of := slices.DeleteFunc(slices.Clone(rows), func(r conformance.TableRow) bool { return r.File != file })
		if err := w.write(filepath.Join(dir, conformance.FileOfRows(file)), of); err != nil {
			return err
		}
	}
	return nil
}

func (w *warehouse) write(path string, rows []conformance.TableRow) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	names := []string{"ts", "known"}
	for _, c := range slices.Concat(w.w.c.Key, w.w.c.Columns) {
		names = append(names, c.Name)
	}
	out := csv.NewWriter(f)
	lines := [][]string{names}
	for _, row := range rows {
		var line []string
		for _, name := range names {
			line = append(line, cellText(row.Object[name]))
		}
		lines = append(lines, line)
	}
	if err := out.WriteAll(lines); err != nil {
		return err
	}
	return f.Close()
}

// cellText is a JSON value as a cell of CSV: a text without its quotes, nothing
// for null, anything else as it stands.
func cellText(raw json.RawMessage) string {
	var text string
	switch {
	case string(raw) == "null":
		return ""
	case json.Unmarshal(raw, &text) == nil:
		return text
	}
	return string(raw)
}

func (w *warehouse) read(ctx context.Context, readings []conformance.Reading) (cells [][]featurestore.Cell, err error) {
	if readings[0].Mode != conformance.Online {
		return w.b.exports.join(ctx, w.w, readings)
	}
	for i := range readings {
		answer, err := w.lookup(ctx, &readings[i])
		if err != nil {
			return nil, err
		}
		cells = append(cells, cellsOf(answer))
	}
	return cells, nil
}

func (w *warehouse) lookup(ctx context.Context, r *conformance.Reading) (*service.Answer, error) {
	w.b.clock.at = r.Clock
	req := &service.Request{ID: "conformance", Rows: 1}
	for _, v := range r.Entity {
		req.Entities = append(req.Entities, []featurestore.Value{v})
	}
	if r.AsOf {
		req.AsOf = &r.At
	}
	return w.b.onlinePath.lookup(ctx, w.w.p, w.id, req)
}

// logged is what the log holds of a lookup.
func (w *warehouse) logged(r *conformance.Reading) pit.ExactRow {
	answer, err := w.lookup(context.Background(), r)
	if err != nil {
		panic(err) // the same lookup as online's
	}
	return pit.ExactRow{ReadTime: answer.ReadTimes[0], Applied: make([]featurestore.Applied, 1), Runs: []string{answer.Roles[0].Rows[0].Run}}
}

// runBatches runs the cases about tables.
func runBatches(t *testing.T, b *batchPath) {
	t.Helper()
	dir := t.TempDir()
	db, err := duckdb.Open(t.Context(), duckdb.Config{TempDir: filepath.Join(dir, "tmp"), Threads: 1, Allow: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	cases := slices.DeleteFunc(load(t), func(c *conformance.Case) bool { return c.Kind != conformance.KindBatch })
	b.exports = exports{dir: dir, db: db}
	wantLeftOut(t, conformance.RunAll(t, cases, b), nil)
}

// TestBatchEmbedded runs them over the embedded store, in every mode.
func TestBatchEmbedded(t *testing.T) {
	clock := &clock{}
	store, err := embedded.Open(embedded.Config{Dir: t.TempDir(), Now: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	runBatches(t, &batchPath{onlinePath: onlinePath{name: "batch, embedded", store: store, clock: clock}, table: true})
}

// TestBatchRedis runs them over a real redis-server.
func TestBatchRedis(t *testing.T) {
	runBatches(t, &batchPath{onlinePath: onlinePath{name: "batch, redis", store: realRedis(t), clock: &clock{}}})
}
