package kafka

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/logrecord"
)

func testLimits() unpackLimits { return unpackLimits{batch: 1 << 20, soft: 1 << 20} }

func anyRecords(t *rapid.T) []logrecord.Record {
	field := func(name string) []byte {
		if rapid.Bool().Draw(t, name+" nil") {
			return nil
		}
		return append([]byte{}, rapid.SliceOf(rapid.Byte()).Draw(t, name)...)
	}
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) logrecord.Record {
		r := logrecord.Record{
			LogTime: logTimeOf(rapid.Int64Range(-1e15, 1e15).Draw(t, "ms")),
			Key:     field("key"), Value: field("value"),
		}
		for range rapid.IntRange(0, 2).Draw(t, "headers") {
			r.Headers = r.Headers.Append(rapid.String().Draw(t, "name"), field("header"))
		}
		return r
	}), 1, 20).Draw(t, "records")
}

// place gives a batch its base offset, which a broker does; the checksum does
// not cover it.
func place(batch []byte, base int64) { binary.BigEndian.PutUint64(batch, uint64(base)) }

// TestBatchRoundTrip: what is written is read, from any offset, in every codec.
func TestBatchRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyRecords(t)
		raw, err := appendBatch(nil, want, Compression(rapid.IntRange(0, 4).Draw(t, "codec")), noProducer())
		if err != nil {
			t.Fatal(err)
		}
		base := rapid.Int64Range(0, 1<<40).Draw(t, "base")
		place(raw, base)
		from := base + int64(rapid.IntRange(0, len(want)).Draw(t, "from"))
		b := logrecord.Batch{}
		cut := append(bytes.Clone(raw), raw[:rapid.IntRange(0, len(raw)-1).Draw(t, "rest of the next")]...)
		if err := fill(&b, &fetchResponse{records: cut}, from, testLimits()); err != nil {
			t.Fatal(err)
		}
		if b.Next != max(from, base+int64(len(want))) || len(b.Records) != int(base)+len(want)-int(from) {
			t.Fatalf("next %d, %d records of %d from %d", b.Next, len(b.Records), len(want), from-base)
		}
		for _, g := range b.Records {
			w := want[g.Offset-base]
			if g.LogTime != w.LogTime || !bytes.Equal(g.Key, w.Key) || (g.Key == nil) != (w.Key == nil) ||
				!bytes.Equal(g.Value, w.Value) || (g.Value == nil) != (w.Value == nil) || !bytes.Equal(g.Headers, w.Headers) {
				t.Fatalf("got %+v, want %+v", g, w)
			}
		}
	})
}

// TestRemoved: what compaction leaves of batches is read, and what it has removed is
// told: every offset is a record's, a marker's or an aborted transaction's, or was removed.
func TestRemoved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var raw []byte
		var res fetchResponse
		var records, removed []int64
		end := int64(0)
		for range rapid.IntRange(1, 8).Draw(t, "batches") {
			base := end
			end += int64(rapid.IntRange(1, 5).Draw(t, "offsets"))
			kind := rapid.SampledFrom([]string{"data", "data", "marker", "aborted", "gone"}).Draw(t, "kind")
			p := noProducer()
			if kind == "aborted" {
				p = producerState{id: base, transactional: true}
				res.aborted = append(res.aborted, abortedTxn{producer: base, first: base})
			}
			var left []int64
			for at := base; at < end; at++ {
				if rapid.Bool().Draw(t, "left") {
					left = append(left, at)
				}
			}
			switch kind {
			case "gone":
				left = nil
				fallthrough
			case "data":
				for at := base; at < end; at++ {
					if slices.Contains(left, at) {
						records = append(records, at)
					} else {
						removed = append(removed, at)
					}
				}
			}
			if kind != "gone" {
				raw = append(raw, compactedBatch(t, base, end, left, kind == "marker", p)...)
			}
		}
		res.records = raw
		from := rapid.Int64Range(0, end).Draw(t, "from")
		b := logrecord.Batch{}
		if err := fill(&b, &res, from, testLimits()); err != nil {
			t.Fatal(err)
		}
		before := func(at int64) bool { return at < from || at >= b.Next }
		var gone []int64
		for i, r := range b.Removed {
			if r.From >= r.To || i > 0 && r.From < b.Removed[i-1].To {
				t.Errorf("they ascend and are apart: %v", b.Removed)
			}
			for at := r.From; at < r.To; at++ {
				gone = append(gone, at)
			}
		}
		if want := slices.DeleteFunc(removed, before); !slices.Equal(gone, want) {
			t.Errorf("from %d: %v were removed, want %v", from, gone, want)
		}
		if want := slices.DeleteFunc(records, before); len(b.Records) != len(want) {
			t.Errorf("from %d: %d records, want %v", from, len(b.Records), want)
		}
	})
}

