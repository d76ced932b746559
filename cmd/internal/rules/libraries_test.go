package rules

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A library is a module that we import, with the packages that may know it: to
// replace one, these are the folders to open.
type library struct {
	module string
	homes  []string
}

func libraries() []library {
	anywhere := []string{"..."}
	return []library{
		{"cel.dev/cel-go", []string{"transforms/expr"}},
		{"github.com/apache/arrow-go/v18", []string{"featurestore/offline/duckdb"}},
		{"github.com/bufbuild/protocompile", []string{"featurestore/schema"}},
		{"github.com/cockroachdb/pebble/v2", []string{"featurestore/online/embedded"}},
		{"github.com/duckdb/duckdb-go/v2", []string{"featurestore/offline/duckdb"}},
		{"github.com/parquet-go/parquet-go", []string{"featurestore/offline/...", "featurestore/predictions", "ingest/history", "ingest/materialize", "serving/predlog", "cmd/freshet", "cmd/internal/torture/atrest"}}, // cmd/freshet counts rows for the demo's summary; the torture run reads archives by other code than ours
		{"github.com/prometheus/client_golang", []string{"cmd/internal/telemetry"}},
		{"github.com/redis/go-redis/v9", []string{"featurestore/online/redis/...", "cmd/internal/bench", "cmd/internal/torture/..."}}, // the opponents, and the naive protocol of the torture run, lay their keys out in their own ways
		{"github.com/segmentio/kafka-go", []string{"ingest/kafka", "cmd/internal/torture/plant"}},                                     // the torture run deletes topics and ends transactions, as no part of ours does
		{"github.com/spf13/cobra", []string{"cmd/..."}},
		{"github.com/twmb/avro", []string{"featurestore/schema"}},
		{"github.com/twmb/franz-go/pkg/kfake", []string{"ingest/kafka/embedded"}},
		{"github.com/twmb/franz-go/pkg/sr", []string{"ingest/schemaregistry"}},
		{"github.com/valyala/fastjson", []string{"featurestore/offline/files", "featurestore/predictions", "ingest/decode", "serving/rpc", "cmd/..."}},
		{"github.com/zeebo/xxh3", anywhere}, // a hash is part of several formats
		{"go.yaml.in/yaml/v3", []string{"featurestore/definition", "cmd/..."}},
		{"go.opentelemetry.io/otel", []string{"cmd/internal/telemetry"}},
		{"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc", []string{"cmd/internal/telemetry"}},
		{"go.opentelemetry.io/otel/sdk", []string{"cmd/internal/telemetry"}},
		{"go.opentelemetry.io/otel/trace", []string{"cmd/internal/telemetry"}},
		{"golang.org/x/sync", []string{"ingest/...", "serving/...", "cmd/..."}},
		{"google.golang.org/genproto/googleapis/rpc", []string{"serving/rpc"}},
		{"google.golang.org/grpc", []string{"serving/api/...", "serving/rpc", "cmd/..."}},
		{"google.golang.org/protobuf", []string{"featurestore/schema", "ingest/decode", "serving/api/...", "serving/rpc", "cmd/..."}},
		{"modernc.org/sqlite", []string{"featurestore/registry/sqlite"}},
		// Libraries of tests have no home in what runs, their harnesses apart.
		{"github.com/rogpeppe/go-internal", nil},
		{"go.opentelemetry.io/proto/otlp", nil},
		{"go.uber.org/goleak", nil},
		{"pgregory.net/rapid", []string{"featurestore/online/onlinetest", "featurestore/predictions/predictionstest"}},
	}
}

// libraryOf finds the library of an import path: the longest module that holds it.
func libraryOf(path string) *library {
	var found *library
	for _, l := range libraries() {
		if under(path, l.module+"/...") && (found == nil || len(l.module) > len(found.module)) {
			found = &l
		}
	}
	return found
}

func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// TestLibrariesStayHome: each library is wrapped by the packages that own it.
func TestLibrariesStayHome(t *testing.T) {
	used := map[string]bool{}
	for _, s := range sources(t) {
		for _, path := range s.imports() {
			if isStandard(path) || under(path, module+"/...") {
				continue
			}
			l := libraryOf(path)
			if l == nil {
				t.Errorf("%s imports %s: give it a home in libraries() and a line in docs/dependencies.md", s.name, path)
				continue
			}
			used[l.module] = true
			if !s.test && !underAny(s.pkg, l.homes) && !slices.Contains(l.homes, "...") {
				t.Errorf("%s imports %s, whose home is %s", s.name, path, strings.Join(l.homes, ", "))
			}
		}
	}
	for _, l := range libraries() {
		if !used[l.module] {
			t.Errorf("nothing imports %s: remove it from libraries(), docs/dependencies.md and go.mod", l.module)
		}
	}
}

// TestLibrariesAreDocumented: a line a library in docs/dependencies.md, and none more.
func TestLibrariesAreDocumented(t *testing.T) {
	page, _ := text(t, "docs/dependencies.md")
	rows := regexp.MustCompile("(?m)^\\| `([^` ]+)`").FindAllStringSubmatch(page, -1)
	var documented []string
	for _, row := range rows {
		documented = append(documented, row[1])
	}
	for _, l := range libraries() {
		if !slices.Contains(documented, l.module) {
			t.Errorf("docs/dependencies.md has no line for %s", l.module)
		}
	}
	tools := regexp.MustCompile(`(?m)^(?:tool |\t)(\S+)$`)
	for _, d := range documented {
		if slices.ContainsFunc(libraries(), func(l library) bool { return l.module == d }) {
			continue
		}
		if !slices.ContainsFunc([]string{"gen", "lint", "proto"}, func(name string) bool {
			mod, _ := text(t, ".tools/"+name+"/go.mod")
			return slices.ContainsFunc(tools.FindAllStringSubmatch(mod, -1), func(m []string) bool { return m[1] == d })
		}) {
			t.Errorf("docs/dependencies.md has a line for %s, which is neither a library of ours nor a tool", d)
		}
	}
}

// TestWithoutCgo: the server and the ingester build without a C compiler.
func TestWithoutCgo(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{.ImportPath}} {{len .CgoFiles}}", "./cmd/freshetd")
	cmd.Dir = root(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		path, cgo, _ := strings.Cut(strings.TrimSpace(line), " ")
		if cgo != "0" || strings.Contains(path, "duckdb") {
			t.Errorf("cmd/freshetd reaches %s (%s cgo files)", path, cgo)
		}
	}
}
