package definition_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// readDir reads the definition files under a folder.
func readDir(t testing.TB, dir string) []definition.File {
	t.Helper()
	var files []definition.File
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".yaml") && !definition.IsSchemaFile(path) {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		files = append(files, definition.File{Path: filepath.ToSlash(rel), Data: data})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// mustLoad loads a project that has neither errors nor warnings.
func mustLoad(t testing.TB, files []definition.File) *definition.Project {
	t.Helper()
	p, problems := definition.Load(files)
	if len(problems) > 0 || p == nil {
		t.Fatalf("problems:\n%s", problems.Format())
	}
	return p
}

func text(yaml string) []definition.File {
	return []definition.File{{Path: "x.yaml", Data: []byte(yaml)}}
}

// The definitions over the real data expand to what their services promise.
func TestFlights(t *testing.T) {
	p := mustLoad(t, readDir(t, "../../testdata/nycflights/definitions"))
	v := p.StreamView("airport_traffic")
	if got := len(v.Features); got != 16 {
		t.Errorf("airport_traffic has %d features", got)
	}
	if got := len(v.Bindings[0].Inputs); got != 5 {
		t.Errorf("airport_traffic evaluates %d inputs an event: equal expressions share one", got)
	}
	s := p.Service("arrival_delay_v1")
	var prefixes, entities, request []string
	for _, r := range s.Roles {
		prefixes = append(prefixes, r.Prefix+"("+strings.Join(r.Keys, ",")+")")
	}
	for _, f := range s.Entities {
		entities = append(entities, f.Name+" "+f.Type.String())
	}
	for _, f := range s.Request {
		request = append(request, f.Name+" "+f.Type.String())
	}
	equal(t, "roles", prefixes, "airport_traffic(origin) destination(dest) route_delay(origin,dest) carrier_delay(carrier) plane_day(tailnum) origin_weather(origin) plane(tailnum) carrier_yesterday(carrier)")
	equal(t, "entities", entities, "origin string dest string carrier string tailnum string")
	equal(t, "request", request, "scheduled_hour int64 distance double")
	if c := s.Columns[len(s.Columns)-1]; c.Name != "pressure__plane_age" || c.Role != -1 || !c.Type.Equal(featurestore.Int64) {
		t.Errorf("the last column is %+v", c)
	}
	if c := s.Columns[16]; c.Name != "destination__departures_1h" || c.Role != 1 || c.Ref.View != "airport_traffic" {
		t.Errorf("the first column of the role is %+v", c)
	}
}

func equal(t *testing.T, what string, got []string, want string) {
	t.Helper()
	if strings.Join(got, " ") != want {
		t.Errorf("%s: got %q, want %q", what, strings.Join(got, " "), want)
	}
}

// An on-demand view brings the views of its inputs along, for its service only
// to read.
func TestOnDemandBringsItsInputs(t *testing.T) {
	p := mustLoad(t, append(text("kind: FeatureService\nname: fs\nfeatures: [pace.over as fast]\n"), file(t, corpus+"/base.yaml")))
	s := p.Service("fs")
	if len(s.Roles) != 1 || s.Roles[0].View != "user_clicks" || len(s.Columns) != 1 || s.Columns[0].Name != "fast" || len(s.Entities) != 1 || len(s.OnDemand) != 1 {
		t.Errorf("%+v", s)
	}
}

// Inputs of bindings are parallel: the same index is the same expression over
// each source.
func TestBindingsAreParallel(t *testing.T) {
	p := mustLoad(t, []definition.File{file(t, corpus+"/valid/several_sources.yaml")})
	v := p.StreamView("contacts")
	if len(v.Bindings) != 2 || v.Bindings[0].Source.Name != "clicks" || v.Bindings[1].Source.Name != "visits" {
		t.Fatalf("bindings: %+v", v.Bindings)
	}
	if len(v.Bindings[0].Inputs) != 1 || len(v.Bindings[1].Inputs) != 1 {
		t.Errorf("%d and %d inputs: price and ( price ) are one", len(v.Bindings[0].Inputs), len(v.Bindings[1].Inputs))
	}
	for i, f := range v.Features {
		if want := []int{-1, 0, 0}[i]; f.Input != want {
			t.Errorf("feature %s reads input %d, want %d", f.Name, f.Input, want)
		}
	}
	if s := p.StreamSource("calls"); s.Key != 0 || s.EventID != 2 || s.Sequence != 3 || s.AllowedLateness != 10*featurestore.Minute || s.ApplyDelay != 2*featurestore.Second || s.Timestamp.Origin != definition.TimeHeader {
		t.Errorf("%+v", s)
	}
	if s := p.StreamSource("visits"); s.Timestamp.Origin != definition.TimeRecord || !s.Fields[1].PII || s.AllowedLateness != definition.DefaultLateness || s.Key != -1 {
		t.Errorf("%+v", s)
	}
}

func TestTestDocument(t *testing.T) {
	p := mustLoad(t, []definition.File{file(t, corpus+"/valid/test_documents.yaml")})
	c := p.Test("counts")
	want := []string{`{"at":"2013-01-01T00:00:00Z","user_id":"a","price":1.0,"paid":true}`, `{"at":"2013-01-01T01:00:00+01:00","user_id":"b","page":null}`}
	for i, raw := range c.Events[0].JSON {
		if string(raw) != want[i] || !json.Valid(raw) {
			t.Errorf("event %d: %s", i, raw)
		}
	}
	e := c.Expect[0]
	if e.At.String() != "2013-01-01T00:30:00Z" || e.Values[0].Value.Int64() != 1 || e.Values[0].Status != featurestore.StatusUnspecified ||
		!e.Values[1].Value.IsNull() || e.Values[1].Status != featurestore.Empty || e.Keys["user_id"].Str() != "a" {
		t.Errorf("%+v", e)
	}
	if f := p.Test("from_a_file").Events[0]; f.File != "events/clicks.jsonl" || f.JSON != nil {
		t.Errorf("%+v", f)
	}
}
