package onlinetest

import (
	"bytes"
	"maps"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// testNotes: notes of a project stand by name and field, whatever bytes these are, and
// nothing that is done to generations touches them.
func testNotes(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 2)
	note := func(project, name, field, value string) {
		t.Helper()
		if err := s.SetNotes(f.ctx, project, name, map[string][]byte{field: []byte(value)}); err != nil {
			t.Fatalf("noting: %v", err)
		}
	}
	want := func(project, name string, fields map[string]string) {
		t.Helper()
		got, err := s.Notes(f.ctx, project, name)
		if err != nil {
			t.Fatalf("reading notes: %v", err)
		}
		expected := map[string][]byte{}
		for field, value := range fields {
			expected[field] = []byte(value)
		}
		if !maps.EqualFunc(got, expected, bytes.Equal) {
			t.Fatalf("notes %s of %s are %q, want %q", name, project, got, expected)
		}
	}
	want("p", "a", nil)
	note("p", "a", "one", "1")
	note("p", "a", "two|1|0", "2\x00\xff\r\n")
	note("p", "a", "two", "3")
	if err := s.SetNotes(f.ctx, "p", "a", map[string][]byte{"one": []byte("4"), "gone": nil}); err != nil {
		t.Fatalf("noting: %v", err)
	}
	if err := s.SetNotes(f.ctx, "p", "a", nil); err != nil {
		t.Fatalf("noting nothing: %v", err)
	}
	note("p", "ab", "one", "5")
	note("pa", "a", "one", "6")
	all := map[string]string{"one": "4", "two": "3", "two|1|0": "2\x00\xff\r\n"}
	want("p", "a", all)
	want("p", "ab", map[string]string{"one": "5"})
	want("pa", "a", map[string]string{"one": "6"})
	want("p", "b", nil)
	if err := s.Drop(f.ctx, f.g, f.meta.Lanes); err != nil {
		t.Fatalf("dropping: %v", err)
	}
	want("p", "a", all)
	note("p", "a", "two", "")
	note("p", "a", "three", "")
	delete(all, "two")
	want("p", "a", all)
	for _, bad := range [][2]string{{"p.q", "a"}, {"", "a"}, {"p", "a}"}, {"p", ""}} {
		_, err := s.Notes(f.ctx, bad[0], bad[1])
		f.wantKind(err, featurestore.ErrInvalid)
		f.wantKind(s.SetNotes(f.ctx, bad[0], bad[1], map[string][]byte{"one": []byte("1")}), featurestore.ErrInvalid)
	}
	if err := s.Close(); err != nil {
		t.Fatalf("closing: %v", err)
	}
	_, err := s.Notes(f.ctx, "p", "a")
	f.wantKind(err, featurestore.ErrUnavailable)
	f.wantKind(s.SetNotes(f.ctx, "p", "a", map[string][]byte{"one": []byte("1")}), featurestore.ErrUnavailable)
}
