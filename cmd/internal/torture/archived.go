package main

import (
	"errors"
	"fmt"

	"github.com/freshet/freshet/cmd/internal/torture/atrest"
	"github.com/freshet/freshet/cmd/internal/torture/load"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
)

// sealed waits until all that was produced is at rest.
func (w *world) sealed() error {
	return w.until("all that was produced is at rest", patience, func() (bool, string) {
		for _, p := range w.ledger.Partitions() {
			known, err := atrest.Known(w.project.Dir, p.Source, offline.Partition{Generation: p.Generation, Partition: p.Number})
			if err != nil {
				return false, err.Error()
			}
			if end := w.ledger.End(p); len(known) != 1 || known[0].To != end {
				return false, fmt.Sprintf("of %v, which ends at %d, %v is at rest", p, end, known)
			}
		}
		return true, ""
	})
}

// compareArchive compares every row at rest with what was sent, while nobody writes
// there: from the first offset that retention has not dropped to where the archive
// ends, each once. whole says that it must end where the log does, and hold no file
// that is not listed.
func (w *world) compareArchive(whole bool) error {
	merged := 0
	w.dropped = map[load.Partition]int64{}
	for _, s := range w.sources() {
		x, err := atrest.Read(w.project.Dir, s)
		if err != nil {
			w.mismatch("what is at rest of %s: %v", s.Name, err)
			continue
		}
		if n := x.Unfinished + x.Unlisted + x.Others + x.Replaced; whole && n > 0 {
			w.mismatch("%d files of %s lie in the archive and are not listed", n, s.Name)
		}
		for _, p := range w.ledger.Partitions() {
			if part := x.Parts[offline.Partition{Generation: p.Generation, Partition: p.Number}]; p.Source == s.Name && part != nil {
				merged += part.Merged
				w.compareAtRestOf(p, s, part, whole)
			} else if p.Source == s.Name && whole {
				w.mismatch("nothing is at rest of %v", p)
			}
		}
	}
	if whole && merged == 0 {
		return errors.New("the archive holds no merged file")
	}
	return nil
}

// sources are those of the views.
func (w *world) sources() (out []*definition.StreamSource) {
	seen := map[string]bool{}
	for _, v := range w.defs.StreamViews {
		for _, b := range v.Bindings {
			if !seen[b.Source.Name] {
				seen[b.Source.Name] = true
				out = append(out, b.Source)
			}
		}
	}
	return out
}

func (w *world) compareAtRestOf(p load.Partition, s *definition.StreamSource, part *atrest.Part, whole bool) {
	end := w.ledger.End(p)
	if len(part.Known) != 1 || part.Known[0].From != 0 || part.Known[0].To > end || whole && part.Known[0].To != end {
		w.mismatch("of %v, which ends at %d, these offsets are at rest or dropped: %v", p, end, part.Known)
		return
	}
	if len(part.Dropped) > 1 || len(part.Dropped) == 1 && part.Dropped[0].From != 0 {
		w.mismatch("of %v, these offsets were dropped: %v", p, part.Dropped)
		return
	}
	if len(part.Dropped) == 1 {
		w.dropped[p] = part.Dropped[0].To
	}
	for _, e := range w.ledger.Archived(p, s, 0, w.dropped[p]) {
		if w.result.Compared++; max(featurestore.Instant(e.Time), featurestore.Instant(e.LogTime)) >= w.ledger.Newest()-w.keeps() {
			w.mismatch("offset %d of %v was dropped, and is of %s", e.Offset, p, e.Time)
		}
	}
	rows := part.Rows
	for _, want := range w.ledger.Archived(p, s, w.dropped[p], part.Known[0].To) {
		for len(rows) > 0 && rows[0].Offset < want.Offset {
			w.mismatch("offset %d of %v is at rest twice, or is no event: in %s", rows[0].Offset, p, rows[0].File)
			rows = rows[1:]
		}
		if len(rows) == 0 || rows[0].Offset > want.Offset {
			w.mismatch("offset %d of %v is not at rest", want.Offset, p)
			continue
		}
		w.judgeArchived(p, s, &want, &rows[0])
		rows = rows[1:]
	}
	for i := range rows {
		w.mismatch("offset %d of %v is at rest twice, or is no event: in %s", rows[i].Offset, p, rows[i].File)
	}
}

func (w *world) judgeArchived(p load.Partition, s *definition.StreamSource, want *load.Archived, have *atrest.Row) {
	w.result.Compared += int64(3 + len(want.Values))
	if have.Time != want.Time || have.LogTime != want.LogTime || have.Late != want.Late {
		w.mismatch("offset %d of %v is of %s and %s (late: %t) at rest, it was sent with %s and %s (%t)", want.Offset, p, have.Time, have.LogTime, have.Late, want.Time, want.LogTime, want.Late)
	}
	for i := range want.Values {
		if t := s.Fields[i].Type; !have.Values[i].Equal(want.Values[i]) {
			w.mismatch("%s at offset %d of %v is %s at rest, it was sent as %s", s.Fields[i].Name, want.Offset, p, have.Values[i].Text(t), want.Values[i].Text(t))
		}
	}
}

// keeps is for how long retention keeps events: as its setting says, and as far as a
// view reads and two days.
func (w *world) keeps() featurestore.Instant {
	most := featurestore.Duration(retained)
	for _, v := range w.defs.StreamViews {
		if back, bounded := v.Plan.Retention(); bounded {
			most = max(most, back+2*featurestore.Day)
		}
	}
	return featurestore.Instant(most)
}

// compactedWhole ends the ingester in order and compacts to the end: every event is
// in one listed file, and no other file is left.
func (w *world) compactedWhole() error {
	if err := w.bursts(); err != nil {
		return err
	}
	if err := w.settled(); err != nil {
		return err
	}
	if err := w.project.Ingesters[0].Stop(); err != nil {
		return err
	}
	if err := w.project.Settings(atLast); err != nil {
		return err
	}
	if _, err := w.project.Run(w.ctx, "archive", "compact"); err != nil {
		return err
	}
	if err := w.compareArchive(true); err != nil {
		return err
	}
	var rows int64
	for _, to := range w.dropped {
		rows += to
	}
	if rows == 0 {
		return errors.New("retention has dropped nothing")
	}
	w.result.remark("retention dropped %d of %d offsets", rows, w.ledger.Records())
	return nil
}

// fromArchive takes the log away up to where the archive ends, empties the store,
// and starts the ingester: what the store holds then comes from the archive.
func (w *world) fromArchive(settings string, whole bool) error {
	for _, p := range w.ledger.Partitions() {
		known, err := atrest.Known(w.project.Dir, p.Source, offline.Partition{Generation: p.Generation, Partition: p.Number})
		if err != nil {
			return err
		}
		if len(known) != 1 || whole && known[0].To != w.ledger.End(p) {
			return fmt.Errorf("of %v, which ends at %d, %v is at rest", p, w.ledger.End(p), known)
		}
		if err := w.kafka.DeleteRecords(w.ctx, w.topic(p.Source), p.Number, known[0].To); err != nil {
			return err
		}
	}
	if err := w.redis.Flush(w.ctx); err != nil {
		return err
	}
	w.struck()
	if err := errors.Join(w.project.Settings(settings), w.project.Ingesters[0].Start()); err != nil {
		return err
	}
	if err := w.rebuilt(); err != nil {
		return err
	}
	return w.right()
}
