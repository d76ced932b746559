package node

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/cmd/internal/telemetry"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/history"
)

// upkeepStep bounds how long a chore of the archives takes: others wait for it.
const upkeepStep = 5 * time.Second

// spareRetention is what is kept beyond the retention of a view: entities live a
// day longer, and clocks differ.
const spareRetention = 2 * featurestore.Day

// Reach is how far back the views of a source read.
type Reach struct {
	View string                // that reads the furthest
	Back featurestore.Duration // of event time
	All  bool                  // it reads everything
}

// ArchivedSources are the sources that have an archive, by name, also those that no
// definition has any more.
func ArchivedSources(s *settings.Settings) ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(archive.Folder(s.Offline.Dir, "source")))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, featurestore.Unavailablef("the archive cannot be read: %v", err)
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// NeedsOf is how far back the stream views of a definition read each source.
func NeedsOf(p *definition.Project) map[string]Reach {
	out := map[string]Reach{}
	addNeeds(out, p.StreamViews)
	return out
}

func addNeeds(needs map[string]Reach, views []*definition.StreamView) {
	for _, v := range views {
		back, bounded := v.Plan.Retention()
		for _, b := range v.Bindings {
			n, known := needs[b.Source.Name]
			if !known || !n.All && (!bounded || back > n.Back) {
				needs[b.Source.Name] = Reach{View: v.Name, Back: back, All: !bounded}
			}
		}
	}
}

// needs is how far back every generation that is written reads, and the newest
// revision.
func (p *Parts) needs(ctx context.Context) (map[string]Reach, error) {
	list, err := p.Registry.Generations(ctx)
	if err != nil {
		return nil, err
	}
	needs := map[string]Reach{}
	for _, g := range list {
		if g.State != registry.Building && g.State != registry.Live && g.State != registry.Standby {
			continue
		}
		project, err := p.project(ctx, g.Revision)
		if err != nil {
			return nil, err
		}
		if v := project.StreamView(g.View); v != nil {
			addNeeds(needs, []*definition.StreamView{v})
		}
	}
	return needs, nil
}

// RetentionNotes say where the settings keep less than the views of a definition
// read: what a view reads is kept all the same.
func RetentionNotes(s *settings.Settings, needs map[string]Reach) map[string]string {
	out := map[string]string{}
	for source, n := range needs {
		keep := s.Ingest.Archive.RetentionFor(source)
		switch {
		case keep <= 0:
		case n.All:
			out[source] = fmt.Sprintf("the view %s reads all events of source %s (a lifetime, or a latest value without a ttl): its retention of %s drops nothing", n.View, source, keep)
		case keep < n.Back+spareRetention:
			out[source] = fmt.Sprintf("the view %s reads %s of source %s: %s are kept, not the %s of its retention", n.View, n.Back, source, n.Back+spareRetention, keep)
		}
	}
	return out
}

// keepFrom is the time from which events of a source are kept: counted back from
// the newest one at rest, so that a replay of old events keeps as much. 0 keeps all.
func keepFrom(m *archive.Manifest, keep featurestore.Duration, n Reach, now featurestore.Instant) featurestore.Instant {
	if keep <= 0 || n.All || len(m.Files) == 0 {
		return 0
	}
	newest := featurestore.Instant(m.Files[0].MaxLogTime)
	for i := range m.Files {
		newest = max(newest, featurestore.Instant(m.Files[i].MaxLogTime))
	}
	return min(newest, now) - featurestore.Instant(max(keep, n.Back+spareRetention))
}

// Compact puts the archive of a source in order, until enough says so.
func (p *Parts) Compact(ctx context.Context, source string, enough func() bool, progress func(history.Compacted)) (history.Compacted, error) {
	a := &p.Settings.Ingest.Archive
	c := history.Compaction{
		Dir: p.Settings.Offline.Dir, Source: source, Now: wall(),
		TargetBytes: a.FileMiB << 20, Grace: a.KeepReplaced.Std(), Enough: enough, Progress: progress,
	}
	if keep := a.RetentionFor(source); keep > 0 {
		needs, err := p.needs(ctx)
		if err != nil {
			return history.Compacted{}, err
		}
		m, err := archive.Load(c.Dir, source)
		if err != nil {
			return history.Compacted{}, err
		}
		c.KeepFrom = keepFrom(m, keep, needs[source], c.Now)
	}
	return c.Run(ctx)
}

// upkeep keeps the archives in order, a source after the other, and counts.
type upkeep struct {
	parts *Parts
	left  []string // sources that have their turn yet

	mu    sync.Mutex
	done  map[string]history.Compacted // of this process
	fails int64
}

// do goes on for a while.
func (u *upkeep) do(ctx context.Context) (more bool, err error) {
	if len(u.left) == 0 {
		if u.left, err = ArchivedSources(u.parts.Settings); err != nil || len(u.left) == 0 {
			return false, err
		}
	}
	until := time.Now().Add(upkeepStep)
	enough := func() bool { return time.Now().After(until) }
	source := u.left[0]
	c, err := u.parts.Compact(ctx, source, enough, nil)
	u.count(source, &c, err)
	if c.Made+c.Dropped > 0 {
		u.parts.Logger.Info("the archive of a source was compacted", "source", source, "merged", c.Merged, "into", c.Made, "bytes", c.Bytes, "bytes_made", c.BytesMade, "dropped", c.Dropped)
	}
	if !c.More {
		u.left = u.left[1:] // also after an error: the others have their turn
	}
	if err != nil && ctx.Err() == nil {
		u.parts.Logger.Warn("the archive of a source could not be compacted; it is tried again", "source", source, "error", err)
	}
	return len(u.left) > 0, ctx.Err()
}

