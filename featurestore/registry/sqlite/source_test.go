package sqlite_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/freshet/freshet/featurestore/registry"
)

// A log is accepted after the one that was looked at, by the first who does; who
// polls sees it, and it is there after reopening.
func TestLogsAreAcceptedInOrder(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "registry.db")
	s := open(t, path)
	before, err := s.Changes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{"clicks", "orders", "clicks"} {
		logs, err := s.Sources(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.AcceptTopic(ctx, source, registry.Newest(logs, source), "made anew", 7); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.AcceptTopic(ctx, "clicks", 2, "too late", 8); !errors.Is(err, registry.ErrLostRace) {
		t.Errorf("a second acceptance of one log: %v", err)
	}
	logs, err := open(t, path).Sources(ctx)
	want := []registry.SourceLog{
		{Source: "clicks", Generation: 2, Accepted: 7, Reason: "made anew"},
		{Source: "clicks", Generation: 3, Accepted: 7, Reason: "made anew"},
		{Source: "orders", Generation: 2, Accepted: 7, Reason: "made anew"},
	}
	if err != nil || len(logs) != 3 || logs[0] != want[0] || logs[1] != want[1] || logs[2] != want[2] {
		t.Errorf("%+v, %v", logs, err)
	}
	if n := registry.Newest(logs, "clicks"); n != 3 {
		t.Errorf("the newest log of clicks is %d", n)
	}
	if n := registry.Newest(logs, "others"); n != registry.FirstLog {
		t.Errorf("the newest log of a source that is not listed is %d", n)
	}
	after, err := s.Changes(ctx)
	if err != nil || after != before+3 {
		t.Errorf("changes went from %d to %d, %v", before, after, err)
	}
}
