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

// Sealed names one sealed file: what one segment holds of one schema and date.
// Schema 0 is the outputs of models.
type Sealed struct {
	Segment SegmentID
	Schema  int
	Date    featurestore.Instant // midnight, UTC
	First   featurestore.Instant // the first logged_at of the file
}

const dateLayout, firstLayout = "2006-01-02", "20060102T150405.000000Z"

// DateOf is the date under which a record stands.
func DateOf(loggedAt featurestore.Instant) featurestore.Instant {
	return loggedAt.Floor(featurestore.Day)
}

// Path is the file below the offline folder: the same for the same segment, so
// that sealing again replaces it. service is "" for outputs.
func (s Sealed) Path(dir, service string) string {
	if s.Schema == 0 {
		service = outputsName
	}
	return filepath.Join(Folder(dir), service, "date="+s.Date.Time().Format(dateLayout),
		fmt.Sprintf("%s-%s-%d%s", s.First.Time().Format(firstLayout), s.Segment, s.Schema, parquetSuffix))
}

// key is what a sealed file and the records that it was made of have in common.
type key struct {
	segment SegmentID
	schema  int
	date    featurestore.Instant
}

// sealedFile is one file as it was found.
type sealedFile struct {
	path string
	key  key
}

// sealedFiles lists the sealed files of a service in the order of (date, name),
// of the dates that a range touches.
func sealedFiles(dir, service string, within Range) ([]sealedFile, error) {
	root := filepath.Join(Folder(dir), service)
	dates, err := readDir(root)
	if err != nil {
		return nil, err
	}
	var out []sealedFile
	for _, d := range dates {
		date, ok := parseDate(d)
		if !ok || !within.touches(date) {
			continue
		}
		names, err := readDir(filepath.Join(root, d))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if k, ok := parseName(name); ok {
				k.date = date
				out = append(out, sealedFile{filepath.Join(root, d, name), k})
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

func parseDate(folder string) (featurestore.Instant, bool) {
	text, ok := strings.CutPrefix(folder, "date=")
	if !ok {
		return 0, false
	}
	t, err := featurestore.ParseInstant(text + "T00:00:00Z")
	return t, err == nil
}

// parseName reads <first>-<session>-<number>-<schema>.parquet.
func parseName(name string) (key, bool) {
	text, ok := strings.CutSuffix(name, parquetSuffix)
	parts := strings.Split(text, "-")
	if !ok || len(parts) != 4 {
		return key{}, false
	}
	number, err1 := strconv.ParseInt(parts[2], 10, 64)
	schema, err2 := strconv.Atoi(parts[3])
	return key{segment: SegmentID{parts[1], number}, schema: schema}, err1 == nil && err2 == nil
}

// Range is a half-open range of logged_at; nil leaves a side open.
type Range struct{ From, To *featurestore.Instant }

// Contains reports whether an instant lies in the range.
func (r Range) Contains(t featurestore.Instant) bool {
	return (r.From == nil || t >= *r.From) && (r.To == nil || t < *r.To)
}

// touches reports whether the day from midnight on has a part in the range.
func (r Range) touches(midnight featurestore.Instant) bool {
	return (r.From == nil || *r.From < midnight+featurestore.Instant(featurestore.Day)) && (r.To == nil || midnight < *r.To)
}
