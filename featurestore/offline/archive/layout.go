// Package archive is the form of archived events on disk: where files lie, the
// columns that they have, and the manifest that says what is complete. The
// writer (ingest/history) and the reader (offline/history) share it. It neither
// feeds nor merges.
//
// Layout, below the offline folder:
//
//	history/<source>/manifest-<generation>-<partition>.json
//	history/<source>/lock-<generation>-<partition>      held by who archives the partition
//	history/<source>/heed-<generation>-<partition>      held beside it, by releases that read the manifest before they replace it
//	history/<source>/change-<generation>-<partition>    held while its manifest is replaced
//	history/<source>/compact-<generation>-<partition>   held by who compacts it
//	history/<source>/gen=<generation>/date=<YYYY-MM-DD>/p<partition>-<from>-<to>.parquet
//	history/<source>/gen=<generation>/date=<YYYY-MM>/p<partition>-<from>-<to>.parquet
//	history/<source>/gen=<generation>/date=…/p<partition>-<from>-<to>-e<edition>.parquet
//
// Each partition has a manifest and a lock of its own, so that several processes
// archive one source, each its partitions. Releases before that kept one
// manifest.json for all partitions of a source: what it lists of a partition
// counts until that partition has a manifest of its own.
//
// date is the UTC date of the rows' log time, or its month for a file that was made
// of several days' (since version 3); from is the first offset of the file and to
// the one after its last. A file is sorted by offset, holds events of one partition
// and period, and is never changed: compaction and retention replace the list. An
// edition (since version 4) is a file whose rows are those of the one before it, with
// fields in addition that were read again from the log.
package archive

import (
	"fmt"
	"path/filepath"
	"strings"

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

// ChangeName is the file name of the lock under which a partition's manifest is
// read and replaced.
func ChangeName(p offline.Partition) string {
	return fmt.Sprintf("change-%d-%d", p.Generation, p.Partition)
}

// HeedName is the file name of the lock by which who archives a partition says that
// others may replace the manifest, too. Releases before version 3 do not.
func HeedName(p offline.Partition) string {
	return fmt.Sprintf("heed-%d-%d", p.Generation, p.Partition)
}

// CompactName is the file name of the lock of who compacts a partition.
func CompactName(p offline.Partition) string {
	return fmt.Sprintf("compact-%d-%d", p.Generation, p.Partition)
}

// ParseName reads the partition and the offsets of a file's path, as EditionName made
// it.
func ParseName(name string) (p offline.Partition, offsets offline.Range, ok bool) {
	parts := strings.Split(name, "/")
	if len(parts) != 3 {
		return p, offsets, false
	}
	period, dated := strings.CutPrefix(parts[1], "date=")
	_, badGeneration := fmt.Sscanf(parts[0], "gen=%d", &p.Generation)
	_, badFile := fmt.Sscanf(parts[2], "p%d-%d-%d", &p.Partition, &offsets.From, &offsets.To)
	edition := int64(0)
	if _, suffix, again := strings.Cut(parts[2], "-e"); again {
		_, _ = fmt.Sscanf(suffix, "%d", &edition) // the whole name is compared below
	}
	ok = dated && badGeneration == nil && badFile == nil && name == EditionName(p, period, offsets, edition)
	return p, offsets, ok
}

// FileName is the path of a file relative to the folder of its source, with
// slashes.
func FileName(p offline.Partition, period string, offsets offline.Range) string {
	return EditionName(p, period, offsets, 0)
}

// EditionName is FileName of an edition; 0 is the file as it was sealed or merged.
func EditionName(p offline.Partition, period string, offsets offline.Range, edition int64) string {
	name := fmt.Sprintf("gen=%d/date=%s/p%d-%d-%d", p.Generation, period, p.Partition, offsets.From, offsets.To)
	if edition > 0 {
		name = fmt.Sprintf("%s-e%d", name, edition)
	}
	return name + ".parquet"
}

// PeriodOf is the period of a file whose rows have log times from first to last:
// their date, or their month where they are of several dates. ok is false for
// times of several months.
func PeriodOf(first, last featurestore.LogTime) (period string, ok bool) {
	a, b := DateOf(first), DateOf(last)
	if a == b {
		return a.String(), true
	}
	return a.Month(), a.Month() == b.Month()
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

// Month writes the month of the date as 2013-01.
func (d Date) Month() string { return d.String()[:len("2006-01")] }
