package deadletter

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/logrecord"
)

func letter(offset int64) DeadLetter {
	return DeadLetter{
		Source: "s", Generation: 1, Partition: 2, Offset: offset, LogTime: featurestore.LogTime(offset)*1000 + 1,
		Code: "DECODE_JSON", Message: "bad \"quote\"\n", Key: []byte{}, Value: []byte("{\xff\x00"),
		Headers: logrecord.Headers(nil).Append("h\xff", nil).Append("h", []byte{}),
	}
}

func openFolder(t testing.TB, dir string, o Options) *Folder {
	t.Helper()
	f, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func all(t testing.TB, dir string, filter Filter) []DeadLetter {
	t.Helper()
	var got []DeadLetter
	for l, err := range Read(dir, filter) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, l)
	}
	return got
}

func TestOnceForEachPosition(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dlq")
	if got := all(t, dir, Filter{}); got != nil {
		t.Fatalf("a folder that does not exist holds %v", got)
	}
	f := openFolder(t, dir, Options{SegmentBytes: 1000})
	var want []DeadLetter
	for i := range int64(20) {
		want = append(want, letter(i))
		if err := f.Append(letter(i), letter(i), letter(i/2)); err != nil {
			t.Fatal(err)
		}
	}
	f.Close()
	if err := f.Append(letter(99)); err == nil {
		t.Error("a closed folder took a letter")
	}
	again := openFolder(t, dir, Options{SegmentBytes: 1000})
	for i := range int64(22) { // the log is read again
		if err := again.Append(letter(i)); err != nil {
			t.Fatal(err)
		}
	}
	want = append(want, letter(20), letter(21))
	if got := all(t, dir, Filter{}); !reflect.DeepEqual(got, want) {
		t.Fatalf("got %d letters, want %d\n%+v\n%+v", len(got), len(want), got[0], want[0])
	}
	if again.Count() != len(want) {
		t.Errorf("count %d", again.Count())
	}
	other := letter(3)
	other.Source, other.Code = "t", "AHEAD"
	if err := again.Append(other); err != nil {
		t.Fatal(err)
	}
	if got := all(t, dir, Filter{Source: "t"}); len(got) != 1 || got[0].Code != "AHEAD" {
		t.Errorf("by source: %v", got)
	}
	if got := all(t, dir, Filter{Code: "AHEAD"}); len(got) != 1 {
		t.Errorf("by code: %v", got)
	}
	if segments, _ := listSegments(dir); len(segments) < 3 {
		t.Errorf("%d segments", len(segments))
	}
}

// TestCutAnywhere: whatever length a crash leaves, the whole letters are read,
// and writing them all again gives each once.
func TestCutAnywhere(t *testing.T) {
	dir := t.TempDir()
	f := openFolder(t, dir, Options{NoSync: true})
	for i := range int64(3) {
		if err := f.Append(letter(i)); err != nil {
			t.Fatal(err)
		}
	}
	f.Close()
	path := filepath.Join(dir, "letters-000001.jsonl")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := range len(whole) {
		if err := os.WriteFile(path, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		all(t, dir, Filter{}) // reading beside a writer
		f, err := Open(dir, Options{NoSync: true})
		if err != nil {
			t.Fatalf("cut at %d: %v", size, err)
		}
		if err := f.Append(letter(0), letter(1), letter(2)); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if now, _ := os.ReadFile(path); string(now) != string(whole) {
			t.Fatalf("cut at %d: %s", size, now)
		}
	}
}

func TestDamageIsSaid(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "letters-000001.jsonl"), []byte("{\"v\":1}\nrubbish\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "letters-000001.jsonl:2") {
		t.Errorf("error %v", err)
	}
	var last error
	for _, err := range Read(dir, Filter{}) {
		last = err
	}
	if last == nil {
		t.Error("damage was read over")
	}
}

func TestLineRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := func(name string) []byte {
			if rapid.Bool().Draw(t, name+" nil") {
				return nil
			}
			return append([]byte{}, rapid.SliceOf(rapid.Byte()).Draw(t, name)...)
		}
		rec := logrecord.Record{
			Partition: rapid.Int32().Draw(t, "partition"), Offset: rapid.Int64().Draw(t, "offset"),
			LogTime: featurestore.LogTime(rapid.Int64().Draw(t, "log time")), Key: data("key"), Value: data("value"),
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "headers") {
			rec.Headers = rec.Headers.Append(fmt.Sprint("h", i), data("header"))
		}
		want := Of("source", rapid.Uint32().Draw(t, "generation"), &rec)
		want.Code, want.Message = "C", rapid.String().Draw(t, "message")
		b, err := appendLine(nil, &want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseLine(b)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s\n got %#v\nwant %#v %v", b, got, want, err)
		}
	})
}
