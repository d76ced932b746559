package predlog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
	"github.com/freshet/freshet/featurestore/predictions"
)

// sealAgainAfter is how long the sealer waits after an error of the disk.
const sealAgainAfter = 2 * time.Second

// sealing runs until it is stopped. left is what could not be recovered yet.
func (l *Logger) sealing(left error) {
	defer close(l.sealerEnded)
	again := time.NewTimer(sealAgainAfter)
	defer again.Stop()
	if left == nil {
		again.Stop()
	}
	for {
		select {
		case done := <-l.jobs:
			err := l.sealOwn()
			if err != nil {
				again.Reset(sealAgainAfter)
			}
			if done != nil {
				done <- err
			}
		case <-again.C:
			if errors.Join(l.sealOwn(), l.recoverOthers()) != nil {
				again.Reset(sealAgainAfter)
			}
		case <-l.stopSeal:
			return
		}
	}
}

// sealOwn seals the whole segments of this process. One that fails is left where
// it is and does not hold the others up.
func (l *Logger) sealOwn() error {
	return l.counted(l.sealAll(l.session.id, func(number int64) bool { return number <= l.closedThrough.Load() }, false))
}

// recoverOthers seals what processes left that have ended.
func (l *Logger) recoverOthers() error {
	return l.counted(eachLeft(l.o.Dir, l.session.id, func(id string) error {
		return l.sealAll(id, func(int64) bool { return true }, true)
	}))
}

func (l *Logger) counted(err error) error {
	if err != nil {
		l.stats.fail(err)
	}
	return err
}

func (l *Logger) sealAll(session string, whole func(number int64) bool, recovered bool) error {
	numbers, err := segmentsOf(l.o.Dir, session)
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range numbers {
		if !whole(n) {
			continue
		}
		report, err := sealSegment(&l.o.Disk, l.o.Dir, predictions.SegmentID{Session: session, Number: n})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		l.stats.sealed.Add(report.rows)
		l.stats.files.Add(report.files)
		l.stats.torn.Add(int64(report.torn))
		l.stats.damaged.Add(int64(report.damaged))
		if recovered {
			l.stats.recovered.Add(report.rows)
		}
	}
	return errors.Join(errs...)
}

// sealReport is what a segment held.
type sealReport struct {
	rows, files   int64
	torn, damaged int
}

// sealSegment writes what a segment holds into Parquet, a file a schema, and then
// removes it. Killed anywhere in between, it does the same again:
// the files have the same names and bytes.
func sealSegment(disk *atomicfile.Disk, dir string, id predictions.SegmentID) (sealReport, error) {
	path := predictions.SegmentPath(dir, id)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return sealReport{}, nil
	}
	if err != nil {
		return sealReport{}, featurestore.Unavailablef("sealing the prediction log: %w", err)
	}
	segment, err := predictions.ReadSegment(data)
	if err != nil {
		return sealReport{}, fmt.Errorf("sealing segment %s of the prediction log: %w", id, err)
	}
	report := sealReport{torn: segment.Torn, damaged: segment.Damaged}
	groups := groupsOf(segment)
	for _, schema := range slices.Sorted(maps.Keys(groups)) {
		if err := writeGroup(disk, dir, id, groups[schema]); err != nil {
			return sealReport{}, featurestore.Unavailablef("sealing segment %s of the prediction log: %w", id, err)
		}
		report.files++
		for _, rec := range groups[schema] {
			report.rows += int64(rec.Rows)
		}
	}
	if err := os.Remove(path); err != nil {
		return sealReport{}, featurestore.Unavailablef("sealing segment %s of the prediction log: %w", id, err)
	}
	return report, nil
}

// groupsOf splits the records of a segment by schema: each is a file.
func groupsOf(s *predictions.Segment) map[int][]*predictions.Record {
	out := map[int][]*predictions.Record{}
	for i := range s.Records {
		rec := &s.Records[i]
		out[rec.Schema] = append(out[rec.Schema], rec)
	}
	return out
}

func writeGroup(disk *atomicfile.Disk, dir string, id predictions.SegmentID, records []*predictions.Record) error {
	first := records[0]
	sealed := predictions.Sealed{Segment: id, Schema: first.Schema, First: first.LoggedAt, Last: first.LoggedAt}
	for _, rec := range records {
		sealed.First, sealed.Last = min(sealed.First, rec.LoggedAt), max(sealed.Last, rec.LoggedAt)
	}
	service, write := "", writeOutputs
	if first.Header != nil {
		service, write = first.Header.Service, writeRows
	}
	_, err := disk.Write(sealed.Path(dir, service), func(out io.Writer) error { return write(out, records) })
	return err
}

func writeRows(out io.Writer, records []*predictions.Record) error {
	w := predictions.NewWriter(out, records[0].Header)
	for _, rec := range records {
		l, err := rec.Lookup()
		if err != nil {
			return err
		}
		for i := range l.Rows() {
			if err := w.Append(l.Row(i)); err != nil {
				return err
			}
		}
	}
	return w.Close()
}

func writeOutputs(out io.Writer, records []*predictions.Record) error {
	w := predictions.NewOutputsWriter(out)
	for _, rec := range records {
		p, err := rec.Prediction()
		if err != nil {
			return err
		}
		if err := w.Append(p); err != nil {
			return err
		}
	}
	return w.Close()
}
