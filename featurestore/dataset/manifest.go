package dataset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/files"
	"github.com/freshet/freshet/featurestore/pit"
)

const (
	manifestName    = "manifest.json"
	manifestVersion = 1
)

// Manifest says what a training set is and what it was made of. Paths are
// relative: inputs to the definitions or the offline store, data to its folder.
type Manifest struct {
	Version    int           `json:"version"`
	Freshet    string        `json:"freshet"`
	Service    Definition    `json:"service"`
	Revision   int64         `json:"revision"`
	Views      []Definition  `json:"views"`
	Mode       string        `json:"mode"`
	Delay      string        `json:"delay,omitempty"`
	SpineZone  string        `json:"spine_zone,omitempty"`
	With       []string      `json:"with,omitempty"`
	Format     string        `json:"format"`
	Rows       int64         `json:"rows"`
	Incomplete int           `json:"incomplete,omitempty"` // mode exact: reads that history does not cover
	Spine      File          `json:"spine"`
	Sources    []SourceInput `json:"sources"`
	Data       File          `json:"data"`
	Columns    []Statistics  `json:"columns"`
}

// Definition names a definition and its semantic hash.
type Definition struct {
	Name string `json:"name"`
	Hash string `json:"hash"`
}

// SourceInput is a source with the files that were read of it. LogTime is
// broker, producer or file for a stream (semantics: Time), "" for a table.
type SourceInput struct {
	Name    string `json:"name"`
	LogTime string `json:"log_time,omitempty"`
	Files   []File `json:"files"`
}

// File is a file by its bytes.
type File struct {
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

func fileOf(path, name string) (f File, err error) {
	in, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	h := sha256.New()
	n, err := io.Copy(h, in)
	if err != nil {
		return File{}, fmt.Errorf("read %q: %w", name, err)
	}
	return File{Path: filepath.ToSlash(name), Bytes: n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}

// manifest describes a training set before its data is written.
func (x *Exporter) manifest(ctx context.Context, r *Request, result *pit.Result) (*Manifest, error) {
	m := &Manifest{
		Version: manifestVersion, Freshet: r.Version, Revision: r.Revision, Mode: r.Mode.String(), Incomplete: result.Incomplete,
		Service: Definition{Name: r.Service.Name, Hash: hex.EncodeToString(r.Service.Hash[:])},
		Format:  "parquet", Data: File{Path: "data.parquet"},
	}
	if r.Format == definition.CSV {
		m.Format, m.Data.Path = "csv", "data.csv"
	}
	if r.Mode == pit.EventTime {
		m.Delay = r.Delay.String()
	}
	if r.SpineZone != nil {
		m.SpineZone = r.SpineZone.String()
	}
	if r.With.Status {
		m.With = append(m.With, "status")
	}
	if r.With.EventTime {
		m.With = append(m.With, "event_time")
	}
	for i := range result.Columns {
		m.Columns = append(m.Columns, statisticsOf(&result.Columns[i]))
		m.Rows = int64(result.Columns[i].Len())
	}
	var err error
	if m.Spine, err = fileOf(r.Spine, filepath.Base(r.Spine)); err != nil {
		return nil, err
	}
	return m, x.inputs(ctx, r, m)
}

// inputs lists the views that a service reads, and the files behind them.
func (x *Exporter) inputs(ctx context.Context, r *Request, m *Manifest) error {
	seen := map[string]bool{}
	for _, v := range r.Project.StreamViews {
		if !reads(r.Service, v.Name) {
			continue
		}
		m.Views = append(m.Views, Definition{Name: v.Name, Hash: hex.EncodeToString(v.Hash[:])})
		for _, b := range v.Bindings {
			if err := x.streamInput(ctx, r, m, b.Source, seen); err != nil {
				return err
			}
		}
	}
	for _, v := range r.Project.BatchViews {
		if !reads(r.Service, v.Name) {
			continue
		}
		m.Views = append(m.Views, Definition{Name: v.Name, Hash: hex.EncodeToString(v.Hash[:])})
		if err := x.batchInput(m, v.Source, seen); err != nil {
			return err
		}
	}
	for _, v := range r.Service.OnDemand {
		m.Views = append(m.Views, Definition{Name: v.Name, Hash: hex.EncodeToString(v.Hash[:])})
	}
	slices.SortFunc(m.Views, func(a, b Definition) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	slices.SortFunc(m.Sources, func(a, b SourceInput) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	return nil
}

func reads(s *definition.Service, view string) bool {
	return slices.ContainsFunc(s.Roles, func(r definition.Role) bool { return r.View == view })
}

func (x *Exporter) streamInput(ctx context.Context, r *Request, m *Manifest, source *definition.StreamSource, seen map[string]bool) error {
	if seen[source.Name] {
		return nil
	}
	seen[source.Name] = true
	segments, err := x.History.Segments(ctx, source)
	if err != nil {
		return err
	}
	in := SourceInput{Name: source.Name, LogTime: "file", Files: []File{}}
	for _, s := range segments {
		if s.Kind == offline.ArchiveSegment {
			in.LogTime = "producer"
		}
		for i, path := range s.Paths {
			f, err := fileOf(path, s.Names[i])
			if err != nil {
				return err
			}
			if !slices.Contains(in.Files, f) {
				in.Files = append(in.Files, f)
			}
		}
	}
	if said := r.LogTimes[source.Name]; said != "" {
		in.LogTime = said
	}
	m.Sources = append(m.Sources, in)
	return nil
}

func (x *Exporter) batchInput(m *Manifest, source *definition.BatchSource, seen map[string]bool) error {
	if seen[source.Name] {
		return nil
	}
	seen[source.Name] = true
	found, err := files.Glob(x.Root, source.Files)
	if err != nil {
		return fmt.Errorf("batch source %q: %w", source.Name, err)
	}
	in := SourceInput{Name: source.Name, Files: []File{}}
	for _, f := range found {
		file, err := fileOf(f.Path, f.Name)
		if err != nil {
			return err
		}
		in.Files = append(in.Files, file)
	}
	m.Sources = append(m.Sources, in)
	return nil
}

func (m *Manifest) store(path string) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

// Show reads the manifest of a training set.
func Show(dir string) (*Manifest, error) {
	data, err := os.ReadFile(filepath.Join(dir, manifestName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, featurestore.NotFoundf("%q holds no training set: it has no %s", dir, manifestName)
	}
	if err != nil {
		return nil, err
	}
	var m Manifest
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return nil, featurestore.Invalidf("manifest of %q: %w", dir, err)
	}
	if m.Version != manifestVersion {
		return nil, featurestore.Invalidf("manifest of %q has version %d, this program reads %d", dir, m.Version, manifestVersion)
	}
	return &m, nil
}
