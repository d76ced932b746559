package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/predictions"
	"github.com/freshet/freshet/serving/predlog"
	"github.com/freshet/freshet/serving/service"
)

// loggedProject is a project's folder in which a server logs, and still runs.
func loggedProject(t *testing.T) (dir string, log *predlog.Logger) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "freshet.yaml"), []byte("project: shop\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	log, err := predlog.Open(predlog.Options{Dir: filepath.Join(dir, ".freshet", "offline")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	sample := 1.0
	plan := &service.Compiled{Name: "svc", Spec: &definition.Service{Log: &sample}, Entities: []definition.Field{{Name: "user", Type: featurestore.String}}}
	for i, id := range []string{"r-1", "r-2", "r-3"} {
		at := featurestore.Instant(1357000000e6) + featurestore.Instant(i)*featurestore.Instant(featurestore.Hour)
		log.Log(plan, &service.Request{ID: id, Rows: 1, Entities: [][]featurestore.Value{{featurestore.StringValue("u" + id)}}}, &service.Answer{
			Service: "svc", Revision: 2, RequestID: id, ReadTimes: []featurestore.Instant{at},
			Columns: []service.Column{{Name: "v__n", Type: featurestore.Int64, Cells: []featurestore.Cell{{Value: featurestore.Int64Value(int64(i)), Status: featurestore.Present}}}},
			Roles:   []service.Role{{View: "v", Sources: []string{"clicks"}, Generation: 1, Rows: []service.RowState{{}}}},
		}, at)
	}
	if err := log.LogPrediction(predlog.Prediction{RequestID: "r-2", Model: "m:1", Time: 1357009999e6, Outputs: []predlog.Output{{Name: "p", Value: featurestore.DoubleValue(0.5)}}}); err != nil {
		t.Fatal(err)
	}
	if err := log.Flush(); err != nil {
		t.Fatal(err)
	}
	return dir, log
}

// run runs a verb and gives what it printed.
// printed is what a command prints. It and the parts that it starts write to stderr at
// once, which a process's own is good for.
type printed struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

func run(t *testing.T, dir string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, notes printed
	a := &App{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &notes, Getenv: func(string) string { return "" }}
	root := a.Root("freshet", "")
	a.AddCommon(root)
	root.SetArgs(append([]string{"-C", dir}, args...))
	err = root.ExecuteContext(context.Background())
	return out.String(), notes.String(), err
}

func TestPredictionsList(t *testing.T) {
	dir, _ := loggedProject(t)
	out, _, err := run(t, dir, "predictions", "ls", "-o", "json")
	var services []predictions.Summary
	if err := errors.Join(err, json.Unmarshal([]byte(out), &services)); err != nil || len(services) != 1 || services[0].Rows != 3 {
		t.Fatalf("%s, %v", out, err)
	}
	out, _, err = run(t, dir, "predictions", "ls", "svc", "--limit", "2", "-o", "table")
	if err != nil || strings.Contains(out, "r-1") || !strings.Contains(out, "user=ur-3") || !strings.Contains(out, "p=0.5") || !strings.Contains(out, "2 of 3 rows") || !strings.Contains(out, "1 PRESENT") {
		t.Errorf("%s, %v", out, err)
	}
	out, _, err = run(t, dir, "predictions", "ls", "svc", "--from", "2013-01-01T01:00:00Z", "--to", "2013-01-01T02:00:00Z", "-o", "jsonl")
	if err != nil || strings.Count(out, "\n") != 1 || !strings.Contains(out, `"_request_id":"r-2"`) || !strings.Contains(out, `"_model":"m:1"`) {
		t.Errorf("%s, %v", out, err)
	}
	if _, notes, err := run(t, dir, "predictions", "ls", "other"); err != nil || !strings.Contains(notes, `"other"`) {
		t.Errorf("a service without a log: %s, %v", notes, err)
	}
	for _, args := range [][]string{
		{"ls", "svc", "--from", "yesterday"}, {"ls", "svc", "--from", "2013-01-02T00:00:00Z", "--to", "2013-01-01T00:00:00Z"}, {"ls", "svc", "--limit", "0"},
		{"ls", "../svc"}, {"export", "svc"}, {"export", "svc", "--out", filepath.Join(dir, "x.txt")},
	} {
		if _, _, err := run(t, dir, append([]string{"predictions"}, args...)...); !errors.Is(err, featurestore.ErrInvalid) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestPredictionsExport(t *testing.T) {
	dir, _ := loggedProject(t)
	for name, holds := range map[string]string{"x.jsonl": `"_outputs":{"p":0.5}`, "x.csv": `r-3,0,2013-01-01T02:26:40Z,`, "x.parquet": "PAR1"} {
		path := filepath.Join(dir, name)
		out, _, err := run(t, dir, "predictions", "export", "svc", "--out", path, "-o", "json")
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(data), holds) || !strings.Contains(out, `"rows": 3`) {
			t.Errorf("%s: %s, %v", name, out, err)
		}
	}
	if _, _, err := run(t, dir, "predictions", "export", "other", "--out", filepath.Join(dir, "y.csv")); !errors.Is(err, featurestore.ErrNotFound) {
		t.Errorf("a service without a log: %v", err)
	}
}