// stats is what was done so far; nil where this process does none.
func (u *upkeep) stats() *telemetry.Upkeep {
	if u == nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return &telemetry.Upkeep{Done: maps.Clone(u.done), Fails: u.fails}
}

func (u *upkeep) count(source string, c *history.Compacted, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	sum := u.done[source]
	sum.Add(c)
	u.done[source] = sum
	if err != nil {
		u.fails++
	}
}

// ArchiveStatus is what is at rest of one source.
type ArchiveStatus struct {
	Source      string `json:"source"`
	Files       int    `json:"files"`
	Bytes       int64  `json:"bytes"`
	Rows        int64  `json:"rows"`
	Holes       int    `json:"holes,omitempty"`        // ranges of offsets that are missing between others
	Replaced    int    `json:"replaced,omitempty"`     // files that were merged or dropped and are not removed yet
	DroppedRows int64  `json:"dropped_rows,omitempty"` // by retention
	DroppedTo   string `json:"dropped_to,omitempty"`   // event time of the newest of them
	Note        string `json:"note,omitempty"`
	Trouble     string `json:"trouble,omitempty"`

	// Lost is what was at rest, and is neither there nor in the log any more, as an ingester knows, or whoever gives the status.
	Lost []LostRest `json:"lost,omitempty"`

	// Removed is what was applied, and compaction of the topic had removed before it was at
	// rest, as an ingester knows.
	Removed []LostRest `json:"removed,omitempty"`

	Partitions []ArchivedPartition `json:"partitions"`
}

// ArchivedPartition is what is at rest of one partition.
type ArchivedPartition struct {
	Generation uint32          `json:"generation"`
	Partition  int32           `json:"partition"`
	Files      int             `json:"files"`
	Bytes      int64           `json:"bytes"`
	Rows       int64           `json:"rows"`
	Complete   []archive.Range `json:"complete"`          // offsets, half-open
	Holes      []archive.Range `json:"holes,omitempty"`   // between those
	Dropped    []archive.Range `json:"dropped,omitempty"` // by retention
}

// Archives say what is at rest, by source.
func Archives(s *settings.Settings) ([]ArchiveStatus, error) {
	names, err := ArchivedSources(s)
	if err != nil {
		return nil, err
	}
	out := []ArchiveStatus{}
	for _, name := range names {
		m, err := archive.Load(s.Offline.Dir, name)
		if err != nil {
			out = append(out, ArchiveStatus{Source: name, Trouble: err.Error(), Partitions: []ArchivedPartition{}})
			continue
		}
		out = append(out, archiveStatus(m))
	}
	return out, nil
}

func archiveStatus(m *archive.Manifest) ArchiveStatus {
	s := ArchiveStatus{Source: m.Source, Replaced: len(m.Replaced), Partitions: []ArchivedPartition{}}
	for i := range m.Complete {
		c := &m.Complete[i]
		p := ArchivedPartition{Generation: c.Generation, Partition: c.Partition, Complete: slices.Clone(c.Ranges)}
		for k := 1; k < len(c.Ranges); k++ {
			p.Holes = append(p.Holes, archive.Range{From: c.Ranges[k-1].To, To: c.Ranges[k].From})
		}
		for k := range m.Files {
			if f := &m.Files[k]; f.Key() == c.Key() {
				p.Files, p.Bytes, p.Rows = p.Files+1, p.Bytes+f.Bytes, p.Rows+f.Rows
			}
		}
		if d := m.DroppedOf(c.Key()); d != nil {
			p.Dropped = d.Ranges
			s.DroppedRows += d.Rows
			s.DroppedTo = max(s.DroppedTo, featurestore.EventTime(d.MaxEventTime).String())
		}
		s.Files, s.Bytes, s.Rows, s.Holes = s.Files+p.Files, s.Bytes+p.Bytes, s.Rows+p.Rows, s.Holes+len(p.Holes)
		s.Partitions = append(s.Partitions, p)
	}
	return s
}

// archiveStatuses are the archives, with what the settings and the views say of them.
func (p *Parts) archiveStatuses() []ArchiveStatus {
	ctx, cancel := context.WithTimeout(context.Background(), inspectWithin)
	defer cancel()
	out, err := p.ArchiveStatuses(ctx)
	if err != nil {
		p.Logger.Warn("the archives could not be looked at", "error", err)
	}
	return out
}

// ArchiveStatuses are the archives, with what the settings and the views say of them,
// and what is listed and not there.
func (p *Parts) ArchiveStatuses(ctx context.Context) ([]ArchiveStatus, error) {
	out, err := Archives(p.Settings)
	if err != nil {
		return nil, err
	}
	needs, err := p.needs(ctx)
	if err != nil {
		return out, err
	}
	notes := RetentionNotes(p.Settings, needs)
	for i := range out {
		out[i].Note = notes[out[i].Source]
		if out[i].Trouble != "" {
			continue
		}
		if _, err := archive.Whole(p.Settings.Offline.Dir, out[i].Source); err != nil {
			out[i].Trouble = err.Error()
		}
	}
	return out, nil
}