// compactedBatch is what compaction leaves of a batch: its offsets and some records.
func compactedBatch(t *rapid.T, base, end int64, left []int64, marker bool, p producerState) []byte {
	raw, err := appendBatch(nil, make([]logrecord.Record, 1), Uncompressed, p)
	if err != nil {
		t.Fatal(err)
	}
	raw = raw[:batchHeader]
	for _, at := range left {
		if raw, err = appendRecord(raw, &logrecord.Record{Key: []byte("key")}, 0, int(at-base)); err != nil {
			t.Fatal(err)
		}
	}
	place(raw, base)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-batchPrefix))
	if marker {
		raw[22] |= attrTransaction | attrControl
	}
	binary.BigEndian.PutUint32(raw[23:], uint32(end-base-1))
	binary.BigEndian.PutUint32(raw[57:], uint32(len(left)))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], castagnoli()))
	return raw
}

// TestFlippedBits: no flipped bit of a batch goes unnoticed, but for those of
// the base offset and the leader epoch, which the broker writes, and the length.
func TestFlippedBits(t *testing.T) {
	records := []logrecord.Record{{Key: []byte("k"), Value: []byte("value")}, {Value: []byte("other")}}
	raw, err := appendBatch(nil, records, Uncompressed, noProducer())
	if err != nil {
		t.Fatal(err)
	}
	for i := 16; i < len(raw); i++ {
		bad := bytes.Clone(raw)
		bad[i] ^= 1 << (i % 8)
		if err := fill(&logrecord.Batch{}, &fetchResponse{records: bad}, 0, testLimits()); err == nil {
			t.Errorf("byte %d of %d", i, len(raw))
		}
	}
}

// TestBomb: a little zstd that unpacks to 64 MiB is refused early.
func TestBomb(t *testing.T) {
	packed, err := pack(make([]byte, 64<<20), Zstd)
	if err != nil {
		t.Fatal(err)
	}
	out, err := unpack(nil, packed, Zstd, 1<<20)
	if err == nil || !strings.Contains(err.Error(), "unpacks to more than 1048576") || cap(out) > 8<<20 {
		t.Errorf("%d bytes of memory, %v", cap(out), err)
	}
}

// TestSoftLimit: past the soft limit the rest is left for the next fetch.
func TestSoftLimit(t *testing.T) {
	var raw []byte
	for i := range 10 {
		one, err := appendBatch(nil, []logrecord.Record{{Value: make([]byte, 1000)}}, LZ4, noProducer())
		if err != nil {
			t.Fatal(err)
		}
		place(one, int64(i))
		raw = append(raw, one...)
	}
	b := logrecord.Batch{}
	if err := fill(&b, &fetchResponse{records: raw}, 0, unpackLimits{batch: 1 << 20, soft: 2500}); err != nil {
		t.Fatal(err)
	}
	if len(b.Records) != 3 || b.Next != 3 {
		t.Errorf("%d records, next %d", len(b.Records), b.Next)
	}
}

// FuzzFill: no answer of a broker panics or runs away, also where the checksum
// is right.
func FuzzFill(f *testing.F) {
	for codec := Uncompressed; codec <= Zstd; codec++ {
		raw, err := appendBatch(nil, []logrecord.Record{
			{LogTime: featurestore.LogTime(5000), Key: []byte("k"), Value: []byte("v"), Headers: logrecord.Headers(nil).Append("h", nil)}, {},
		}, codec, producerState{id: 7, transactional: true})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) >= batchHeader {
			binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-batchPrefix))
			binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], castagnoli()))
		}
		b := logrecord.Batch{}
		res := &fetchResponse{records: raw, aborted: []abortedTxn{{7, 0}, {1, 1}}}
		if fill(&b, res, 0, testLimits()) == nil && b.Next < 0 {
			t.Fatalf("next %d", b.Next)
		}
		whole := &fetchResponse{buf: raw}
		for version := int16(4); version <= 11; version++ {
			_ = whole.decode(version) // only that it returns
		}
	})
}
