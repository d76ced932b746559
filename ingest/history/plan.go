package history

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
)

// Limits of a compaction.
const (
	defaultTargetBytes = 128 << 20
	openFiles          = 8   // of a month that goes on: so many are merged at once, at least
	mostFiles          = 256 // merged at once
)

// plan chooses which files of one partition are merged: runs of files that follow
// each other, of one month and one complete range, up to the target together. In a
// run no file is larger than the others together, so that a byte is written again
// only when the file that holds it at least doubles.
func plan(m *archive.Manifest, target int64) (runs [][]archive.File) {
	newest := ""
	for i := range m.Files {
		newest = max(newest, monthOf(&m.Files[i]))
	}
	for _, group := range groups(m) {
		least := 2
		if monthOf(&group[0]) == newest {
			least = openFiles
		}
		for _, window := range windows(group, target) {
			for _, run := range tier(window, least) {
				if free(m, run) {
					runs = append(runs, run)
				}
			}
		}
	}
	return runs
}

func monthOf(f *archive.File) string {
	return archive.DateOf(featurestore.LogTime(f.MinLogTime)).Month()
}

// groups are the files by complete range and month, each ascending.
func groups(m *archive.Manifest) (out [][]archive.File) {
	type key struct {
		of    offline.Partition
		from  int64
		month string
	}
	at := map[key]int{}
	for _, f := range m.Files {
		k := key{of: f.Key(), month: monthOf(&f)}
		for _, r := range m.Ranges(k.of) {
			if r.Contains(f.From) {
				k.from = r.From
			}
		}
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], f)
	}
	return out
}

// windows cuts a group into stretches of small files that fit into one.
func windows(group []archive.File, target int64) (out [][]archive.File) {
	var bytes int64
	from := 0
	cut := func(to int) {
		if to > from {
			out = append(out, group[from:to])
		}
		from, bytes = to, 0
	}
	for i := range group {
		if group[i].Bytes > target/2 {
			cut(i)
			from = i + 1
			continue
		}
		if bytes+group[i].Bytes > target || i-from == mostFiles {
			cut(i)
		}
		bytes += group[i].Bytes
	}
	cut(len(group))
	return out
}

// tier leaves files out that are larger than the rest of their run.
func tier(run []archive.File, least int) [][]archive.File {
	if len(run) < least {
		return nil
	}
	var total int64
	largest := 0
	for i := range run {
		total += run[i].Bytes
		if run[i].Bytes > run[largest].Bytes {
			largest = i
		}
	}
	if 2*run[largest].Bytes <= total {
		return [][]archive.File{run}
	}
	return append(tier(run[:largest], least), tier(run[largest+1:], least)...)
}

// free reports whether the file that a run becomes has a name that no other has, of
// those that are there.
func free(m *archive.Manifest, run []archive.File) bool { return !m.Names(merged(run).Path) }

// merged is the file that a run becomes, but for its bytes.
func merged(run []archive.File) archive.File {
	f := run[0]
	for _, o := range run[1:] {
		f.From, f.To = min(f.From, o.From), max(f.To, o.To)
		f.Rows += o.Rows
		f.MinEventTime, f.MaxEventTime = min(f.MinEventTime, o.MinEventTime), max(f.MaxEventTime, o.MaxEventTime)
		f.MinLogTime, f.MaxLogTime = min(f.MinLogTime, o.MinLogTime), max(f.MaxLogTime, o.MaxLogTime)
	}
	f.Bytes, f.XXH3, f.Edition = 0, "", 0
	period, _ := archive.PeriodOf(featurestore.LogTime(f.MinLogTime), featurestore.LogTime(f.MaxLogTime)) // of one month
	f.Path = archive.FileName(f.Key(), period, offline.Range{From: f.From, To: f.To})
	return f
}
