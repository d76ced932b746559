package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/ingest/history"
)

// ArchiveCommand is `archive`: the events at rest. It works on the folder, beside a
// running ingester too.
func (a *App) ArchiveCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "archive", Short: "Events at rest: which offsets are complete, and how many files hold them"}
	cmd.AddCommand(a.archiveListCommand(), a.archiveCompactCommand(), a.archiveAcceptCommand())
	return cmd
}

// archived are the chosen sources that have an archive.
func archived(s *settings.Settings, args []string) ([]string, error) {
	names, err := node.ArchivedSources(s)
	if err != nil || len(args) == 0 {
		return names, err
	}
	if !slices.Contains(names, args[0]) {
		return nil, featurestore.NotFoundf("source %q has no archive (see `freshet archive ls`)", args[0])
	}
	return args[:1], nil
}

func (a *App) archiveListCommand() *cobra.Command {
	var files bool
	cmd := &cobra.Command{
		Use: "ls [SOURCE]", Short: "What is at rest: offsets, files, rows and bytes, holes, and what retention has dropped", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			s, err := a.Settings()
			if err != nil {
				return err
			}
			names, err := archived(s, args)
			if err != nil {
				return err
			}
			if files {
				return a.listArchivedFiles(s, names)
			}
			parts, err := node.Open(cmd.Context(), s, node.StoredClock(), a.Logger(), 0)
			if err != nil {
				return err
			}
			defer closing(parts.Close, &err)
			list, err := parts.ArchiveStatuses(cmd.Context())
			if err != nil {
				return err
			}
			list = slices.DeleteFunc(list, func(s node.ArchiveStatus) bool { return !slices.Contains(names, s.Source) })
			for i := range list {
				for _, note := range []string{list[i].Note, list[i].Trouble} {
					if note != "" {
						a.Note("%s", note)
					}
				}
			}
			return a.Print(list, archiveTable(list))
		},
	}
	cmd.Flags().BoolVar(&files, "files", false, "every file")
	return cmd
}

func archiveTable(list []node.ArchiveStatus) Table {
	t := Table{Head: []string{"SOURCE", "LOG", "PARTITION", "FILES", "ROWS", "BYTES", "COMPLETE", "HOLES", "DROPPED"}}
	for i := range list {
		s := &list[i]
		t.Names = append(t.Names, s.Source)
		for _, p := range s.Partitions {
			t.Rows = append(t.Rows, []string{
				s.Source, fmt.Sprint(p.Generation), fmt.Sprint(p.Partition), fmt.Sprint(p.Files), fmt.Sprint(p.Rows), fmt.Sprint(p.Bytes),
				offsets(p.Complete), offsets(p.Holes), offsets(p.Dropped),
			})
		}
	}
	return t
}

// offsets are ranges as people read them: the first and the last offset of each.
func offsets(ranges []archive.Range) string {
	var out []string
	for _, r := range ranges {
		out = append(out, fmt.Sprintf("%d-%d", r.From, r.To-1))
	}
	return strings.Join(out, " ")
}

func (a *App) listArchivedFiles(s *settings.Settings, names []string) error {
	list := []archive.File{}
	t := Table{Head: []string{"FILE", "ROWS", "BYTES", "FIRST LOG TIME", "LAST LOG TIME"}}
	for _, name := range names {
		m, err := archive.Load(s.Offline.Dir, name)
		if err != nil {
			return err
		}
		for _, f := range m.Files {
			f.Path = name + "/" + f.Path
			list = append(list, f)
			t.Names = append(t.Names, f.Path)
			t.Rows = append(t.Rows, []string{f.Path, fmt.Sprint(f.Rows), fmt.Sprint(f.Bytes), featurestore.LogTime(f.MinLogTime).String(), featurestore.LogTime(f.MaxLogTime).String()})
		}
	}
	return a.Print(list, t)
}

// SourceCompacted is what `archive compact` has done for one source.
type SourceCompacted struct {
	Source string `json:"source"`
	Before int    `json:"files_before"`
	After  int    `json:"files_after"`
	history.Compacted
}

func (a *App) archiveCompactCommand() *cobra.Command {
	return &cobra.Command{
		Use: "compact [SOURCE]", Short: "Merge small files of the archive, and drop what the retention does not keep", Args: cobra.MaximumNArgs(1),
		Long: "Merge small files of the archive that follow each other, drop what ingest.archive.retention does not keep and no view reads, and remove files that were replaced long enough ago (ingest.archive.keep_replaced).\n" +
			"The ingester does the same every ingest.archive.every. It may run beside it, and be interrupted and run again without harm.",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			s, err := a.Settings()
			if err != nil {
				return err
			}
			names, err := archived(s, args)
			if err != nil {
				return err
			}
			parts, err := node.Open(cmd.Context(), s, node.StoredClock(), a.Logger(), 0)
			if err != nil {
				return err
			}
			defer closing(parts.Close, &err)
			list := []SourceCompacted{}
			t := Table{Head: []string{"SOURCE", "FILES BEFORE", "FILES AFTER", "MERGED", "INTO", "BYTES", "BYTES MADE", "DROPPED", "REMOVED"}}
			for _, name := range names {
				c, err := a.compact(cmd.Context(), parts, name)
				if err != nil {
					return err
				}
				list = append(list, c)
				t.Names = append(t.Names, name)
				t.Rows = append(t.Rows, []string{
					name, fmt.Sprint(c.Before), fmt.Sprint(c.After), fmt.Sprint(c.Merged), fmt.Sprint(c.Made), fmt.Sprint(c.Bytes), fmt.Sprint(c.BytesMade), fmt.Sprint(c.Dropped), fmt.Sprint(c.Removed),
				})
			}
			return a.Print(list, t)
		},
	}
}

// compactNote is how often a compaction says how far it is.
const compactNote = 2 * time.Second

func (a *App) compact(ctx context.Context, parts *node.Parts, source string) (c SourceCompacted, err error) {
	dir := parts.Settings.Offline.Dir
	before, err := archive.Load(dir, source)
	if err != nil {
		return c, err
	}
	start := time.Now()
	noted := start
	done, err := parts.Compact(ctx, source, nil, func(c history.Compacted) {
		if time.Since(noted) < compactNote {
			return
		}
		noted = time.Now()
		a.Note("%s: %d of %d files merged into %d, %.0f rows a second", source, c.Merged, len(before.Files), c.Made, float64(c.Rows)/time.Since(start).Seconds())
	})
	if err != nil {
		return c, err
	}
	if done.Busy > 0 {
		a.Note("%s: %d partitions were left alone: another process compacts them, or one of an earlier release archives them", source, done.Busy)
	}
	after, err := archive.Load(dir, source)
	if err != nil {
		return c, err
	}
	return SourceCompacted{Source: source, Before: len(before.Files), After: len(after.Files), Compacted: done}, nil
}
