package predictions

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshet/freshet/featurestore"
)

// The folders below the offline folder. A name that begins with _ is no
// service's.
const (
	folderName  = "predictions"
	outputsName = "_outputs"
	walName     = "_wal"

	parquetSuffix = ".parquet"
	segmentSuffix = ".seg"
)

// Folder is the folder of the prediction log below an offline folder.
func Folder(dir string) string { return filepath.Join(dir, folderName) }

// WALFolder is where the sessions of running servers write ahead, a folder each.
func WALFolder(dir string) string { return filepath.Join(dir, folderName, walName) }

// SegmentID names a write-ahead segment: the session that wrote it, and its
// number in it.
type SegmentID struct {
	Session string // 16 hex digits, random
	Number  int64  // from 1
}

// String is the id as file names carry it.
func (s SegmentID) String() string { return fmt.Sprintf("%s-%06d", s.Session, s.Number) }

// SegmentPath is the file of a segment.
func SegmentPath(dir string, s SegmentID) string {
	return filepath.Join(WALFolder(dir), s.Session, fmt.Sprintf("%06d%s", s.Number, segmentSuffix))
}

// SegmentNumber reads the number of a segment from the name of its file.
func SegmentNumber(name string) (int64, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, ok && err == nil && n > 0
}

// Sealed names one sealed file: what one segment holds of one schema. Schema 0 is
// the outputs of models. First and Last are the least and the greatest logged_at
// of its records.
type Sealed struct {
	Segment     SegmentID
	Schema      int
	First, Last featurestore.Instant
}

// instantLayout has no sign that stands between the parts of a name.
const (
	dateLayout    = "2006-01-02"
	instantLayout = "20060102T150405.000000Z"
)

// Path is the file below the offline folder: the same for the same segment, so
// that sealing again replaces it. It stands under the date on which it begins; a
// replay's segment can reach far into the days after. service is "" for outputs.
func (s Sealed) Path(dir, service string) string {
	if s.Schema == 0 {
		service = outputsName
	}
	return filepath.Join(Folder(dir), service, "date="+s.First.Time().Format(dateLayout),
		fmt.Sprintf("%s-%s-%s-%d%s", s.First.Time().Format(instantLayout), s.Last.Time().Format(instantLayout), s.Segment, s.Schema, parquetSuffix))
}

// key is what a sealed file and the records that it was made of have in common.
type key struct {
	segment SegmentID
	schema  int
}

// sealedFile is one file as it was found.
type sealedFile struct {
	path string
	name Sealed
}

// sealedFiles lists the sealed files of a service that a range touches, in the
// order of (date, name): by their first records.
func sealedFiles(dir, service string, within Range) ([]sealedFile, error) {
	root := filepath.Join(Folder(dir), service)
	dates, err := readDir(root)
	if err != nil {
		return nil, err
	}
	var out []sealedFile
	for _, d := range dates {
		if !strings.HasPrefix(d, "date=") {
			continue
		}
		names, err := readDir(filepath.Join(root, d))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if s, ok := parseName(name); ok && within.touches(s.First, s.Last) {
				out = append(out, sealedFile{filepath.Join(root, d, name), s})
			}
		}
	}
	return out, nil
}

// readDir gives the names in a folder, ascending; none where there is no folder.
func readDir(path string) ([]string, error) {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, featurestore.Unavailablef("the prediction log cannot be read: %w", err)
	}
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = e.Name()
	}
	slices.Sort(out)
	return out, nil
}

// parseName reads <first>-<last>-<session>-<number>-<schema>.parquet.
func parseName(name string) (Sealed, bool) {
	text, ok := strings.CutSuffix(name, parquetSuffix)
	parts := strings.Split(text, "-")
	if !ok || len(parts) != 5 {
		return Sealed{}, false
	}
	first, err1 := time.Parse(instantLayout, parts[0])
	last, err2 := time.Parse(instantLayout, parts[1])
	number, err3 := strconv.ParseInt(parts[3], 10, 64)
	schema, err4 := strconv.Atoi(parts[4])
	return Sealed{
		Segment: SegmentID{parts[2], number}, Schema: schema, First: featurestore.InstantOf(first), Last: featurestore.InstantOf(last),
	}, errors.Join(err1, err2, err3, err4) == nil
}

// Range is a half-open range of logged_at; nil leaves a side open.
type Range struct{ From, To *featurestore.Instant }

// Contains reports whether an instant lies in the range.
func (r Range) Contains(t featurestore.Instant) bool {
	return (r.From == nil || t >= *r.From) && (r.To == nil || t < *r.To)
}

// touches reports whether anything from first to last can lie in the range.
func (r Range) touches(first, last featurestore.Instant) bool {
	return (r.From == nil || last >= *r.From) && (r.To == nil || first < *r.To)
}
