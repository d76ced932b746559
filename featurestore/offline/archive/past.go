package archive

import (
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline"
)

// Replaced is a file whose rows stand in another file of the list by now. It stays
// where it is for a while, for those who have read the list before.
type Replaced struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
	At    int64  `json:"at"` // when it was replaced: microseconds since 1970, UTC
}

// Dropped is what retention has taken away of a partition: it was archived, and is
// not lost. No range of it is complete.
type Dropped struct {
	Generation   uint32  `json:"generation"`
	Partition    int32   `json:"partition"`
	Ranges       []Range `json:"ranges"` // ascending and apart
	Rows         int64   `json:"rows"`
	MaxEventTime int64   `json:"max_event_time"`
	MaxLogTime   int64   `json:"max_log_time"`
	At           int64   `json:"at"` // the last time
}

// Key names the partition.
func (d *Dropped) Key() offline.Partition {
	return offline.Partition{Generation: d.Generation, Partition: d.Partition}
}

// DroppedOf is what retention has taken away of a partition; nil for nothing.
func (m *Manifest) DroppedOf(p offline.Partition) *Dropped {
	for i := range m.Dropped {
		if m.Dropped[i].Key() == p {
			return &m.Dropped[i]
		}
	}
	return nil
}

// Known are the ranges of offsets of a partition that are complete or were
// dropped: what is fed of them again is not archived again.
func (m *Manifest) Known(p offline.Partition) []offline.Range {
	whole := &Manifest{}
	for _, r := range m.Ranges(p) {
		whole.addComplete(p, r)
	}
	if d := m.DroppedOf(p); d != nil {
		for _, r := range d.Ranges {
			whole.addComplete(p, offline.Range(r))
		}
	}
	return whole.Ranges(p)
}

// Replace lists one file in place of others of its partition, which are all
// listed; it reports false, and changes nothing, where one is not.
func (m *Manifest) Replace(old []File, with File, at featurestore.Instant) bool {
	old = slices.Clone(old) // it may be a part of the list
	for i := range old {
		if !slices.Contains(m.Files, old[i]) {
			return false
		}
	}
	m.Files = slices.DeleteFunc(m.Files, func(f File) bool { return slices.Contains(old, f) })
	m.AddFile(with)
	for i := range old {
		m.Replaced = append(m.Replaced, Replaced{Path: old[i].Path, Bytes: old[i].Bytes, At: int64(at)})
	}
	m.Version = max(m.Version, 3)
	if with.Edition > 0 {
		m.Version = max(m.Version, 4)
	}
	return true
}

// NextEdition is the file that takes a listed one's place with the same rows, but for
// its bytes, under a name that no other has.
func (m *Manifest) NextEdition(f File) File {
	period, _ := PeriodOf(featurestore.LogTime(f.MinLogTime), featurestore.LogTime(f.MaxLogTime)) // it is listed
	f.Bytes, f.XXH3 = 0, ""
	for {
		f.Edition++
		f.Path = EditionName(f.Key(), period, offline.Range{From: f.From, To: f.To}, f.Edition)
		if !m.Names(f.Path) {
			return f
		}
	}
}

// Drop takes files of a partition off the list, and the complete offsets before to.
// They become replaced by nothing.
func (m *Manifest) Drop(p offline.Partition, files []File, to int64, at featurestore.Instant) {
	files = slices.Clone(files) // they may be a part of the list
	d := m.DroppedOf(p)
	if d == nil {
		m.Dropped = append(m.Dropped, Dropped{Generation: p.Generation, Partition: p.Partition, MaxEventTime: files[0].MaxEventTime, MaxLogTime: files[0].MaxLogTime})
		slices.SortFunc(m.Dropped, func(a, b Dropped) int { return compareKeys(a.Key(), b.Key()) })
		d = m.DroppedOf(p)
	}
	m.Files = slices.DeleteFunc(m.Files, func(f File) bool { return slices.Contains(files, f) })
	for i := range files {
		f := &files[i]
		m.Replaced = append(m.Replaced, Replaced{Path: f.Path, Bytes: f.Bytes, At: int64(at)})
		d.Rows += f.Rows
		d.MaxEventTime, d.MaxLogTime = max(d.MaxEventTime, f.MaxEventTime), max(d.MaxLogTime, f.MaxLogTime)
	}
	d.At = int64(at)
	gone, left := &Manifest{}, []Range(nil)
	for _, r := range d.Ranges {
		gone.addComplete(p, offline.Range(r))
	}
	for _, r := range m.Ranges(p) {
		gone.addComplete(p, offline.Range{From: r.From, To: min(r.To, to)})
		if rest := (Range{From: max(r.From, to), To: r.To}); rest.From < rest.To {
			left = append(left, rest)
		}
	}
	d.Ranges = gone.Complete[0].Ranges
	i, _ := m.find(p)
	m.Complete[i].Ranges = left
	m.Version = max(m.Version, 3)
}

// Names reports whether a file is listed, or was and is there still.
func (m *Manifest) Names(path string) bool {
	return slices.ContainsFunc(m.Files, func(f File) bool { return f.Path == path }) ||
		slices.ContainsFunc(m.Replaced, func(r Replaced) bool { return r.Path == path })
}

// checkPast checks what is said of files that are no longer listed.
func (m *Manifest) checkPast() error {
	if m.Version < 3 && len(m.Replaced)+len(m.Dropped) > 0 {
		return fmt.Errorf("version %d knows neither replaced files nor dropped ranges", m.Version)
	}
	for _, r := range m.Replaced {
		if _, _, ok := ParseName(r.Path); !ok {
			return fmt.Errorf("the replaced file %q has no path of a file", r.Path)
		}
		if slices.ContainsFunc(m.Files, func(f File) bool { return f.Path == r.Path }) {
			return fmt.Errorf("file %q is listed, and as replaced too", r.Path)
		}
	}
	for i := range m.Dropped {
		d := &m.Dropped[i]
		for k, r := range d.Ranges {
			if r.From < 0 || r.From >= r.To || k > 0 && r.From <= d.Ranges[k-1].To {
				return fmt.Errorf("generation %d, partition %d: its dropped range %d to %d is empty or out of order", d.Generation, d.Partition, r.From, r.To)
			}
			for _, c := range m.Ranges(d.Key()) {
				if c.From < r.To && r.From < c.To {
					return fmt.Errorf("generation %d, partition %d: offsets %d to %d are complete and dropped", d.Generation, d.Partition, max(c.From, r.From), min(c.To, r.To))
				}
			}
		}
		if i > 0 && compareKeys(m.Dropped[i-1].Key(), d.Key()) >= 0 {
			return fmt.Errorf("generation %d, partition %d: what was dropped of it stands twice or out of order", d.Generation, d.Partition)
		}
	}
	return nil
}
