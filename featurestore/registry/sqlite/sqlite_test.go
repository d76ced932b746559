package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/featurestore/registry/sqlite"
)

func open(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(context.Background(), path, 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func revision(text string) registry.Revision {
	return registry.Revision{Commit: "c1", Author: "a", Applied: 7, Files: []definition.File{{Path: "x.yaml", Data: []byte(text)}}}
}

func hash(b byte) codec.Hash { return codec.Hash{b} }

func TestRevisionsAreKeptWhole(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "a b", "registry.db")
	s := open(t, path)
	if r, err := s.Current(ctx); err != nil || r != nil {
		t.Fatalf("an empty registry has revision %v, %v", r, err)
	}
	if _, err := s.Apply(ctx, 0, revision("one"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(ctx, 1, revision("two"), nil); err != nil {
		t.Fatal(err)
	}
	r, err := open(t, path).Current(ctx)
	if err != nil || r.Number != 2 || string(r.Files[0].Data) != "two" || r.Commit != "c1" || r.Applied != 7 {
		t.Fatalf("after reopening: %+v, %v", r, err)
	}
	if _, err := s.Revision(ctx, 9); !errors.Is(err, featurestore.ErrNotFound) {
		t.Fatalf("revision 9: %v", err)
	}
}

func TestOneOfManyAppliesWins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registry.db")
	open(t, path)
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		s := open(t, path)
		wg.Go(func() { _, errs[i] = s.Apply(context.Background(), 0, revision("x"), nil) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, registry.ErrLostRace):
			t.Errorf("a loser got %v", err)
		}
	}
	if won != 1 {
		t.Fatalf("%d won", won)
	}
}

func TestAGenerationsLife(t *testing.T) {
	ctx := context.Background()
	s := open(t, filepath.Join(t.TempDir(), "registry.db"))
	apply := func(base int64, targets ...registry.Target) {
		t.Helper()
		if _, err := s.Apply(ctx, base, revision("x"), targets); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want ...registry.GenerationState) []registry.Generation {
		t.Helper()
		got, err := s.Generations(ctx)
		if err != nil || len(got) != len(want) {
			t.Fatalf("generations %+v, %v; want %v", got, err, want)
		}
		for i := range want {
			if got[i].State != want[i] {
				t.Fatalf("generations %+v; want %v", got, want)
			}
		}
		return got
	}
	apply(0, registry.Target{View: "v", Hash: hash(1)})
	expect(registry.Live)
	apply(1, registry.Target{View: "v", Hash: hash(1)}) // same meaning: nothing new
	expect(registry.Live)
	apply(2, registry.Target{View: "v", Hash: hash(2)})
	expect(registry.Live, registry.Building)
	apply(3, registry.Target{View: "v", Hash: hash(3)}) // changed again before it was built
	got := expect(registry.Live, registry.Building)
	if got[1].Number != 3 || got[1].Hash != hash(3) || got[1].Revision != 4 {
		t.Fatalf("building: %+v", got[1])
	}
	if err := s.SetState(ctx, registry.Step{View: "v", Number: 3, State: registry.Live, Reason: "caught up"}); err != nil {
		t.Fatal(err)
	}
	if got := expect(registry.Live); got[0].Number != 3 || got[0].Reason != "caught up" {
		t.Fatalf("live: %+v", got)
	}
	if err := s.SetState(ctx, registry.Step{View: "v", Number: 9, State: registry.Live}); !errors.Is(err, featurestore.ErrNotFound) {
		t.Fatalf("an unknown generation: %v", err)
	}
	expect(registry.Live) // the failed flip changed nothing
	apply(4)
	expect()
}

// firstSchema is the schema of version 1, as it was released.
const firstSchema = `
CREATE TABLE revisions (
  number INTEGER PRIMARY KEY, commit_id TEXT NOT NULL, author TEXT NOT NULL, message TEXT NOT NULL,
  applied_us INTEGER NOT NULL, files TEXT NOT NULL
) STRICT;
CREATE TABLE generations (
  view TEXT NOT NULL, number INTEGER NOT NULL, hash TEXT NOT NULL, state TEXT NOT NULL,
  revision INTEGER NOT NULL, lanes INTEGER NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (view, number)
) STRICT;
CREATE UNIQUE INDEX one_live ON generations (view) WHERE state = 'LIVE';
INSERT INTO revisions VALUES (1, 'c', 'a', '', 5, '[]'), (2, 'd', 'a', '', 6, '[]');
INSERT INTO generations VALUES ('v', 1, '01000000000000000000000000000000', 'LIVE', 1, 64, 'the first generation');
PRAGMA user_version = 1;`

func TestARegistryOfVersion1IsMigrated(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "registry.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(ctx, firstSchema); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	list, err := s.Generations(ctx)
	if err != nil || len(list) != 1 || list[0].View != "v" || list[0].State != registry.Live || list[0].Hash != hash(1) {
		t.Fatalf("generations %+v, %v", list, err)
	}
	before, err := s.Changes(ctx)
	if err != nil || before != 2 {
		t.Fatalf("changes %d, %v", before, err)
	}
	if _, err := s.Apply(ctx, 2, revision("three"), []registry.Target{{View: "v", Hash: hash(2)}}); err != nil {
		t.Fatal(err)
	}
	if after, err := open(t, path).Changes(ctx); err != nil || after <= before {
		t.Fatalf("changes %d after %d, %v", after, before, err)
	}
}
