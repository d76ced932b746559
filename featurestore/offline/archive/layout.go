// Package archive is the form of archived events on disk: where files lie, the
// columns that they have, and the manifest that says what is complete. The
// writer (ingest/history) and the reader (offline/history) share it. It neither
// feeds nor merges.
//
// Layout, version 1, below the offline folder:
//
//	history/<source>/manifest-<generation>-<partition>.json
//	history/<source>/lock-<generation>-<partition>
//	history/<source>/gen=<generation>/date=<YYYY-MM-DD>/p<partition>-<from>-<to>.parquet
//
// Each partition has a manifest and a lock of its own, so that several processes
// archive one source, each its partitions. Releases before that kept one
// manifest.json for all partitions of a source: what it lists of a partition
// counts until that partition has a manifest of its own.
//
// date is the UTC date of the rows' log time, from the first offset of the file
// and to the one after its last. A file is sorted by offset, holds events of one
// partition and one date, and is never changed.
package archive

import (
	"fmt"
	"path/filepath"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline"
)

// Folder is the folder of a source below the offline folder.
func Folder(dir, source string) string { return filepath.Join(dir, "history", source) }

// sharedManifest is the manifest of all partitions that earlier releases wrote.
const sharedManifest = "manifest.json"

// ManifestName is the file name of a partition's manifest in the folder of its
// source.
func ManifestName(p offline.Partition) string {
	return fmt.Sprintf("manifest-%d-%d.json", p.Generation, p.Partition)
}

// LockName is the file name of a partition's lock.
func LockName(p offline.Partition) string {
	return fmt.Sprintf("lock-%d-%d", p.Generation, p.Partition)
}

// PartitionOf reads the partition of a file's path, as FileName made it.
func PartitionOf(name string) (p offline.Partition, ok bool) {
	var date string
	var offsets offline.Range
	_, err := fmt.Sscanf(name, fileForm, &p.Generation, &date, &p.Partition, &offsets.From, &offsets.To)
	return p, err == nil && name == fmt.Sprintf(fileForm, p.Generation, date, p.Partition, offsets.From, offsets.To)
}

// FileName is the path of a file relative to the folder of its source, with
// slashes.
func FileName(p offline.Partition, date Date, offsets offline.Range) string {
	return fmt.Sprintf(fileForm, p.Generation, date.String(), p.Partition, offsets.From, offsets.To)
}

// fileForm is the path of a file: generation, date, partition, first offset and
// the one after the last.
const fileForm = "gen=%d/date=%10s/p%d-%d-%d.parquet"

// Date is a UTC date: whole days since 1970-01-01.
type Date int64

// DateOf is the UTC date of a log time.
func DateOf(a featurestore.LogTime) Date {
	return Date(featurestore.Instant(a).Floor(featurestore.Day) / featurestore.Instant(featurestore.Day))
}

// String writes the date as 2013-01-31.
func (d Date) String() string {
	return (featurestore.Instant(d) * featurestore.Instant(featurestore.Day)).Time().Format("2006-01-02")
}
