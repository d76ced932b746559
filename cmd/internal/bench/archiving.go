//go:build unix

package main

import (
	"errors"
	"os"
	"sync"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
	"github.com/freshet/freshet/ingest/history"
)

// archiver brings an opponent's events to rest as ours does. With it, the ceiling is
// that of a program which loses no event, but folds nothing and checks nothing.
type archiver struct {
	source *definition.StreamSource
	dir    string

	mu     sync.Mutex // partitions share a writer
	writer *history.Writer
}

func newArchiver(source *definition.StreamSource, partitions int) (*archiver, error) {
	dir, err := os.MkdirTemp("", "freshet-bench-archive-")
	if err != nil {
		return nil, err
	}
	a := &archiver{source: source, dir: dir}
	if a.writer, err = history.Open(history.Options{Dir: dir, Source: source, Disk: atomicfile.Disk{Durability: atomicfile.Crash}}); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	for number := range partitions {
		if err := a.writer.Begin(offline.Partition{Generation: 1, Partition: int32(number)}, 0); err != nil {
			return nil, errors.Join(err, a.close())
		}
	}
	return a, nil
}

// take appends events of one partition; columns are the caller's memory for it.
func (a *archiver) take(columns *columnar.Events, events []featurestore.Event) error {
	columns.Reset()
	for i := range events {
		events[i].Generation = 1
		if err := columns.Append(&events[i]); err != nil {
			return err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.writer.Append(columns)
}

func (a *archiver) close() error { return errors.Join(a.writer.Close(), os.RemoveAll(a.dir)) }
