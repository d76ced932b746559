// Package archive is the form of archived events on disk: where files lie, the
// columns that they have, and the manifest that says what is complete. The
// writer (ingest/history) and the reader (offline/history) share it. It neither
// feeds nor merges.
//
// Layout, version 1, below the offline folder:
//
//	history/<source>/manifest.json
//	history/<source>/gen=<generation>/date=<YYYY-MM-DD>/p<partition>-<from>-<to>.parquet
//
// date is the UTC date of the rows' log time, from the first offset of the file
// and to the one after its last. A file is sorted by offset, holds events of one
// partition and one date, and is never changed.
package archive

import (
	"fmt"
	"path"
	"path/filepath"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline"
)

// Folder is the folder of a source below the offline folder.
func Folder(dir, source string) string { return filepath.Join(dir, "history", source) }

// ManifestName is the file name of the manifest in the folder of a source.
const ManifestName = "manifest.json"

// FileName is the path of a file relative to the folder of its source, with
// slashes.
func FileName(p offline.Partition, date Date, offsets offline.Range) string {
	return path.Join(
		fmt.Sprintf("gen=%d", p.Generation), "date="+date.String(),
		fmt.Sprintf("p%d-%d-%d.parquet", p.Partition, offsets.From, offsets.To))
}

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
