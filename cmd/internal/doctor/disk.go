package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Free space that is told. History is sealed by renaming whole files, so that a
// full disk stops the ingester, and loses nothing.
const (
	diskWarning = 2 << 30
	diskFailed  = 100 << 20
	diskShare   = 0.05
)

// checkDisk looks at the folders that grow on this machine.
func checkDisk(_ context.Context, e *exam) finding {
	f, no := e.needs(false, false)
	if no {
		return f
	}
	folders := []string{e.settings.Offline.Dir, filepath.Dir(e.settings.Registry.SQLite), e.settings.Log.Embedded, e.settings.Online.Embedded}
	told := map[string]bool{"": true}
	for _, dir := range folders {
		if told[dir] {
			continue
		}
		told[dir] = true
		at, err := existing(dir)
		if err != nil {
			f.add(Failed, text(err), "history, dead letters and predictions cannot be kept", "mend the folder's rights").Of = dir
			continue
		}
		free, all, err := space(at)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			f.add(Skipped, "this system does not say how much is free").Of = dir
		case err != nil:
			f.add(Warning, text(err), "how much is free is not known", "").Of = dir
		default:
			state, seen, why, next := judgeSpace(free, all)
			f.add(state, seen, why, next).Of = dir
		}
	}
	return f
}

func judgeSpace(free, all uint64) (State, string, string, string) {
	seen := fmt.Sprintf("%d MiB of %d MiB are free", free>>20, all>>20)
	const why, next = "a full disk stops the archive, and with it the ingester; predictions are dropped, and counted", "make room, or move offline.dir"
	switch {
	case free < diskFailed:
		return Failed, seen, why, next
	case free < diskWarning && float64(free) < diskShare*float64(all):
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
