package history

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
)

// soundFile checks that what the footer and the page index of a file say is so.
func soundFile(t tester, path string) (rows int64, groups int) {
	t.Helper()
	file, err := os.Open(path)
	ok(t, err)
	defer file.Close()
	info, err := file.Stat()
	ok(t, err)
	f, err := parquet.OpenFile(file, info.Size())
	ok(t, err)
	for g, group := range f.RowGroups() {
		rows += group.NumRows()
		groups++
		meta := f.Metadata().RowGroups[g]
		var total, unpacked int64
		for c, chunk := range group.ColumnChunks() {
			total += meta.Columns[c].MetaData.TotalCompressedSize
			unpacked += meta.Columns[c].MetaData.TotalUncompressedSize
			typ := chunk.Type()
			ci, err := chunk.ColumnIndex()
			ok(t, err)
			oi, err := chunk.OffsetIndex()
			ok(t, err)
			pages := chunk.Pages()
			n, nulls, at := int64(0), int64(0), 0
			var lo, hi parquet.Value
			for {
				page, err := pages.ReadPage()
				if errors.Is(err, io.EOF) {
					break
				}
				ok(t, err)
				if at >= oi.NumPages() || oi.FirstRowIndex(at) != n {
					t.Fatalf("%s group %d column %d page %d: first row %d", path, g, c, at, n)
				}
				vals := make([]parquet.Value, page.NumValues())
				k, err := page.Values().ReadValues(vals)
				if err != nil && !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
				pn := int64(0)
				for _, v := range vals[:k] {
					if v.IsNull() {
						pn++
						continue
					}
					if v.Kind() == parquet.Double && v.Double() != v.Double() {
						continue
					}
					if lo.IsNull() || typ.Compare(v, lo) < 0 {
						lo = v.Clone()
					}
					if hi.IsNull() || typ.Compare(v, hi) > 0 {
						hi = v.Clone()
					}
				}
				if ci.NullCount(at) != pn || ci.NullPage(at) != (pn == int64(k)) {
					t.Fatalf("%s group %d column %d page %d: %d nulls, index %d", path, g, c, at, pn, ci.NullCount(at))
				}
				n += page.NumRows()
				nulls += pn
				at++
				parquet.Release(page)
			}
			ok(t, pages.Close())
			for p := range oi.NumPages() { // each page is where the index says
				pages := chunk.Pages()
				ok(t, pages.SeekToRow(oi.FirstRowIndex(p)))
				page, err := pages.ReadPage()
				ok(t, err)
				parquet.Release(page)
				ok(t, pages.Close())
			}
			m := meta.Columns[c].MetaData
			if n != group.NumRows() || at != oi.NumPages() || m.NumValues != n || m.Statistics.NullCount != nulls {
				t.Fatalf("%s group %d column %d: %d rows of %d, %d pages of %d, %d nulls of %d", path, g, c, n, group.NumRows(), at, oi.NumPages(), nulls, m.Statistics.NullCount)
			}
			if typ.Kind() != parquet.Double && !lo.IsNull() {
				a, b, known := chunk.(*parquet.FileColumnChunk).Bounds()
				if !known || typ.Compare(a, lo) != 0 || typ.Compare(b, hi) != 0 {
					t.Fatalf("%s group %d column %d: bounds %v %v, are %v %v", path, g, c, a, b, lo, hi)
				}
			}
		}
		if total != meta.TotalCompressedSize || unpacked != meta.TotalByteSize {
			t.Fatalf("%s group %d: %d bytes", path, g, total)
		}
	}
	return rows, groups
}

