// Package atomicfile writes files that are either whole or not there, whatever
// ends the process: temporary name, write, fsync, rename, fsync of the folder.
// It knows nothing of what is in them.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/zeebo/xxh3"
)

// Durability says what a written file survives.
type Durability uint8

// Durabilities.
const (
	PowerLoss Durability = iota // file and folder are fsynced
	Crash                       // the process may end at any point, the machine may not
)

// Step names what Write is about to do.
type Step string

// The steps of Write in their order, StepDone after the last; and that of Remove.
const (
	StepCreate  Step = "create"
	StepWrite   Step = "write"
	StepSync    Step = "sync"
	StepRename  Step = "rename"
	StepSyncDir Step = "syncdir"
	StepDone    Step = "done"
	StepRemove  Step = "remove"
)

// Disk writes files. Fault, where set, is called before each step, and an error
// of it ends the write there and leaves the disk as it then is: the way of
// tests to be killed at each point.
type Disk struct {
	Durability Durability
	Fault      func(step Step, path string) error
}

// Info is what was written.
type Info struct {
	Bytes int64
	XXH3  string // 64 bits, 16 hex digits
}

// bufferSize holds what small files are made of, and cuts calls for large ones.
const bufferSize = 64 << 10

// tempSuffix marks a file that is not finished.
const tempSuffix = ".tmp"

func temporary(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+tempSuffix)
}

// Target is the path that a write of this path would end in: the path without
// the marks of an unfinished write, where it has them, else the path itself.
func Target(path string) (target string, unfinished bool) {
	dir, name := filepath.Split(path)
	name, dotted := strings.CutPrefix(name, ".")
	name, marked := strings.CutSuffix(name, tempSuffix)
	if !dotted || !marked {
		return path, false
	}
	return dir + name, true
}

// Write makes the file at path of what fill writes, replacing one that is
// there. Folders are made as needed.
func (d *Disk) Write(path string, fill func(io.Writer) error) (Info, error) {
	info, err := d.write(path, fill)
	if err != nil {
		return Info{}, fmt.Errorf("writing %q: %w", path, err)
	}
	return info, nil
}

func (d *Disk) write(path string, fill func(io.Writer) error) (Info, error) {
	if err := d.step(StepCreate, path); err != nil {
		return Info{}, err
	}
	f, err := d.create(path)
	if err != nil {
		return Info{}, err
	}
	info, err := d.fill(f, path, fill)
	if err = errors.Join(err, f.Close()); err != nil {
		return Info{}, err
	}
	if err := d.step(StepRename, path); err != nil {
		return Info{}, err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return Info{}, err
	}
	if err := d.step(StepSyncDir, path); err != nil {
		return Info{}, err
	}
	if err := d.syncFolder(filepath.Dir(path)); err != nil {
		return Info{}, err
	}
	return info, d.step(StepDone, path)
}

// create opens the temporary file of a path. Somebody may remove a folder that is
// empty just as it is needed.
func (d *Disk) create(path string) (f *os.File, err error) {
	for range 10 {
		if err = d.MakeFolder(filepath.Dir(path)); err != nil {
			return nil, err
		}
		if f, err = os.Create(temporary(path)); !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	return nil, err
}

// Remove removes a file, and the folder that it leaves empty. One that is not there
// is none to remove. That it is gone may not survive a power loss.
func (d *Disk) Remove(path string) error {
	if err := d.step(StepRemove, path); err != nil {
		return fmt.Errorf("removing %q: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_ = os.Remove(filepath.Dir(path)) // it is not empty, in most cases
	return nil
}

func (d *Disk) fill(f *os.File, path string, fill func(io.Writer) error) (Info, error) {
	if err := d.step(StepWrite, path); err != nil {
		return Info{}, err
	}
	hash := xxh3.New()
	counter := &counting{w: io.MultiWriter(f, hash)}
	buffered := bufio.NewWriterSize(counter, bufferSize)
	if err := fill(buffered); err != nil {
		return Info{}, err
	}
	if err := buffered.Flush(); err != nil {
		return Info{}, err
	}
	if err := d.step(StepSync, path); err != nil {
		return Info{}, err
	}
	info := Info{Bytes: counter.n, XXH3: fmt.Sprintf("%016x", hash.Sum64())}
	if d.Durability == PowerLoss {
		return info, f.Sync()
	}
	return info, nil
}

type counting struct {
	w io.Writer
	n int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func (d *Disk) step(s Step, path string) error {
	if d.Fault == nil {
		return nil
	}
	return d.Fault(s, path)
}

// MakeFolder makes a folder and those above it; each new entry is durable.
func (d *Disk) MakeFolder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := d.MakeFolder(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.syncFolder(parent)
}

func (d *Disk) syncFolder(dir string) error {
	if d.Durability != PowerLoss {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Hash is the XXH3 of a file, as Info has it.
func Hash(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	hash := xxh3.New()
	_, err = io.Copy(hash, f)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	return fmt.Sprintf("%016x", hash.Sum64()), nil
}
