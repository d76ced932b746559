package history

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/offline/columnfile"
)

// job is what one seal makes durable: rows, and the offsets that are complete
// with them. done, where there is one, is told the outcome.
type job struct {
	rows     *buffers
	complete map[offline.Partition]offline.Range
	done     chan<- error
}

// seal hands the active buffers to the sealing goroutine and goes on with the
// others, once they are free.
func (w *Writer) seal(done chan<- error) error {
	w.mu.Lock()
	failed := w.failed
	w.mu.Unlock()
	if failed != nil {
		return failed
	}
	complete := map[offline.Partition]offline.Range{}
	for p, f := range w.feeds {
		if f.from < f.next {
			complete[p] = offline.Range{From: f.from, To: f.next}
			f.from = f.next
		}
	}
	w.rests.hurry.Store(true)
	w.jobs <- job{rows: w.active, complete: complete, done: done}
	w.active = <-w.spare
	w.rests.hurry.Store(false)
	return nil
}

// sealing runs until the jobs are closed. After a failure it only answers: a
// later seal must not make offsets complete behind a hole.
func (w *Writer) sealing() {
	defer close(w.ended)
	for j := range w.jobs {
		w.mu.Lock()
		err := w.failed
		w.mu.Unlock()
		if err == nil {
			err = w.runJob(&j)
		}
		j.rows.reset()
		w.spare <- j.rows
		if j.done != nil {
			j.done <- err
		}
	}
}

func (w *Writer) runJob(j *job) error {
	err := w.write(j)
	if err != nil {
		err = featurestore.Unavailablef("archiving source %q: %w", w.o.Source.Name, err)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.failed = err
	}
	return err
}

// write seals the rows, partition by partition. Only this goroutine replaces a
// manifest that is held.
func (w *Writer) write(j *job) error {
	for p := range j.rows.of {
		if j.rows.of[p].Len() > 0 && j.complete[p].Empty() {
			return fmt.Errorf("generation %d, partition %d has rows in no complete range", p.Generation, p.Partition)
		}
	}
	parts := slices.SortedFunc(maps.Keys(j.complete), func(a, b offline.Partition) int {
		return cmp.Or(cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.Partition, b.Partition))
	})
	for _, p := range parts {
		if err := w.writePartition(j, p); err != nil {
			return err
		}
	}
	return nil
}

// writePartition seals the rows of a partition into files, then lists them: in
// this order, so that what is listed is there.
func (w *Writer) writePartition(j *job, p offline.Partition) error {
	var sealed []archive.File
	if rows := j.rows.of[p]; rows != nil && rows.Len() > 0 {
		for _, day := range days(rows) {
			f, err := w.writeFile(p, rows, &day)
			if err != nil {
				return err
			}
			sealed = append(sealed, f)
		}
	}
	return w.list(p, j.complete[p], sealed)
}

// list adds to the manifest, as it is by now, what was sealed.
func (w *Writer) list(p offline.Partition, complete offline.Range, sealed []archive.File) (err error) {
	unlock, err := w.change.hold(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	m, err := archive.LoadPartition(w.o.Dir, w.o.Source.Name, p)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if lastOf(m.Known(p)) < lastOf(w.manifests[p].Known(p)) {
		return featurestore.Invalidf("the manifest of generation %d, partition %d lists less than before: restore it, or move its folder away to archive from the log again", p.Generation, p.Partition)
	}
	m.AddComplete(p, complete)
	if len(sealed) > 0 {
		m.Version = max(m.Version, archive.Version(w.o.Source))
	}
	for _, f := range sealed {
		m.AddFile(f)
	}
	if err := m.Store(&w.o.Disk, w.o.Dir, p); err != nil {
		return err
	}
	w.manifests[p] = m
	return nil
}

// lastOf is the end of ascending ranges; 0 for none.
func lastOf(ranges []offline.Range) int64 {
	if len(ranges) == 0 {
		return 0
	}
	return ranges[len(ranges)-1].To
}

func (w *Writer) writeFile(p offline.Partition, b *buffer, day *dayRows) (archive.File, error) {
	first, last := day.spans[0].from, day.spans[len(day.spans)-1].to-1
	f := archive.File{
		Generation: p.Generation, Partition: p.Partition,
		From: b.Offsets()[first], To: b.Offsets()[last] + 1, Rows: int64(day.rows),
		MinEventTime: int64(b.Times()[first]), MaxEventTime: int64(b.Times()[first]),
		MinLogTime: int64(b.LogTimes()[first]), MaxLogTime: int64(b.LogTimes()[first]),
	}
	for _, s := range day.spans {
		times, logs := b.Times()[s.from:s.to], b.LogTimes()[s.from:s.to]
		f.MinEventTime, f.MaxEventTime = min(f.MinEventTime, int64(slices.Min(times))), max(f.MaxEventTime, int64(slices.Max(times)))
		f.MinLogTime, f.MaxLogTime = min(f.MinLogTime, int64(slices.Min(logs))), max(f.MaxLogTime, int64(slices.Max(logs)))
	}
	f.Path = archive.FileName(p, day.date.String(), offline.Range{From: f.From, To: f.To})
	info, err := w.o.Disk.Write(filepath.Join(w.folder, filepath.FromSlash(f.Path)), func(out io.Writer) error {
		return w.writeColumns(out, b, day, p.Partition)
	})
	f.Bytes, f.XXH3 = info.Bytes, info.XXH3
	return f, err
}

// writeColumns writes the rows of a day as one row group.
func (w *Writer) writeColumns(out io.Writer, b *buffer, day *dayRows, partition int32) error {
	layout, err := w.layoutOf(b, day)
	if err != nil {
		return err
	}
	file, err := columnfile.Begin(out, layout, w.pages.buffers)
	if err != nil {
		return err
	}
	system := archive.SystemColumns(w.o.Source)
	for i := range system + len(w.o.Source.Fields) {
		column, err := file.Next()
		switch {
		case err != nil:
		case i < system:
			err = w.pages.writeSystem(column, b, day.spans, i, partition)
		default:
			err = w.pages.writeField(column, b.Field(i-system), day.spans)
		}
		if err != nil {
			return fmt.Errorf("column %d: %w", i, err)
		}
	}
	return file.Close()
}