// rawRows is every row of all listed files as text, ordered by (partition, offset) as listed.
func rawRows(t tester, dir, source string) map[offline.Partition][]string {
	m, err := archive.Load(dir, source)
	ok(t, err)
	type at struct {
		o   int64
		row string
	}
	out := map[offline.Partition][]string{}
	all := map[offline.Partition][][]at{}
	for i := range m.Files {
		f := &m.Files[i]
		path := filepath.Join(archive.Folder(dir, source), filepath.FromSlash(f.Path))
		rows, _ := soundFile(t, path)
		if rows != f.Rows {
			t.Fatalf("%s: %d rows, manifest %d", path, rows, f.Rows)
		}
		ok(t, unharmed(path, f))
		file, err := os.Open(path)
		ok(t, err)
		p, err := openParquet(file, path)
		ok(t, err)
		col, _ := p.Schema().Lookup(archive.ColumnOffset)
		var list []at
		for _, g := range p.RowGroups() {
			r := g.Rows()
			buf := make([]parquet.Row, 100)
			for {
				n, err := r.ReadRows(buf)
				for _, row := range buf[:n] {
					text := ""
					for k, v := range row {
						if k < 12 {
							text += fmt.Sprintf("%+v|", v)
						}
					}
					list = append(list, at{row[col.ColumnIndex].Int64(), text})
				}
				if errors.Is(err, io.EOF) {
					break
				}
				ok(t, err)
			}
			ok(t, r.Close())
		}
		ok(t, file.Close())
		all[f.Key()] = append(all[f.Key()], list)
	}
	for p, lists := range all {
		for { // merge
			best := -1
			for i := range lists {
				if len(lists[i]) > 0 && (best < 0 || lists[i][0].o < lists[best][0].o) {
					best = i
				}
			}
			if best < 0 {
				break
			}
			out[p] = append(out[p], lists[best][0].row)
			lists[best] = lists[best][1:]
		}
	}
	return out
}

func sameRaw(t tester, got, want map[offline.Partition][]string) {
	t.Helper()
	for p := range want {
		if len(got[p]) != len(want[p]) {
			t.Fatalf("%v: %d rows, want %d", p, len(got[p]), len(want[p]))
		}
		for i := range want[p] {
			if got[p][i] != want[p][i] {
				t.Fatalf("%v row %d:\n%s\n%s", p, i, got[p][i], want[p][i])
			}
		}
	}
}

// Days that take turns, holes, feeds of one or two rows an offset, many rounds.
func TestCopiedGroupsAreSound(t *testing.T) {
	root, all := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(root, "")
		ok(t, err)
		defer func() { ok(t, os.RemoveAll(dir)) }()
		feed := rapid.Bool().Draw(t, "feed")
		source := testSource()
		if feed {
			source = changeSource()
		}
		p := offline.Partition{Generation: 1}
		next, n, made := int64(1), 1, 0
		w := open(t, Options{Dir: dir, Source: source, Disk: fast})
		ok(t, w.Begin(p, 0))
		far := genEvent(t, p, 0) // of the newest month: those before are done with
		if far.LogTime = 90 * day; feed {
			far.Fields = []featurestore.Value{featurestore.Int64Value(0), featurestore.Null, featurestore.Null}
			far.ID, far.Sequence, far.Change = "", featurestore.Value{}, featurestore.Added
		}
		ok(t, appendTo(w, far))
		ok(t, w.Close())
		for range rapid.IntRange(1, 3).Draw(t, "rounds") {
			w := open(t, Options{Dir: dir, Source: source, Disk: fast, SealRows: rapid.IntRange(1, 12).Draw(t, "seal")})
			ok(t, w.Begin(p, next))
			turns := rapid.IntRange(1, 10).Draw(t, "turns")
			for range rapid.IntRange(0, 30).Draw(t, "events") {
				d := (int(next)/turns)%rapid.IntRange(1, 3).Draw(t, "days") + int(next)/60
				ev := genEvent(t, p, next)
				ev.LogTime = featurestore.LogTime(d)*day + featurestore.LogTime(next)
				if feed {
					ev.Fields = []featurestore.Value{featurestore.Int64Value(next), featurestore.Null, featurestore.Null}
					ev.ID, ev.Sequence = "", featurestore.Value{}
					kinds := [][]featurestore.Change{{featurestore.Retracted, featurestore.Added}, {featurestore.Added}, {featurestore.Retracted}}
					for _, c := range rapid.SampledFrom(kinds).Draw(t, "kind") {
						ev.Change, ev.Mutated = c, featurestore.EventTime(next)
						ok(t, appendTo(w, ev))
						n++
					}
				} else {
					ok(t, appendTo(w, ev))
					n++
				}
				next++
				if rapid.IntRange(0, 9).Draw(t, "hole") == 0 {
					next++
					ok(t, w.Consumed(p, next-1))
				}
			}
			ok(t, w.Close())
			before := rawRows(t, dir, source.Name)
			if len(before[p]) != n {
				t.Fatalf("%d rows, %d", len(before[p]), n)
			}
			done := compact(t, dir, source.Name, func(c *Compaction) {
				c.copied = rapid.SampledFrom([]int64{0, 1, 2, 3, 5}).Draw(t, "copied")
				c.TargetBytes = rapid.SampledFrom([]int64{0, 5000, 20_000}).Draw(t, "target")
			})
			made += done.Made
			sameRaw(t, rawRows(t, dir, source.Name), before)
			if !feed {
				scanAll(t, dir, source)
			}
		}
		all += made
	})
	if all == 0 {
		t.Error("nothing was merged")
	}
}

