package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/ingest/worker"
)

// Free space that is told. History is sealed by renaming whole files, so that a
// full disk stops the ingester, and loses nothing.
const (
	diskWarning = 2 << 30
	diskFailed  = 100 << 20
	diskShare   = 0.05
)

// volume is a file system.
type volume struct {
	device    uint64
	free, all uint64 // bytes
}

// checkDisk looks at the folders that grow on this machine.
func checkDisk(ctx context.Context, e *exam) finding {
	f, no := e.needs(false, false)
	if no {
		return f
	}
	folders := []string{e.settings.Offline.Dir, filepath.Dir(e.settings.Registry.SQLite), e.settings.Log.Embedded, e.settings.Online.Embedded}
	volumes := map[uint64]int{} // by device: the place of its result
	for _, dir := range folders {
		if dir == "" {
			continue
		}
		name := dir
		if rel, err := filepath.Rel(e.settings.Root, dir); err == nil && filepath.IsLocal(rel) {
			name = rel
		}
		at, err := existing(dir)
		if err == nil {
			err = writable(dir)
		}
		if err != nil {
			f.add(Failed, text(err), whyFolder, "mend the folder's rights").Of = name
			continue
		}
		v, err := space(at)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			f.add(Skipped, "this system does not say how much is free").Of = name
		case err != nil:
			f.add(Warning, text(err), "how much is free is not known", "").Of = name
		default:
			if i, told := volumes[v.device]; told {
				f.results[i].Of += ", " + name
				continue
			}
			volumes[v.device] = len(f.results)
			state, seen, why, next := judgeSpace(v)
			f.add(state, seen, why, next).Of = name
		}
	}
	f.archives(e)
	f.lostRest(ctx, e)
	return f
}

const whyFolder = "history, dead letters and predictions cannot be kept"

// archives looks whether each source's archive can be written, as another user may
// have made it, and whether all that it lists is there.
func (f *finding) archives(e *exam) {
	sources, err := node.ArchivedSources(e.settings)
	if err != nil {
		f.add(Failed, text(err), whyFolder, "mend the folder's rights").Of = "archive"
		return
	}
	for _, source := range sources {
		if err := writable(archive.Folder(e.settings.Offline.Dir, source)); err != nil {
			f.add(Failed, text(err), "events of this source cannot be put at rest: its partitions stand still", "mend the folder's rights").Of = "archive of " + source
		}
		if _, err := archive.Whole(e.settings.Offline.Dir, source); err != nil {
			f.add(Failed, text(err), "an ingester that starts with it stands still, and no view is filled from it", "restore it, and start the ingester again; docs/operations.md, Damage").Of = "archive of " + source
		}
	}
}

// lostRest looks whether all that was at rest still is, as the online store knows; where
// that is another process's, by what that one says.
func (f *finding) lostRest(ctx context.Context, e *exam) {
	const why = "live views go on; none can be built from what is left, and audits cannot compare"
	told := map[string]bool{}
	tell := func(source, seen string) {
		if !told[source] {
			f.add(Failed, seen, why, worker.MissingNext(source)).Of = "archive of " + source
		}
		told[source] = true
	}
	for _, r := range e.reports {
		for _, a := range r.status.Archives {
			if len(a.Lost) > 0 {
				tell(a.Source, a.Trouble)
			}
		}
	}
	if e.parts == nil || e.parts.Online == nil || e.parts.Registry == nil || e.project == nil || e.Role == Serve {
		return
	}
	for _, l := range e.parts.RestLosses(ctx, e.project) {
		switch {
		case l.Err != nil:
			f.add(Warning, text(l.Err), "whether all that was at rest still is, is not known", "").Of = "archive of " + l.Source
		case l.Unasked == "":
			tell(l.Source, l.Text())
		case !told[l.Source]:
			f.add(Warning, l.Text(), why, worker.MissingNext(l.Source)).Of = "archive of " + l.Source
		}
	}
}

func judgeSpace(v volume) (State, string, string, string) {
	seen := fmt.Sprintf("%d MiB of %d MiB are free", v.free>>20, v.all>>20)
	const why, next = "a full disk stops the archive, and with it the ingester; predictions are dropped, and counted", "make room, or move offline.dir"
	switch {
	case v.free < diskFailed:
		return Failed, seen, why, next
	case v.free < diskWarning && float64(v.free) < diskShare*float64(v.all):
		return Warning, seen, why, next
	}
	return OK, seen, "", ""
}

// existing is a folder, or the nearest one above it that is there.
func existing(dir string) (string, error) {
	for {
		info, err := os.Stat(dir)
		switch {
		case err == nil && info.IsDir():
			return dir, nil
		case err == nil:
			return "", fmt.Errorf("%s is not a folder", dir)
		case !errors.Is(err, os.ErrNotExist) || dir == filepath.Dir(dir):
			return "", err
		}
		dir = filepath.Dir(dir)
	}
}

// writable says why this user cannot make files in a folder, or make the folder
// itself where it is not there.
func writable(dir string) error {
	at, err := existing(dir)
	if err != nil {
		return err
	}
	if err := mayWrite(at); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("%s cannot be written: %w", at, err)
	}
	return nil
}
