package main

import (
	"os"
	"path/filepath"
	"testing"
)

// An editor may take a file away before it writes it anew: that is news once, as
// every other change is.
func TestSavedIsNewsOnce(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, "a.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	s := newSaved(root)
	for i, change := range []func(){func() { write("two") }, func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}, func() { write("two") }} {
		if s.changed() {
			t.Errorf("news before change %d", i)
		}
		change()
		if !s.changed() {
			t.Errorf("change %d is no news", i)
		}
	}
}
