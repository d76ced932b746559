package kafkatest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// StartForTest starts a broker that ends with the test. Where Java or Maven is
// missing the test fails with what to install: real parts are not optional.
func StartForTest(t testing.TB) *Broker {
	t.Helper()
	return StartSecureForTest(t, nil)
}

// StartSecureForTest is StartForTest with a secure listener beside the plain one.
func StartSecureForTest(t testing.TB, secure *Secure) *Broker {
	t.Helper()
	cache, err := CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	b, err := Start(t.Context(), Config{Dir: t.TempDir(), Cache: cache, Secure: secure})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Stop(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// CacheDir is where the jars are kept: FRESHET_CACHE, or .cache at the root of
// the module that the working directory is in.
func CacheDir() (string, error) {
	if dir := os.Getenv("FRESHET_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, ".cache"), nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("kafkatest: no go.mod above the working directory: set FRESHET_CACHE to a folder for kafka's jars")
		}
		dir = parent
	}
}
