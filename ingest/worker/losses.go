package worker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
)

// losses are notes in a folder that the store has evicted keys, and that not every view
// is LOST yet: the store itself forgets that where it is started again. A note is an
// empty file for each process, evicted.PROJECT.NAME, and outlives it.
type losses struct {
	dir, project string
	own          string // the note of this process
	made         bool   // it is there, as far as this process knows
}

func newLosses(dir, project string) losses {
	var name [8]byte
	rand.Read(name[:]) // never fails
	return losses{dir: dir, project: project, own: filepath.Join(dir, "evicted."+project+"."+hex.EncodeToString(name[:]))}
}

// remember makes the note of this process, where there is none.
func (l *losses) remember() error {
	if _, err := os.Stat(l.own); l.dir == "" || err == nil { // another that has started may have dealt with it
		return nil
	}
	l.made = true
	disk := atomicfile.Disk{}
	if _, err := disk.Write(l.own, func(io.Writer) error { return nil }); err != nil {
		return featurestore.Unavailablef("a note of it cannot be kept: %v", err)
	}
	return nil
}

// remembered are the notes of all processes.
func (l *losses) remembered() (notes []string, err error) {
	if l.dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(l.dir)
	if err != nil && !os.IsNotExist(err) {
		return nil, featurestore.Unavailablef("looking for notes of what the online store has evicted: %v", err)
	}
	for _, e := range entries {
		if of, ok := strings.CutPrefix(e.Name(), "evicted."); ok && strings.HasPrefix(of, l.project+".") {
			notes = append(notes, filepath.Join(l.dir, e.Name()))
		}
	}
	return notes, nil
}

// forget removes notes.
func (l *losses) forget(notes ...string) error {
	for _, note := range notes {
		if err := os.Remove(note); err != nil && !os.IsNotExist(err) {
			return featurestore.Unavailablef("a note of what the online store has evicted cannot be removed: %v", err)
		}
	}
	return nil
}

// dealtWith removes the note of this process, where it has one.
func (l *losses) dealtWith() error {
	if !l.made {
		return nil
	}
	if err := l.forget(l.own); err != nil {
		return err
	}
	l.made = false
	return nil
}

// loseWithin is how long a process that is told to end goes on trying to say that every
// view is lost. Whoever starts next goes on with it.
const loseWithin = 5 * time.Second

// loseForGood says that every generation is lost. The end of an arrangement does not
// keep it from that, and that of the process for a while only: there is a note.
func (w *Worker) loseForGood(process context.Context) error {
	if err := w.losses.remember(); err != nil {
		w.c.Logger.Warn("the online store has evicted keys, and this process must not end before that is dealt with", "error", err)
	}
	ctx, cancel := outlasting(process, loseWithin)
	defer cancel()
	if err := w.lose(ctx); err != nil {
		return err
	}
	return w.losses.dealtWith()
}

// outlasting is a context that ends some time after another.
func outlasting(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(by, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}

// loseRemembered deals, before the first arrangement, with what processes that have
// ended had seen of evictions.
func (w *Worker) loseRemembered(ctx context.Context) error {
	if w.recalled {
		return nil
	}
	notes, err := w.losses.remembered()
	if err != nil {
		return err
	}
	if len(notes) > 0 {
		w.c.Logger.Warn("the online store had evicted keys, and the process that saw it has ended before every view was said to be lost: they are built anew")
		if err := w.lose(ctx); err != nil {
			return err
		}
		if err := w.losses.forget(notes...); err != nil {
			return err
		}
	}
	w.recalled = true
	return nil
}
