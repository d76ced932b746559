package onlinetest

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

func (f *fixture) put(want int, rows ...online.Row) {
	f.t.Helper()
	n, err := f.s.PutRows(f.ctx, f.g, f.meta.Lanes, rows, 0)
	if err != nil || n != want {
		f.t.Fatalf("wrote %d of %d rows (%v), want %d", n, len(rows), err, want)
	}
}

func (f *fixture) wantRow(key string, want []byte) {
	f.t.Helper()
	if got := f.get(f.rowID(key))[0]; !bytes.Equal(got, want) {
		f.t.Fatalf("row %q is %s, want %s", key, show(got), show(want))
	}
}

func row(key, order, payload string) online.Row {
	return online.Row{Key: []byte(key), Blob: RowBlob(order, []byte(payload))}
}

func testRows(t *testing.T, s online.Store) {
	f := newFixture(t, s, "plane", 8)
	// Ascending in bytes; by length, by a locale or as signed bytes they are not.
	orders := []string{"", "\x00", "\x00\xff", "A", "Z", "a", "a\x00", "aa", "b", "\x7f", "\x80", "\xff", "\xff\x00", "\xff\xff\xff"}
	for i, order := range orders {
		f.put(1, row("n1", order, fmt.Sprint("first", i)))
		f.put(1, row("n1", order, fmt.Sprint("again", i))) // an equal one is rewritten
		for _, older := range orders[:i] {
			f.put(0, row("n1", older, "older"))
		}
		f.wantRow("n1", RowBlob(order, []byte(fmt.Sprint("again", i))))
	}
	long := string(bytes.Repeat([]byte{'x'}, 3000))
	f.put(3, row("long", long, "1"), row("long", long+"y", "2"), row("long", long+"y", "3"))
	f.put(0, row("long", long, "4"), row("long", long+"x", "4"))
	f.wantRow("long", RowBlob(long+"y", []byte("3")))

	f.put(2, row("twice", "1", "a"), row("other", "1", "b"), row("twice", "0", "c"))
	f.wantRow("twice", RowBlob("1", []byte("a")))
	f.put(0)
	for _, bad := range [][]byte{nil, {1}, {5, 0, 'x'}} {
		_, err := s.PutRows(f.ctx, f.g, 8, []online.Row{{Key: []byte("bad"), Blob: bad}}, 0)
		f.wantKind(err, featurestore.ErrInvalid)
	}
	_, err := s.PutRows(f.ctx, f.g, 0, []online.Row{row("a", "1", "")}, 0)
	f.wantKind(err, featurestore.ErrInvalid)
	if n, err := s.PutRows(f.ctx, f.g, 8, []online.Row{row("ttl", "1", "x")}, time.Hour); n != 1 || err != nil {
		t.Fatalf("wrote %d rows (%v)", n, err)
	}
	f.wantRow("ttl", RowBlob("1", []byte("x")))
	f.put(1, row("ttl", "2", "y"))
}

func testRowsInBulk(t *testing.T, s online.Store) {
	f := newFixture(t, s, "plane", online.DefaultLanes)
	const n = 12_000
	var rows, next []online.Row
	for i := range n {
		key := fmt.Sprint("tail", i)
		rows = append(rows, row(key, fmt.Sprint(1+i%3), key))
		next = append(next, row(key, "2", "next"))
	}
	f.put(n, rows...)
	f.put(n, rows...)
	f.put(n*2/3, next...)
	for i := 0; i < n; i += 97 {
		want := rows[i].Blob
		if i%3 < 2 {
			want = next[i].Blob
		}
		f.wantRow(string(rows[i].Key), want)
	}
}
