package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/files"
)

// fileIndex is what must be known of a history file before its rows can be
// ranked: found by a pass over its times alone.
type fileIndex struct {
	rows        int64
	first, last int64 // least and greatest available_at; a row without one has that of the row before
	sorted      bool
	spans       map[int32]span // of its rows' positions, by partition, where they have them
}

// indexKey names a file that is read in one way.
type indexKey struct{ path, how string }

// indexed is the index of one state of a file.
type indexed struct {
	size, modified int64
	fileIndex
}

// historyFile is a history file with its index; ordinal is its rank by name.
type historyFile struct {
	files.Found
	index   fileIndex
	ordinal int
}

// rowSpec is how the history files of a source are read. needed nil is all.
func rowSpec(source *definition.StreamSource, needed []int, ordinal int) files.Spec {
	return withPositions(source, files.Spec{
		Format:    source.History.Format,
		Time:      source.Timestamp,
		Available: source.History.AvailableAt,
		Fields:    source.Fields,
		Needed:    needed,
		Ordinal:   ordinal,
	})
}

// historyFiles finds and indexes the history files of a source, by name.
func (r *Reader) historyFiles(ctx context.Context, source *definition.StreamSource) ([]historyFile, error) {
	found, err := files.Glob(r.o.Root, source.History.Files)
	if err != nil {
		return nil, fmt.Errorf("history of source %q: %w", source.Name, err)
	}
	out := make([]historyFile, len(found))
	for i, f := range found {
		index, err := r.index(ctx, source, f)
		if err != nil {
			return nil, fmt.Errorf("history of source %q: %w", source.Name, err)
		}
		out[i] = historyFile{Found: f, index: index, ordinal: i}
	}
	return out, nil
}

func (r *Reader) index(ctx context.Context, source *definition.StreamSource, f files.Found) (fileIndex, error) {
	info, err := os.Stat(f.Path)
	if err != nil {
		return fileIndex{}, err
	}
	how := fmt.Sprintf("%d %+v", source.History.Format, source.Timestamp)
	if source.History.AvailableAt != nil {
		how += fmt.Sprintf(" %+v", *source.History.AvailableAt)
	}
	if at := source.History.Cutover; at != nil {
		how += fmt.Sprintf(" before %d", *at)
	}
	if at := source.History.Positions; at != nil {
		how += fmt.Sprintf(" %q %q", at.Partition, at.Offset)
	}
	key, size, modified := indexKey{path: f.Path, how: how}, info.Size(), info.ModTime().UnixNano()
	r.mu.Lock()
	known, ok := r.indexes[key]
	r.mu.Unlock()
	if ok && known.size == size && known.modified == modified {
		return known.fileIndex, nil
	}
	index, err := scanFile(ctx, source, f)
	if err != nil {
		return fileIndex{}, err
	}
	r.mu.Lock()
	r.indexes[key] = indexed{size, modified, index}
	r.mu.Unlock()
	return index, nil
}

// skipFiles leaves out the files that lie wholly before rank from: those whose
// rows all come before the rows of every later one. It gives the rest, by the
// least time, and the rank of their first row.
func skipFiles(all []historyFile, from int64) (rest []historyFile, rank int64) {
	rest = slices.DeleteFunc(slices.Clone(all), func(f historyFile) bool { return f.index.rows == 0 })
	slices.SortFunc(rest, func(a, b historyFile) int {
		return cmp.Or(cmp.Compare(a.index.first, b.index.first), cmp.Compare(a.ordinal, b.ordinal))
	})
	for len(rest) > 0 && rank+rest[0].index.rows <= from {
		if len(rest) > 1 && rest[0].index.last >= rest[1].index.first {
			break
		}
		rank += rest[0].index.rows
		rest = rest[1:]
	}
	return rest, rank
}

// totalRows is how many ranks the files take.
func totalRows(all []historyFile) int64 {
	var n int64
	for _, f := range all {
		n += f.index.rows
	}
	return n
}

// mergeFiles opens the merge of files in the order of ranks. Files that are not
// sorted by available_at go through a sort first.
func (r *Reader) mergeFiles(ctx context.Context, source *definition.StreamSource, list []historyFile, needed []int) (*merge, error) {
	var feeds []*feed
	sorting := newSorter(r.o.TempDir, r.o.SortBytes, len(rowSpec(source, nil, 0).Fields))
	for _, f := range list {
		open := func() (input, error) {
			return openFile(source, f.Found, rowSpec(source, needed, f.ordinal))
		}
		if f.index.sorted {
			feeds = append(feeds, &feed{first: place{key: f.index.first, file: f.ordinal}, open: open})
			continue
		}
		if err := sorting.addAll(ctx, open); err != nil {
			return nil, errors.Join(err, sorting.discard())
		}
	}
	sorted, err := sorting.feeds()
	if err != nil {
		return nil, errors.Join(err, sorting.discard())
	}
	return newMerge(append(feeds, sorted...), rankPlace), nil
}

func rankPlace(row *files.Row) place {
	return place{key: int64(row.Available), file: row.File, number: row.Number}
}

// offsetPlace is the place of an archived row; its offset stands behind the
// source's fields. The two rows of one record have one place and keep their order.
func offsetPlace(fields int) func(*files.Row) place {
	return func(row *files.Row) place { return place{key: row.Fields[fields].Int64()} }
}
