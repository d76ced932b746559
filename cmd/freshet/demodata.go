package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/parquet-go/parquet-go"

	"github.com/freshet/freshet/featurestore"
)

// demoMarker tells a folder that a demo made from one that it must not touch.
const demoMarker = ".freshet-demo"

// exampleDir finds testdata/nycflights at or above the working directory.
func exampleDir() (string, error) {
	at, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		dir := filepath.Join(at, "testdata", "nycflights")
		if _, err := os.Stat(filepath.Join(dir, "freshet.yaml")); err == nil {
			return dir, nil
		}
		if at == filepath.Dir(at) {
			return "", featurestore.NotFoundf("the example data is not here: run the demo in a checkout of the repository (it needs testdata/nycflights)")
		}
		at = filepath.Dir(at)
	}
}

// freshDemo makes the demo's folder anew with a copy of the example in it.
func freshDemo(dir string) error {
	example, err := exampleDir()
	if err != nil {
		return err
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(dir, demoMarker)); err != nil {
			return featurestore.Invalidf("%s is not empty and no demo made it: name another folder with --dir", dir)
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, demoMarker), []byte("made by freshet demo; it is removed and made again by the next one\n"), 0o644); err != nil {
		return err
	}
	for _, name := range []string{"freshet.yaml", "definitions", "data"} {
		if err := copyTree(filepath.Join(example, name), filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("copy the example: %w", err)
		}
	}
	return nil
}

func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		return copyFile(path, target)
	})
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = first(err, in.Close()) }()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = first(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}

// flight is one row of the example's labels: a flight at its scheduled instant.
type flight struct {
	At       int64   `parquet:"event_timestamp"`
	Origin   string  `parquet:"origin,optional"`
	Dest     string  `parquet:"dest,optional"`
	Carrier  string  `parquet:"carrier,optional"`
	Tailnum  *string `parquet:"tailnum,optional"`
	Hour     int64   `parquet:"scheduled_hour,optional"`
	Distance float64 `parquet:"distance,optional"`
	Row      int     `parquet:"-"` // in the file, and so in the training set
}

// flights reads the example's spine and takes n rows spread over the year, in
// order of time.
func flights(dir string, n int) ([]flight, error) {
	all, err := parquet.ReadFile[flight](filepath.Join(dir, "data", "labels.parquet"))
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i].Row = i
	}
	slices.SortStableFunc(all, func(a, b flight) int { return cmp.Compare(a.At, b.At) })
	step := max(1, len(all)/n)
	var out []flight
	for i := step / 2; i < len(all) && len(out) < n; i += step {
		out = append(out, all[i])
	}
	return out, nil
}
