package verify

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/files"
	"github.com/freshet/freshet/featurestore/offline/runs"
)

// offerLeft offers the entities of older runs that the newest run, that with the
// greatest cutoff, has no row of. Without aggregates what any run brought stays
// online, and there are none.
func (c *Checker) offerLeft(v *definition.BatchView, recorded []runs.Run, pick *chosen) error {
	if len(v.Aggregates) == 0 || len(recorded) == 0 {
		return nil
	}
	newest := newestOf(recorded)
	if there, err := c.there(newest); err != nil || !there {
		return err
	}
	for _, r := range recorded {
		if r.ID == newest.ID {
			continue
		}
		if there, err := c.there(r); err != nil {
			return err
		} else if !there {
			continue
		}
		if err := c.offerMissing(v, r, newest, pick); err != nil {
			return err
		}
	}
	return nil
}

// newestOf is the run with the greatest cutoff, of equal ones the later.
func newestOf(recorded []runs.Run) runs.Run {
	return slices.MaxFunc(recorded, func(a, b runs.Run) int {
		return cmp.Or(cmp.Compare(a.Cutoff, b.Cutoff), cmp.Compare(a.Completed, b.Completed))
	})
}

// there reports whether a run's files are; who has cleared them away is told.
func (c *Checker) there(run runs.Run) (bool, error) {
	for _, f := range run.Files {
		_, err := os.Stat(filepath.Join(c.Dir, filepath.FromSlash(f.Path)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			c.note("%s: %s is not there any more: entities that have left since are not looked at", run.View, f.Path)
			return false, nil
		case err != nil:
			return false, err
		}
	}
	return true, nil
}

// offerMissing offers the keys of a run that another has not. Both files ascend
// by key.
func (c *Checker) offerMissing(v *definition.BatchView, run, in runs.Run, pick *chosen) (err error) {
	from, other := c.keysOf(v, run), c.keysOf(v, in)
	defer func() { err = errors.Join(err, from.close(), other.close()) }()
	for from.next() {
		for !other.ended && string(other.key) < string(from.key) {
			other.next()
		}
		if other.ended || string(other.key) != string(from.key) {
			pick.offer(from.key)
		}
	}
	return errors.Join(from.err, other.err)
}

// runKeys are the encoded keys of the rows that a run wrote, in order.
type runKeys struct {
	dir   string
	files []runs.File // that are still to be read
	spec  files.Spec
	types []featurestore.Type
	open  *files.Reader
	rows  []files.Row
	key   []byte
	ended bool // also by an error
	err   error
}

// keysOf stands before the first key.
func (c *Checker) keysOf(v *definition.BatchView, run runs.Run) *runKeys {
	k := &runKeys{dir: c.Dir, files: run.Files, types: keyTypes(v.Entity)}
	k.spec = files.Spec{Format: definition.Parquet, Time: definition.TimeSpec{Name: "row__time", Format: definition.FormatNative}}
	for _, key := range v.Entity.Keys {
		k.spec.Fields = append(k.spec.Fields, definition.Field{Name: "key__" + key.Name, Type: key.Type})
	}
	return k
}

// next steps to the next key; false is the end.
func (k *runKeys) next() bool {
	for len(k.rows) == 0 && !k.ended {
		if err := k.page(); err != nil {
			k.err, k.ended = err, true
		}
	}
	if k.ended {
		return false
	}
	row := &k.rows[0]
	k.rows = k.rows[1:]
	if row.Problem != "" {
		k.err, k.ended = featurestore.Invalidf("row %d of a run is unreadable: %s", row.Number, row.Problem), true
		return false
	}
	if k.key, k.err = codec.AppendKey(k.key[:0], k.types, row.Fields); k.err != nil {
		k.ended = true
	}
	return !k.ended
}

// page reads the next rows.
func (k *runKeys) page() error {
	if k.open == nil {
		if len(k.files) == 0 {
			k.ended = true
			return nil
		}
		path := k.files[0].Path
		k.files = k.files[1:]
		in, err := files.Open(filepath.Join(k.dir, filepath.FromSlash(path)), path, k.spec)
		if err != nil {
			return err
		}
		k.open = in
	}
	rows, err := k.open.Next()
	if errors.Is(err, io.EOF) {
		return k.close()
	}
	k.rows = rows
	return err
}

func (k *runKeys) close() error {
	if k.open == nil {
		return nil
	}
	err := k.open.Close()
	k.open = nil
	return err
}
