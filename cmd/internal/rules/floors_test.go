package rules

import (
	"slices"
	"strings"
	"testing"
)

// A floor holds packages that may be imported from above, never from below.
type floor struct {
	name     string
	packages []string
	// upTo is the highest floor that its packages may import.
	upTo string
	// rooms splits a floor: a package imports others of its own room only.
	// A floor without rooms is one room.
	rooms [][]string
	// pure floors do no I/O, read no clock, log nothing and start nothing.
	pure bool
}

const (
	vocabulary  = "vocabulary"
	computation = "pure computation"
	logic       = "feature logic"
	state       = "contracts of state"
	engines     = "engines"
	adapters    = "adapters"
	harnesses   = "harnesses"
	assembly    = "assembly"
)

// floors is the table of docs/architecture.md, lowest first.
func floors() []floor {
	return []floor{
		{name: vocabulary, upTo: vocabulary, pure: true, packages: []string{"featurestore"}},
		{name: computation, upTo: computation, pure: true, packages: []string{"transforms/..."}},
		{name: logic, upTo: logic, pure: true, packages: []string{
			"featurestore/codec", "featurestore/columnar", "featurestore/definition", "featurestore/frame", "featurestore/latest",
			"featurestore/ondemand", "featurestore/pit", "featurestore/plan", "featurestore/schema", "featurestore/skew",
		}},
		{name: state, upTo: state, packages: []string{
			"featurestore/online", "featurestore/registry", "featurestore/predictions", "ingest/logrecord",
			"featurestore/offline", "featurestore/offline/archive", "featurestore/offline/atomicfile", "featurestore/offline/columnfile", "featurestore/offline/files",
			"featurestore/offline/history", "featurestore/offline/runs", "featurestore/offline/warehouse",
		}},
		{name: engines, upTo: engines, packages: []string{
			"ingest/deadletter", "ingest/decode", "ingest/history", "ingest/materialize", "ingest/replay", "ingest/worker",
			"serving/...", "featurestore/dataset",
		}, rooms: [][]string{{"ingest/..."}, {"serving/..."}, {"featurestore/dataset"}}},
		// An adapter knows the contract that it fulfils and no engine.
		{name: adapters, upTo: state, packages: []string{
			"featurestore/online/embedded", "featurestore/online/redis", "featurestore/offline/duckdb", "featurestore/registry/sqlite",
			"ingest/kafka", "ingest/kafka/embedded", "ingest/schemaregistry",
		}},
		// Harnesses start real services, run suites and draw examples for tests.
		{name: harnesses, upTo: adapters, packages: []string{
			"featurestore/online/onlinetest", "featurestore/online/redis/redistest", "ingest/kafka/kafkatest",
			"featurestore/predictions/predictionstest",
		}},
		{name: assembly, upTo: adapters, packages: []string{"cmd/..."}, rooms: [][]string{{"cmd/..."}}},
	}
}

// exceptions are imports that production code has beside the table.
func exceptions() []exception {
	return []exception{
		{"cmd/freshet", []string{"featurestore/online/redis/redistest", "ingest/kafka/kafkatest"}, "demo-services starts the services that it runs against"},
		{"cmd/internal/bench", []string{"featurestore/online/redis/redistest", "ingest/kafka/kafkatest"}, "it measures against the real services"},
		{"cmd/internal/testneeds", []string{"featurestore/online/redis/redistest", "ingest/kafka/kafkatest"}, "it finds or installs them before the tests run"},
		{"cmd/internal/torture", []string{"featurestore/online/redis/redistest"}, "it breaks real servers that it starts"},
		{"cmd/internal/torture/plant", []string{"ingest/kafka/kafkatest"}, "it breaks a real broker that it starts"},
	}
}

// testExceptions are imports that tests have beside the table. Tests may use
// harnesses wherever they stand, and from the contracts of state on real stores and
// logs, in place of mocks.
func testExceptions() []exception {
	return []exception{
		{"transforms/conformance", []string{"featurestore/codec", "featurestore/definition"}, "the documents and keys of a vector are those that users write and stores hold"},
		{"transforms/oracle", []string{"featurestore/codec"}, "the oracle's state list is compared with the engine's bytes"},
		{"featurestore/offline/duckdb", []string{"featurestore/dataset", "ingest/materialize"}, "training sets and runs are made from real files, end to end"},
	}
}

type exception struct {
	pkg     string
	imports []string
	reason  string
}

