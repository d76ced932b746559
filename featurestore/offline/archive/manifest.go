package archive

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
)

// ManifestVersion is the greatest version of a manifest, and of the columns of
// the files that it lists, which this program reads. A manifest has the greatest
// version of its files, so that a program that would take changes for ordinary
// events refuses it: 1 for events, 2 where a file holds changes (at most two rows
// an offset), 3 once a compaction or retention has changed the list, 4 once fields
// were added to a file.
const ManifestVersion = 4

// Manifest says what is archived of one source. What it does not list is not
// there; an offset within a complete range and in no file never held an event.
type Manifest struct {
	Version  int         `json:"version"`
	Source   string      `json:"source"`
	Complete []Partition `json:"complete"` // ascending by generation, partition
	Files    []File      `json:"files"`    // ascending by generation, partition, from

	Replaced []Replaced `json:"replaced,omitempty"` // since version 3
	Dropped  []Dropped  `json:"dropped,omitempty"`  // since version 3; ascending by generation, partition
}

// Partition is the complete ranges of offsets of one partition, ascending and
// apart.
type Partition struct {
	Generation uint32  `json:"generation"`
	Partition  int32   `json:"partition"`
	Ranges     []Range `json:"ranges"`
}

// Range is a half-open range of offsets.
type Range struct {
	From int64 `json:"from"` // inclusive
	To   int64 `json:"to"`   // exclusive
}

// File is one sealed file. Times are microseconds since 1970, UTC.
type File struct {
	Path         string `json:"path"` // relative to the folder of the source, with slashes
	Generation   uint32 `json:"generation"`
	Partition    int32  `json:"partition"`
	From         int64  `json:"from"` // inclusive
	To           int64  `json:"to"`   // exclusive
	Rows         int64  `json:"rows"`
	MinEventTime int64  `json:"min_event_time"`
	MaxEventTime int64  `json:"max_event_time"`
	MinLogTime   int64  `json:"min_log_time"`
	MaxLogTime   int64  `json:"max_log_time"`
	Bytes        int64  `json:"bytes"`
	XXH3         string `json:"xxh3"`

	Edition int64 `json:"edition,omitempty"` // since version 4: how many files with these rows were before it
}

// Key names the file's partition.
func (f *File) Key() offline.Partition {
	return offline.Partition{Generation: f.Generation, Partition: f.Partition}
}

// Load reads what is archived of a source below an offline folder: the manifests
// of all its partitions as one. None is an empty one. A damaged manifest is an
// error of kind ErrInvalid: it is never taken for an empty one, because what it
// listed would be removed.
func Load(dir, source string) (*Manifest, error) {
	folder := Folder(dir, source)
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, featurestore.Unavailablef("archive folder %q cannot be read: %v", folder, err)
	}
	whole := &Manifest{Version: 1, Source: source}
	var shared *Manifest
	for _, entry := range entries {
		var p offline.Partition
		_, err := fmt.Sscanf(entry.Name(), "manifest-%d-%d.json", &p.Generation, &p.Partition)
		own := err == nil && entry.Name() == ManifestName(p)
		if !own && entry.Name() != sharedManifest {
			continue
		}
		m, err := load(filepath.Join(folder, entry.Name()), source)
		if err != nil {
			return nil, err
		}
		if own {
			whole.add(m.Only(p))
		} else {
			shared = m
		}
	}
	if shared != nil {
		for i := range shared.Complete {
			if p := shared.Complete[i].Key(); whole.Ranges(p) == nil {
				whole.add(shared.Only(p))
			}
		}
	}
	return whole, nil
}

// add takes over what another manifest says of partitions that m has none of.
func (m *Manifest) add(o *Manifest) {
	m.Version = max(m.Version, o.Version)
	for i := range o.Complete {
		for _, r := range o.Complete[i].Ranges {
			m.AddComplete(o.Complete[i].Key(), offline.Range(r))
		}
	}
	for _, f := range o.Files {
		m.AddFile(f)
	}
	m.Replaced = append(m.Replaced, o.Replaced...)
	m.Dropped = append(m.Dropped, o.Dropped...)
	slices.SortFunc(m.Dropped, func(a, b Dropped) int { return compareKeys(a.Key(), b.Key()) })
}

