package history

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/archive"
	reader "github.com/freshet/freshet/featurestore/offline/history"
)

// goldenUpkeep is a manifest of version 3; bytes and checksums are those of the library.
const goldenUpkeep = `{
 "version": 3,
 "source": "clicks",
 "complete": [
  {
   "generation": 1,
   "partition": 0,
   "ranges": [
    {
     "from": 4,
     "to": 20
    }
   ]
  }
 ],
 "files": [
  {
   "path": "gen=1/date=1970-01/p0-4-20.parquet",
   "generation": 1,
   "partition": 0,
   "from": 4,
   "to": 20,
   "rows": 16,
   "min_event_time": 172799999999,
   "max_event_time": 777600000014,
   "min_log_time": 172800000004,
   "max_log_time": 777600000019,
   "bytes": 0,
   "xxh3": ""
  }
 ],
 "replaced": [
  {
   "path": "gen=1/date=1970-01-02/p0-2-4.parquet",
   "bytes": 0,
   "at": 7
  }
 ],
 "dropped": [
  {
   "generation": 1,
   "partition": 0,
   "ranges": [
    {
     "from": 0,
     "to": 4
    }
   ],
   "rows": 4,
   "max_event_time": 86399999998,
   "max_log_time": 86400000003,
   "at": 7
  }
 ]
}
`

// The form of a manifest after a compaction and a retention. Releases before refuse it.
func TestManifestAfterUpkeep(t *testing.T) {
	dir := t.TempDir()
	p := offline.Partition{Generation: 1}
	feedDays(t, dir, 10, 2)
	compact(t, dir, "clicks", func(c *Compaction) {
		c.Now, c.Grace, c.KeepFrom = 7, time.Hour, featurestore.Instant(2*day)
	})
	m := load(t, dir)
	if len(m.Replaced) != 10 {
		t.Errorf("replaced %v", m.Replaced)
	}
	m.Replaced = m.Replaced[1:2]
	m.Replaced[0].Bytes, m.Files[0].Bytes, m.Files[0].XXH3 = 0, 0, ""
	ok(t, m.Store(&fast, dir, p))
	data, err := os.ReadFile(filepath.Join(archive.Folder(dir, "clicks"), archive.ManifestName(p)))
	ok(t, err)
	if string(data) != goldenUpkeep {
		t.Errorf("manifest\n%s\nwant\n%s", data, goldenUpkeep)
	}
	if again := load(t, dir); !reflect.DeepEqual(again, m) {
		t.Errorf("it is read as %+v, want %+v", again, m)
	}
}

// Files go from the first on, up to one that has something to keep; the last stays.
func TestRetention(t *testing.T) {
	p := offline.Partition{Generation: 1}
	for name, c := range map[string]struct {
		keepFrom featurestore.LogTime
		first    int64
		rows     int64
	}{
		"nothing is older": {0, 0, 0}, "some": {5*day + 3, 10, 10}, "all, and the last stays": {100 * day, 38, 38},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			events := feedDays(t, dir, 20, 2)
			done := compact(t, dir, "clicks", func(x *Compaction) { x.KeepFrom, x.TargetBytes = featurestore.Instant(c.keepFrom), 1 })
			if done.DroppedRows != c.rows || done.Removed != int(c.rows/2) {
				t.Errorf("%+v", done)
			}
			sameEvents(t, scanAll(t, dir, testSource()), events[c.first:])
			m := load(t, dir)
			if r := m.Ranges(p); len(r) != 1 || r[0] != (offline.Range{From: c.first, To: 40}) {
				t.Errorf("complete %v", r)
			}
			dropped, err := reader.New(reader.Options{Dir: dir}).Dropped(context.Background(), testSource())
			ok(t, err)
			if d := dropped[p]; d.Rows != c.rows || c.rows > 0 && (len(d.Ranges) != 1 || d.Ranges[0] != (offline.Range{To: c.first})) {
				t.Errorf("dropped %+v", d)
			}
			listedOnly(t, dir)
		})
	}
}

// An event whose time lies ahead of the log keeps its file.
func TestRetentionLooksAtEventTimesToo(t *testing.T) {
	dir := t.TempDir()
	w := open(t, Options{Dir: dir, Source: testSource(), Disk: fast, SealRows: 1})
	ok(t, w.Begin(offline.Partition{Generation: 1}, 0))
	for o := range int64(6) {
		ev := event(1, 0, o, day*featurestore.LogTime(o))
		if o == 2 {
			ev.Time = featurestore.EventTime(50 * day)
		}
		ok(t, appendTo(w, ev))
	}
	ok(t, w.Close())
	if done := compact(t, dir, "clicks", func(c *Compaction) { c.KeepFrom = featurestore.Instant(5 * day) }); done.Dropped != 2 {
		t.Errorf("%+v", done)
	}
}