func excepted(list []exception, pkg, imported string) bool {
	return slices.ContainsFunc(list, func(e exception) bool { return e.pkg == pkg && slices.Contains(e.imports, imported) })
}

// floorOf finds the floor of a package; -1 where it has none.
func floorOf(all []floor, pkg string) int {
	return slices.IndexFunc(all, func(f floor) bool { return underAny(pkg, f.packages) })
}

func numberOf(all []floor, name string) int {
	return slices.IndexFunc(all, func(f floor) bool { return f.name == name })
}

// sameRoom reports whether two packages of a floor may see each other.
func sameRoom(f floor, a, b string) bool {
	if f.name == adapters {
		return a == b // each adapter is alone
	}
	if f.rooms == nil {
		return true
	}
	return slices.ContainsFunc(f.rooms, func(room []string) bool { return underAny(a, room) && underAny(b, room) })
}

// allowed reports whether a package may import another one of ours.
func allowed(all []floor, from, to string) bool {
	f := all[floorOf(all, from)]
	at := floorOf(all, to)
	if all[at].name == f.name {
		return sameRoom(f, from, to)
	}
	return at <= numberOf(all, f.upTo)
}

func TestImportsGoDown(t *testing.T) {
	all := floors()
	for _, s := range sources(t) {
		if floorOf(all, s.pkg) < 0 {
			t.Errorf("%s: package %s has no floor: give it one in floors() and in docs/architecture.md", s.name, s.pkg)
			continue
		}
		for _, path := range s.imports() {
			to, ours := strings.CutPrefix(path, module+"/")
			if !ours || to == s.pkg {
				continue
			}
			if floorOf(all, to) < 0 {
				t.Errorf("%s imports %s, which has no floor", s.name, to)
				continue
			}
			if allowed(all, s.pkg, to) || excepted(exceptions(), s.pkg, to) || s.test && allowedInTest(all, s.pkg, to) {
				continue
			}
			t.Errorf("%s: %q (%s) may not import %q (%s)", s.name, s.pkg, all[floorOf(all, s.pkg)].name, to, all[floorOf(all, to)].name)
		}
	}
}

func allowedInTest(all []floor, pkg, to string) bool {
	if excepted(testExceptions(), pkg, to) {
		return true
	}
	switch all[floorOf(all, to)].name {
	case harnesses:
		return true
	case adapters:
		return floorOf(all, pkg) >= numberOf(all, state)
	}
	return false
}

// TestExceptionsAreUsed keeps the lists of exceptions short.
func TestExceptionsAreUsed(t *testing.T) {
	used := map[[2]string]bool{}
	for _, s := range sources(t) {
		for _, path := range s.imports() {
			used[[2]string{s.pkg, strings.TrimPrefix(path, module+"/")}] = true
		}
	}
	for _, e := range slices.Concat(exceptions(), testExceptions()) {
		if e.reason == "" {
			t.Errorf("the exception of %s has no reason", e.pkg)
		}
		for _, imported := range e.imports {
			if !used[[2]string{e.pkg, imported}] {
				t.Errorf("%s does not import %s: remove the exception", e.pkg, imported)
			}
		}
	}
}

// TestOracleIsIndependent: the oracle exists to disagree with the engine, so it
// may share its plain data types and nothing that computes.
func TestOracleIsIndependent(t *testing.T) {
	allow := []string{module + "/featurestore", module + "/transforms/window"}
	for _, s := range sources(t) {
		if s.pkg != "transforms/oracle" || s.test {
			continue
		}
		for _, path := range s.imports() {
			if strings.HasPrefix(path, module) && !slices.Contains(allow, path) {
				t.Errorf("%s imports %s: the oracle computes by itself", s.name, path)
			}
		}
	}
}

// TestPureFloors: what computes gets instants and bytes as arguments.
func TestPureFloors(t *testing.T) {
	all := floors()
	effects := []string{"os/...", "net/...", "log/...", "syscall/...", "database/...", "io/ioutil", "math/rand/...", "crypto/rand"}
	for _, s := range sources(t) {
		at := floorOf(all, s.pkg)
		if s.test || at < 0 || !all[at].pure {
			continue
		}
		for _, path := range s.imports() {
			if underAny(path, effects) {
				t.Errorf("%s imports %s: %s is %s, which takes what it needs as arguments", s.name, path, s.pkg, all[at].name)
			}
		}
		for _, where := range goStatements(s) {
			t.Errorf("%s: %s is %s and starts no goroutine", where, s.pkg, all[at].name)
		}
	}
}