// Only is what the manifest says of one partition.
func (m *Manifest) Only(p offline.Partition) *Manifest {
	one := &Manifest{Version: m.Version, Source: m.Source}
	if i, ok := m.find(p); ok {
		one.Complete = []Partition{m.Complete[i]}
	}
	for i := range m.Files {
		if m.Files[i].Key() == p {
			one.Files = append(one.Files, m.Files[i])
		}
	}
	for _, r := range m.Replaced {
		if of, _, _ := ParseName(r.Path); of == p {
			one.Replaced = append(one.Replaced, r)
		}
	}
	if d := m.DroppedOf(p); d != nil {
		one.Dropped = []Dropped{*d}
	}
	return one.Clone()
}

// LoadPartition reads what is archived of one partition, as Load does.
func LoadPartition(dir, source string, p offline.Partition) (*Manifest, error) {
	folder := Folder(dir, source)
	for _, name := range []string{ManifestName(p), sharedManifest} {
		path := filepath.Join(folder, name)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		m, err := load(path, source)
		if err != nil {
			return nil, err
		}
		return m.Only(p), nil
	}
	return &Manifest{Version: 1, Source: source}, nil
}

func load(path, source string) (*Manifest, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, featurestore.Unavailablef("archive manifest %q cannot be read: %v", path, err)
	}
	m, err := parse(data)
	if err == nil {
		err = m.check(source)
	}
	if err != nil {
		return nil, damaged(path, err)
	}
	return m, nil
}

func parse(data []byte) (*Manifest, error) {
	m := new(Manifest)
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is text after its end")
	}
	return m, nil
}

func damaged(path string, err error) error {
	return featurestore.Invalidf("archive manifest %q is damaged: %v; restore it, or move its folder away to archive from the log again", path, err)
}

func (m *Manifest) check(source string) error {
	if m.Version < 1 || m.Version > ManifestVersion {
		return fmt.Errorf("version %d, this program knows 1 to %d", m.Version, ManifestVersion)
	}
	if m.Source != source {
		return fmt.Errorf("it is of source %q, not %q", m.Source, source)
	}
	for i := range m.Complete {
		p := &m.Complete[i]
		for k, r := range p.Ranges {
			if r.From < 0 || r.From >= r.To || (k > 0 && r.From <= p.Ranges[k-1].To) {
				return fmt.Errorf("generation %d, partition %d: its range %d to %d is empty or out of order", p.Generation, p.Partition, r.From, r.To)
			}
		}
		if i > 0 && compareKeys(m.Complete[i-1].Key(), p.Key()) >= 0 {
			return fmt.Errorf("generation %d, partition %d stands twice or out of order", p.Generation, p.Partition)
		}
	}
	for i := range m.Files {
		if err := m.checkFile(&m.Files[i]); err != nil {
			return err
		}
	}
	return m.checkPast()
}

func (m *Manifest) checkFile(f *File) error {
	period, one := PeriodOf(featurestore.LogTime(f.MinLogTime), featurestore.LogTime(f.MaxLogTime))
	want := EditionName(f.Key(), period, offline.Range{From: f.From, To: f.To}, f.Edition)
	if !one || f.Path != want {
		return fmt.Errorf("file %q should have the path %q", f.Path, want)
	}
	if f.Edition < 0 || f.Edition > 0 && m.Version < 4 {
		return fmt.Errorf("file %q: version %d knows no edition %d", f.Path, m.Version, f.Edition)
	}
	if f.Rows < 1 || f.Rows > int64(min(m.Version, 2))*(f.To-f.From) {
		return fmt.Errorf("file %q: %d rows do not fit its offsets", f.Path, f.Rows)
	}
	for _, r := range m.Ranges(f.Key()) {
		if r.From <= f.From && f.To <= r.To {
			return nil
		}
	}
	return fmt.Errorf("file %q lies in no complete range", f.Path)
}

