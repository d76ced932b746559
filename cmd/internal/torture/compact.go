package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/freshet/freshet/cmd/internal/torture/atrest"
	"github.com/freshet/freshet/cmd/internal/torture/load"
	"github.com/freshet/freshet/cmd/internal/torture/plant"
	"github.com/freshet/freshet/featurestore"
)

const (
	// A burst has some days of the log's time, so that a seal makes a file of each.
	burst     = 150
	burstDays = 4
	burstStep = 2 * burstDays * featurestore.Day / burst
	lotBursts = 3
	killed    = 3 // commands in a round
	// The log's time must not come to now.
	twoRounds = (1 + killed) * lotBursts * burstDays
	otherDays = 40

	// Files are merged before they are old enough to be dropped.
	retained   = 20 * featurestore.Day // as below
	compacting = "ingest: {archive: {every: 100ms, keep_replaced: 2s, file_mib: 1, retention: 20d}}\n"
	resting    = "ingest: {archive: {every: 0s, keep_replaced: 2s, file_mib: 1, retention: 20d}}\n" // freshet archive compact does it
	atLast     = "ingest: {archive: {every: 0s, keep_replaced: 0s, file_mib: 1, retention: 20d}}\n"
)

// interrupted is what kills have left of compactions.
type interrupted struct {
	kills, middle int // middle are those that left a file which is not listed
	atrest.Left
}

// compactArchive merges and drops the files of the archive again and again, kills
// whoever does it in the middle, takes the log away up to where the archive ends,
// and empties the store: all comes from what was compacted.
func compactArchive(w *world) error {
	o := usual()
	o.mix.Users, o.mix.Pages, o.mix.Step = 12, 4, burstStep
	o.begins = time.Duration(2*w.bench.rounds*twoRounds+otherDays) * 24 * time.Hour
	o.definitions, o.settings = load.Bounded(w.name), compacting
	if err := w.open(o); err != nil {
		return err
	}
	if err := w.begin(2 * burst); err != nil {
		return err
	}
	left := &interrupted{}
	for round := range 4 * w.bench.rounds {
		interrupt, next := w.killOwner, resting
		if round%2 == 1 {
			interrupt, next = w.killCommand, compacting
		}
		if err := interrupt(left); err != nil {
			return err
		}
		if err := w.fromArchive(next, false); err != nil {
			return err
		}
	}
	if left.middle == 0 {
		return fmt.Errorf("none of %d kills came in the middle of a compaction", left.kills)
	}
	w.result.remark("%d kills, %d of them in the middle of a compaction: they left %d files half written, %d whole ones that were not listed, and %d that others had replaced",
		left.kills, left.middle, left.Unfinished, left.Unlisted, left.Replaced)
	if err := w.compactedWhole(); err != nil {
		return err
	}
	if err := w.fromArchive(resting, true); err != nil {
		return err
	}
	return w.compareAtRest()
}

// bursts produces, with pauses in which the ingester seals.
func (w *world) bursts() error {
	w.gen.Mix.Step = burstStep
	for range lotBursts {
		if err := w.produce(burst); err != nil {
			return err
		}
		w.pause(1500 * time.Millisecond)
	}
	w.gen.Mix.Step = load.UsualMix().Step // windows that hold something
	return w.produce(burst)
}

// killOwner kills the ingester while it compacts, under load.
func (w *world) killOwner(left *interrupted) error {
	flow := &flow{done: make(chan struct{})}
	go func() {
		defer close(flow.done)
		flow.err = w.bursts()
	}()
	seen, err := w.monthFiles()
	if err != nil {
		return err
	}
	err = w.until("the ingester compacts", patience, func() (bool, string) {
		begun, err := w.merging(seen)
		return begun, fmt.Sprintf("no merged file is written (%v)", err)
	})
	if err != nil {
		return errors.Join(err, flow.wait())
	}
	w.midway()
	if err := w.project.Ingesters[0].Kill(); err != nil {
		return err
	}
	w.struck()
	if err := errors.Join(w.note(left), flow.wait()); err != nil {
		return err
	}
	return w.compareArchive(false)
}

// note counts what a kill has left.
func (w *world) note(left *interrupted) error {
	var now atrest.Left
	for source := range w.lives {
		l, err := atrest.Leftovers(w.project.Dir, source)
		if err != nil {
			return err
		}
		now.Add(l)
	}
	left.Add(now)
	if left.kills++; now.Unfinished+now.Unlisted > 0 {
		left.middle++
	}
	return nil
}

// killCommand kills freshet archive compact, which works beside the ingester,
// several times, and then both.
func (w *world) killCommand(left *interrupted) error {
	for range killed {
		if err := w.bursts(); err != nil {
			return err
		}
		if err := w.sealed(); err != nil {
			return err
		}
		seen, err := w.monthFiles()
		if err != nil {
			return err
		}
		x := w.project.Command("compact", "archive", "compact")
		if err := x.Start(); err != nil {
			return err
		}
		w.atEnd(x.Kill)
		begun, err := w.compacts(x, seen)
		if err != nil {
			return err
		}
		if begun { // else it has had nothing to merge, and has ended
			w.midway()
		}
		if err := x.Kill(); err != nil {
			return err
		}
		w.struck()
		if err := w.note(left); err != nil {
			return err
		}
	}
	flow := w.flow(burst)
	w.pause(time.Duration(w.r.Int64N(int64(500 * time.Millisecond))))
	if err := w.project.Ingesters[0].Kill(); err != nil {
		return err
	}
	w.struck()
	if err := flow.wait(); err != nil {
		return err
	}
	return w.compareArchive(false)
}

// compacts waits until a process has begun to write a merged file; false where it
// has ended without.
func (w *world) compacts(x *plant.Process, seen monthFiles) (begun bool, err error) {
	for x.Running() && !begun && err == nil {
		begun, err = w.merging(seen)
	}
	return begun, err
}

// merging looks closely, for a moment, whether somebody begins to write a merged
// file: that takes a millisecond or two.
func (w *world) merging(seen monthFiles) (bool, error) {
	for begin := time.Now(); time.Since(begin) < 50*time.Millisecond; w.pause(200 * time.Microsecond) {
		now, err := w.monthFiles()
		if err != nil || now.beyond(seen) {
			return err == nil, err
		}
	}
	return false, w.ctx.Err()
}

// midway lets a compaction go on for a moment: every other time for none, so that
// it stands in the first file that it writes.
func (w *world) midway() {
	if w.r.IntN(2) == 0 {
		w.pause(time.Duration(w.r.Int64N(int64(60 * time.Millisecond))))
	}
}

// monthFiles are the files of whole months, temporary ones too: seals make none.
type monthFiles map[string]bool

func (w *world) monthFiles() (monthFiles, error) {
	out := monthFiles{}
	for source := range w.lives {
		folders, err := filepath.Glob(filepath.Join(atrest.Folder(w.project.Dir, source), "gen=*", "date=????-??"))
		if err != nil {
			return nil, err
		}
		for _, folder := range folders {
			list, err := os.ReadDir(folder)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, err
			}
			for _, entry := range list {
				out[filepath.Join(folder, entry.Name())] = true
			}
		}
	}
	return out, nil
}

// beyond reports whether there is one that was not there before.
func (m monthFiles) beyond(seen monthFiles) bool {
	for name := range m {
		if !seen[name] {
			return true
		}
	}
	return false
}
