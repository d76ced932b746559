package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
)

func example() *Manifest {
	p := offline.Partition{Generation: 1, Partition: 2}
	m := &Manifest{Version: 1, Source: "clicks"}
	m.AddComplete(p, offline.Range{From: 0, To: 10})
	m.AddComplete(offline.Partition{}, offline.Range{From: 3, To: 4})
	for _, r := range []offline.Range{{From: 5, To: 9}, {From: 0, To: 5}} {
		m.AddFile(File{
			Path: FileName(p, Date(0).String(), r), Generation: 1, Partition: 2, From: r.From, To: r.To,
			Rows: 2, MaxLogTime: 5, Bytes: 100, XXH3: "0123456789abcdef",
		})
	}
	return m
}

func store(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(Folder(dir, "clicks"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(Folder(dir, "clicks"), sharedManifest), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestManifestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	if m, err := Load(dir, "clicks"); err != nil || len(m.Files) != 0 || m.Source != "clicks" {
		t.Fatalf("no manifest: %+v, %v", m, err)
	}
	m := example()
	for i := range m.Complete {
		if err := m.Clone().Store(&atomicfile.Disk{}, dir, m.Complete[i].Key()); err != nil {
			t.Fatal(err)
		}
	}
	loaded, err := Load(dir, "clicks")
	if err != nil || !reflect.DeepEqual(loaded, m) {
		t.Fatalf("loaded %+v, %v", loaded, err)
	}
	if m.Files[0].From != 0 || m.Complete[0].Generation != 0 {
		t.Errorf("order: %+v", m)
	}
}

// Each damage is an error that says what is wrong, and never an empty archive.
func TestDamagedManifest(t *testing.T) {
	whole, err := json.MarshalIndent(example(), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	text := string(whole)
	for name, c := range map[string]struct{ text, want string }{
		"empty":          {"", "EOF"},
		"cut":            {text[:len(text)/2], "unexpected EOF"},
		"two":            {text + text, "text after its end"},
		"version":        {strings.Replace(text, `"version": 1`, `"version": 5`, 1), "version 5"},
		"other source":   {strings.Replace(text, "clicks", "views", 1), `source "views"`},
		"unknown member": {strings.Replace(text, `"bytes"`, `"octets"`, 1), "octets"},
		"outside path":   {strings.Replace(text, "gen=1/", "../gen=1/", 1), "should have the path"},
		"other range":    {strings.Replace(text, `"to": 10`, `"to": 8`, 1), "lies in no complete range"},
		"empty range":    {strings.Replace(text, `"to": 10`, `"to": 0`, 1), "out of order"},
		"negative":       {strings.Replace(text, `"from": 3`, `"from": -3`, 1), "out of order"},
		"edition":        {strings.Replace(strings.Replace(text, "p2-0-5", "p2-0-5-e1", 1), `"xxh3"`, `"edition": 1, "xxh3"`, 1), "version 1 knows no edition 1"},
		"no edition":     {strings.Replace(text, "p2-0-5", "p2-0-5-e1", 1), "should have the path"},
		"too many rows":  {strings.Replace(text, `"rows": 2`, `"rows": 20`, 1), "20 rows do not fit"},
		"null":           {"null", "version 0"},
	} {
		if _, err := Load(store(t, c.text), "clicks"); !errors.Is(err, featurestore.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// Ranges are a set of offsets: adding in any order gives the least number of
// ranges that hold it.
func TestAddComplete(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m Manifest
		in := make([]bool, 41)
		p := offline.Partition{Generation: 1}
		for range rapid.IntRange(0, 12).Draw(t, "n") {
			from := rapid.Int64Range(0, 40).Draw(t, "from")
			to := rapid.Int64Range(from, 40).Draw(t, "to")
			m.AddComplete(p, offline.Range{From: from, To: to})
			for o := from; o < to; o++ {
				in[o] = true
			}
		}
		var want []offline.Range
		for o := range int64(40) {
			if in[o] && (o == 0 || !in[o-1]) {
				want = append(want, offline.Range{From: o})
			}
			if in[o] && !in[o+1] {
				want[len(want)-1].To = o + 1
			}
		}
		if got := m.Ranges(p); !slices.Equal(got, want) {
			t.Fatalf("ranges %v, want %v", got, want)
		}
	})
}

func TestNames(t *testing.T) {
	for at, want := range map[string]string{
		"2013-12-31T23:59:59.999999Z": "gen=3/date=2013-12-31/p7-10-20.parquet",
		"2014-01-01T00:00:00Z":        "gen=3/date=2014-01-01/p7-10-20.parquet",
		"1969-12-31T23:59:59Z":        "gen=3/date=1969-12-31/p7-10-20.parquet",
	} {
		a, err := featurestore.ParseInstant(at)
		if err != nil {
			t.Fatal(err)
		}
		got := FileName(offline.Partition{Generation: 3, Partition: 7}, DateOf(featurestore.LogTime(a)).String(), offline.Range{From: 10, To: 20})
		if got != want {
			t.Errorf("%s: %q, want %q", at, got, want)
		}
	}
}

const goldenSchema = `message event {
	required int64 _event_time (TIMESTAMP(isAdjustedToUTC=true,unit=MICROS));
	required int64 _log_time (TIMESTAMP(isAdjustedToUTC=true,unit=MICROS));
	required int32 _partition (INT(32,true));
	required int64 _offset (INT(64,true));
	required boolean _late;
	optional int64 z (INT(64,true));
	optional boolean b;
	optional double d;
	optional binary s (STRING);
	optional binary y;
	optional int64 t (TIMESTAMP(isAdjustedToUTC=true,unit=MICROS));
	optional int64 m (DECIMAL(10,2));
}`

func TestSchema(t *testing.T) {
	schema, err := Schema(&definition.StreamSource{Fields: []definition.Field{
		{Name: "z", Type: featurestore.Int64}, {Name: "b", Type: featurestore.Bool}, {Name: "d", Type: featurestore.Double},
		{Name: "s", Type: featurestore.String}, {Name: "y", Type: featurestore.Bytes}, {Name: "t", Type: featurestore.Timestamp},
		{Name: "m", Type: featurestore.Decimal(10, 2)},
	}})
	if err != nil || fmt.Sprint(schema) != goldenSchema {
		t.Errorf("schema\n%s\n%v, want\n%s", schema, err, goldenSchema)
	}
	if _, err := Schema(&definition.StreamSource{Fields: []definition.Field{{Name: "l", Type: featurestore.Type{Kind: featurestore.KindStruct}}}}); !errors.Is(err, featurestore.ErrInvalid) {
		t.Errorf("a struct: %v", err)
	}
}

// TestParseName: exactly the paths of FileName are told.
func TestParseName(t *testing.T) {
	p, r := offline.Partition{Generation: 3, Partition: 12}, offline.Range{From: 5, To: 900}
	for _, period := range []string{"2013-01-01", "2013-01"} {
		name := FileName(p, period, r)
		if got, offsets, ok := ParseName(name); !ok || got != p || offsets != r || name != "gen=3/date="+period+"/p12-5-900.parquet" {
			t.Errorf("%q: %+v, %+v, %t", name, got, offsets, ok)
		}
		edition := EditionName(p, period, r, 2)
		if got, offsets, ok := ParseName(edition); !ok || got != p || offsets != r || edition != "gen=3/date="+period+"/p12-5-900-e2.parquet" {
			t.Errorf("%q: %+v, %+v, %t", edition, got, offsets, ok)
		}
		for _, other := range []string{"", name + ".away", "gen=3/date=2013-01-01/p12-5-900-e0.parquet", "gen=3/date=2013-01-01/p12-5-900-e02.parquet", "gen=3/date=2013-01-01/p12-5-900-e.parquet", "gen=3/date=2013-01-01/p12-5-900-e1-e2.parquet", "x" + name, "gen=3/date=2013-01-01/p12-5.parquet", "gen=03/date=2013-01-01/p12-5-900.parquet", "manifest-1-2.json"} {
			if got, _, ok := ParseName(other); ok {
				t.Errorf("%q is taken for a file of %+v", other, got)
			}
		}
	}
}