// Key names the partition.
func (p *Partition) Key() offline.Partition {
	return offline.Partition{Generation: p.Generation, Partition: p.Partition}
}

// Store writes what m says of one partition in place of that partition's manifest
// before. It is the last step of every change of an archive.
func (m *Manifest) Store(disk *atomicfile.Disk, dir string, p offline.Partition) error {
	data, err := json.MarshalIndent(m.Only(p), "", " ")
	if err != nil {
		return err
	}
	_, err = disk.Write(filepath.Join(Folder(dir, m.Source), ManifestName(p)), func(w io.Writer) error {
		_, err := w.Write(append(data, '\n'))
		return err
	})
	return err
}

// Ranges are the complete ranges of a partition, ascending and apart.
func (m *Manifest) Ranges(p offline.Partition) []offline.Range {
	i, ok := m.find(p)
	if !ok {
		return nil
	}
	ranges := make([]offline.Range, len(m.Complete[i].Ranges))
	for k, r := range m.Complete[i].Ranges {
		ranges[k] = offline.Range(r)
	}
	return ranges
}

// AddComplete makes a range of offsets complete; it joins the ranges that it
// touches. Offsets that retention has dropped stay dropped.
func (m *Manifest) AddComplete(p offline.Partition, add offline.Range) {
	if d := m.DroppedOf(p); d != nil {
		for _, r := range d.Ranges {
			if add.From < r.To && r.From < add.To {
				m.addComplete(p, offline.Range{From: add.From, To: r.From})
				add.From = max(add.From, r.To)
			}
		}
	}
	m.addComplete(p, add)
}

func (m *Manifest) addComplete(p offline.Partition, add offline.Range) {
	if add.Empty() {
		return
	}
	i, ok := m.find(p)
	if !ok {
		m.Complete = slices.Insert(m.Complete, i, Partition{Generation: p.Generation, Partition: p.Partition})
	}
	c := &m.Complete[i]
	var out []Range
	for _, r := range c.Ranges {
		if r.To < add.From || r.From > add.To {
			out = append(out, r)
			continue
		}
		add.From, add.To = min(add.From, r.From), max(add.To, r.To)
	}
	out = append(out, Range(add))
	slices.SortFunc(out, func(a, b Range) int { return cmp.Compare(a.From, b.From) })
	c.Ranges = out
}

// AddFile lists a sealed file.
func (m *Manifest) AddFile(f File) {
	i, _ := slices.BinarySearchFunc(m.Files, f, func(a, b File) int {
		return cmp.Or(compareKeys(a.Key(), b.Key()), cmp.Compare(a.From, b.From))
	})
	m.Files = slices.Insert(m.Files, i, f)
}

// Clone is a copy that can be changed apart.
func (m *Manifest) Clone() *Manifest {
	c := *m
	c.Files = slices.Clone(m.Files)
	c.Replaced = slices.Clone(m.Replaced)
	c.Dropped = slices.Clone(m.Dropped)
	for i := range c.Dropped {
		c.Dropped[i].Ranges = slices.Clone(c.Dropped[i].Ranges)
	}
	c.Complete = slices.Clone(m.Complete)
	for i := range c.Complete {
		c.Complete[i].Ranges = slices.Clone(c.Complete[i].Ranges)
	}
	return &c
}

func (m *Manifest) find(p offline.Partition) (int, bool) {
	return slices.BinarySearchFunc(m.Complete, p, func(c Partition, p offline.Partition) int { return compareKeys(c.Key(), p) })
}

func compareKeys(a, b offline.Partition) int {
	return cmp.Or(cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.Partition, b.Partition))
}
