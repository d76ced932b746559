package schemaregistry

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/logrecord"
)

const order = `{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}`

type fixture struct {
	*Registry
	fake  *srfake.Registry
	calls atomic.Int64
	down  atomic.Bool
	now   atomic.Int64
}

func open(t *testing.T, c Config) *fixture {
	t.Helper()
	f := &fixture{fake: srfake.New()}
	t.Cleanup(f.fake.Close)
	f.fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		f.calls.Add(1)
		if f.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return f.down.Load()
	})
	c.URLs = []string{f.fake.URL()}
	c.Clock = func() featurestore.Instant { return featurestore.Instant(f.now.Load()) }
	var err error
	if f.Registry, err = Open(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() }) // it cannot fail
	return f
}

func (f *fixture) register(t *testing.T, subject string, s sr.Schema) logrecord.SchemaID {
	t.Helper()
	id, _, err := f.fake.RegisterSchema(subject, s)
	if err != nil {
		t.Fatal(err)
	}
	return logrecord.SchemaID{Number: uint32(id)}
}

func TestSchemaIsKept(t *testing.T) {
	f := open(t, Config{})
	id := f.register(t, "orders-value", sr.Schema{Schema: order})
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if s, err := f.Schema(id); err != nil || s.Text != order || s.Kind != logrecord.AvroSchema {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
	group.Wait()
	f.down.Store(true)
	if _, err := f.Schema(id); err != nil || f.calls.Load() != 1 {
		t.Errorf("%d calls, %v: a schema never changes", f.calls.Load(), err)
	}
}

func TestSchemaWithReferences(t *testing.T) {
	f := open(t, Config{})
	f.register(t, "a", sr.Schema{Type: sr.TypeProtobuf, Schema: `syntax = "proto3"; message A { int64 n = 1; }`})
	f.register(t, "b", sr.Schema{Type: sr.TypeProtobuf, Schema: `syntax = "proto3"; import "a.proto"; message B { A a = 1; }`, References: []sr.SchemaReference{{Name: "a.proto", Subject: "a", Version: 1}}})
	id := f.register(t, "c", sr.Schema{Type: sr.TypeProtobuf, Schema: `syntax = "proto3"; import "b.proto"; import "a.proto"; message C { B b = 1; A a = 2; }`,
		References: []sr.SchemaReference{{Name: "b.proto", Subject: "b", Version: 1}, {Name: "a.proto", Subject: "a", Version: 1}}})
	s, err := f.Schema(id)
	if err != nil || s.Kind != logrecord.ProtobufSchema || len(s.References) != 2 || s.References[0].Name != "a.proto" || s.References[1].Name != "b.proto" {
		t.Errorf("%+v, %v: each reference after those that it uses", s, err)
	}
}

// TestUnknownAndUnreachable: that there is none is an answer, no answer is not.
func TestUnknownAndUnreachable(t *testing.T) {
	f := open(t, Config{RetryMiss: time.Second})
	unknown := logrecord.SchemaID{Number: 77}
	for range 3 {
		if _, err := f.Schema(unknown); !errors.Is(err, featurestore.ErrNotFound) {
			t.Errorf("unknown: %v", err)
		}
	}
	if f.calls.Load() != 1 {
		t.Errorf("%d calls for an id that is not there", f.calls.Load())
	}
	f.now.Store(1_000_001)
	if _, err := f.Schema(unknown); !errors.Is(err, featurestore.ErrNotFound) || f.calls.Load() != 2 {
		t.Errorf("after a while: %v, %d calls", err, f.calls.Load())
	}
	f.down.Store(true)
	if _, err := f.Schema(logrecord.SchemaID{Number: 78}); !errors.Is(err, featurestore.ErrUnavailable) {
		t.Errorf("not reachable: %v", err)
	}
	f.down.Store(false)
	if _, err := f.Schema(logrecord.SchemaID{Number: 78}); !errors.Is(err, featurestore.ErrNotFound) {
		t.Errorf("an error is not kept: %v", err)
	}
	f.fake.Close()
	if _, err := f.Schema(logrecord.SchemaID{Number: 79}); !errors.Is(err, featurestore.ErrUnavailable) {
		t.Errorf("gone: %v", err)
	}
}

func TestNoRegistryAtTheAddress(t *testing.T) {
	f := open(t, Config{})
	f.fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "no such page", http.StatusNotFound)
		return true
	})
	if _, err := f.Schema(logrecord.SchemaID{Number: 1}); !errors.Is(err, featurestore.ErrUnavailable) {
		t.Errorf("a server that is no registry: %v", err)
	}
}

func TestBounds(t *testing.T) {
	f := open(t, Config{MaxKept: 2})
	for i := range 6 {
		id := f.register(t, "s", sr.Schema{Schema: strings.Replace(order, "Order", "Order"+string(rune('A'+i)), 1)})
		if _, err := f.Schema(id); err != nil {
			t.Fatal(err)
		}
		if len(f.kept) > 2 {
			t.Errorf("%d schemas are kept", len(f.kept))
		}
	}
	f.fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"schema":"`))
		for range 5 << 10 {
			if _, err := w.Write([]byte(strings.Repeat("x", 1024))); err != nil {
				break
			}
		}
		return true
	})
	if _, err := f.Schema(logrecord.SchemaID{Number: 9999}); !errors.Is(err, featurestore.ErrUnavailable) || !strings.Contains(err.Error(), "longer") {
		t.Errorf("an endless answer: %v", err)
	}
}
