package history

import (
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
)

// drop takes the first files off the list whose rows are all older than what is
// kept, with the offsets that they make complete. The manifest says that they were
// there: what is dropped is not lost. The files stay for those who read them.
func (c *compacting) drop(p offline.Partition) error {
	if c.KeepFrom == 0 {
		return nil
	}
	return c.change(p, func(m *archive.Manifest) (bool, error) {
		files, to := droppable(m, int64(c.KeepFrom))
		if len(files) == 0 {
			return false, nil
		}
		m.Drop(p, files, to, c.Now)
		c.done.Dropped += len(files)
		for i := range files {
			c.done.DroppedRows += files[i].Rows
		}
		return true, nil
	})
}

// droppable are the files of a partition that hold nothing from a time on, up to
// the first one that does, and the offset behind them. The last file stays, so that
// it is known how far the partition was archived.
func droppable(m *archive.Manifest, keepFrom int64) (files []archive.File, to int64) {
	if len(m.Files) == 0 {
		return nil, 0
	}
	last := 0
	for i := range m.Files {
		if m.Files[i].To > m.Files[last].To {
			last = i
		}
	}
	bound := m.Files[last].From
	for i := range m.Files {
		if f := &m.Files[i]; f.MaxLogTime >= keepFrom || f.MaxEventTime >= keepFrom {
			bound = min(bound, f.From)
		}
	}
	for i := range m.Files {
		if f := &m.Files[i]; f.To <= bound && i != last {
			files = append(files, *f)
			to = max(to, f.To)
		}
	}
	return files, to
}