// Large groups by default bounds: texts that lose their dictionary, columns without values, in turn
// with small files.
func TestLargeCopiedGroupsAreSound(t *testing.T) {
	dir := t.TempDir()
	source := testSource()
	source.Fields = append(source.Fields, definition.Field{Name: "few", Type: featurestore.String}, definition.Field{Name: "never", Type: featurestore.String}, definition.Field{Name: "neveri", Type: featurestore.Int64}, definition.Field{Name: "long", Type: featurestore.String})
	r := rand.New(rand.NewPCG(5, 6))
	p := offline.Partition{Generation: 1}
	next := int64(0)
	for file, n := range []int{33_000, 100, 33_000, 33_000, 200, 10} {
		if file == 5 {
			file = 80
		}
		w := open(t, Options{Dir: dir, Source: source, Disk: fast})
		ok(t, w.Begin(p, next))
		var list []featurestore.Event
		for range n {
			ev := event(1, 0, next, day*featurestore.LogTime(file)+featurestore.LogTime(next))
			ev.Fields = append(ev.Fields, featurestore.StringValue([]string{"", "a", "b"}[r.IntN(3)]), featurestore.Null, featurestore.Null, featurestore.Null)
			if file == 3 {
				ev.Fields[7] = featurestore.StringValue(fmt.Sprintf("%060d", r.Uint64()))
			}
			if r.IntN(2) == 0 {
				ev.Fields[0], ev.Fields[2] = featurestore.BoolValue(r.IntN(3) == 0), featurestore.DoubleValue(r.NormFloat64())
				ev.Fields[4], ev.Fields[5], ev.Fields[6] = featurestore.BytesValue(fmt.Sprint(r.Uint64())), featurestore.TimestampValue(featurestore.Instant(r.Int64N(1<<50))), featurestore.DecimalValue(r.Int64N(1000))
			}
			if r.IntN(100) == 0 {
				ev.Fields[10] = featurestore.StringValue(strings.Repeat(fmt.Sprint(r.Uint64()), 100))
			}
			list = append(list, ev)
			next++
		}
		ok(t, appendTo(w, list...))
		ok(t, w.Close())
	}
	before := rawRows(t, dir, source.Name)
	events := scanRows(t, dir, source)
	done := compact(t, dir, source.Name, nil)
	if done.Made != 1 || done.Merged != 5 {
		t.Errorf("%+v, want the five files of the first month in one", done)
	}
	sameRaw(t, rawRows(t, dir, source.Name), before)
	sameEvents(t, scanRows(t, dir, source), events)
	sameEvents(t, scanColumns(t, dir, source, 1000), events)
	m, err := archive.Load(dir, source.Name)
	ok(t, err)
	for _, f := range m.Files {
		path := filepath.Join(archive.Folder(dir, source.Name), filepath.FromSlash(f.Path))
		if rows, groups := soundFile(t, path); rows > 10 && groups < 3 {
			t.Errorf("%s: %d rows in %d groups: none was copied", path, rows, groups)
		}
	}
}
