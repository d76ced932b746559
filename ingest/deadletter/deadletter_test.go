package deadletter

import (
	"bytes"
	"errors"
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
// writing them all again gives each once, and what stood there stays as it was.
func TestCutAnywhere(t *testing.T) {
	f := openFolder(t, t.TempDir(), Options{NoSync: true})
	for i := range int64(3) {
		if err := f.Append(letter(i)); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := os.ReadFile(segmentPath(f.dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	want := []DeadLetter{letter(0), letter(1), letter(2)}
	for size := range len(whole) {
		dir := t.TempDir()
		if err := os.WriteFile(segmentPath(dir, 1), whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		before := len(all(t, dir, Filter{})) // reading beside a writer
		f := openFolder(t, dir, Options{NoSync: true})
		if f.Count() != before {
			t.Fatalf("cut at %d: %d letters of %d", size, f.Count(), before)
		}
		for range 2 {
			if err := f.Append(want...); err != nil {
				t.Fatal(err)
			}
		}
		f.Close()
		if got := all(t, dir, Filter{}); !reflect.DeepEqual(got, want) {
			t.Fatalf("cut at %d: %+v", size, got)
		}
		if now, _ := os.ReadFile(segmentPath(dir, 1)); !bytes.Equal(now, whole[:size]) {
			t.Fatalf("cut at %d: the segment was changed", size)
		}
		if rest, _ := os.ReadFile(segmentPath(dir, 2)); bytes.Count(rest, []byte("\n")) != 3-before {
			t.Fatalf("cut at %d: the next segment is %s", size, rest)
		}
	}
}

// TestDamageIsSaid: a line that is no letter is named with its place, and neither
// hides the others nor keeps a folder from being written to.
func TestDamageIsSaid(t *testing.T) {
	dir := t.TempDir()
	one, two := letter(1), letter(2)
	first, err := appendLine(nil, &one)
	if err != nil {
		t.Fatal(err)
	}
	text := append(append(first, first[:20]...), first[10:]...) // as two writers at one place left it
	if text, err = appendLine(append(text, "{\"v\":2}\n"...), &two); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(segmentPath(dir, 1), text, 0o600); err != nil {
		t.Fatal(err)
	}
	f := openFolder(t, dir, Options{NoSync: true})
	if err := f.Append(letter(3), letter(2)); err != nil {
		t.Fatal(err)
	}
	var got []DeadLetter
	var said []string
	for l, err := range Read(dir, Filter{Source: "s"}) {
		var damage *Damage
		switch {
		case errors.As(err, &damage):
			said = append(said, err.Error())
		case err != nil:
			t.Fatal(err)
		default:
			got = append(got, l)
		}
	}
	if !reflect.DeepEqual(got, []DeadLetter{one, two, letter(3)}) {
		t.Errorf("%+v", got)
	}
	if len(said) != 2 || !strings.Contains(said[0], fmt.Sprintf("letters-000001.jsonl:2 (byte %d): not a dead letter", len(first))) || !strings.Contains(said[1], "letters-000001.jsonl:3 (") || !strings.Contains(said[1], "version 2") {
		t.Errorf("%q", said)
	}
}

// TestFailedWrite: what a write left half done is not written over, and its
// letters come again in a segment of their own.
func TestFailedWrite(t *testing.T) {
	dir := t.TempDir()
	f := openFolder(t, dir, Options{})
	if err := f.Append(letter(0)); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe() // which takes bytes and cannot be synced
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f.file.Close()
	f.file = w
	if err := f.Append(letter(0), letter(1)); err == nil || f.Count() != 1 {
		t.Fatalf("a letter that is not on disk counts: %v, %d", err, f.Count())
	}
	if err := f.Append(letter(0), letter(1)); err != nil {
		t.Fatal(err)
	}
	if got := all(t, dir, Filter{}); !reflect.DeepEqual(got, []DeadLetter{letter(0), letter(1)}) {
		t.Errorf("%+v", got)
	}
	if segments, _ := listSegments(dir); len(segments) != 2 {
		t.Errorf("%d segments", len(segments))
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
