package kafkatest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
)

// TestWhatIsMissing: without Java, with an old one and without Maven, the error
// says what to install.
func TestWhatIsMissing(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	expect := func(says string) {
		t.Helper()
		_, err := Start(t.Context(), Config{Dir: t.TempDir(), Cache: t.TempDir()})
		if !errors.Is(err, featurestore.ErrUnavailable) || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want %q", err, says)
		}
	}
	script := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	expect("java is missing")
	script("java", `echo 'openjdk version "11.0.2" 2019-01-15' >&2`)
	expect("is Java 11")
	script("java", `echo 'openjdk version "21.0.2" 2024-01-16' >&2`)
	expect("Maven is missing")
	script("mvn", `echo 'no route to the repository'; exit 1`)
	expect("no route to the repository")
}
