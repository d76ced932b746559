package codec_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/transforms/window"
)

var update = flag.Bool("update", false, "write golden files that do not exist yet; frozen ones are never rewritten")

// golden compares with a frozen file: bytes that a release has written must be
// read, and written, by every later one of the same version.
func golden(t *testing.T, name string, got []byte) []byte {
	t.Helper()
	path := filepath.Join("testdata", name)
	want, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		want = got
	} else if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: the bytes have changed; a new format needs a new version\n got %x\nwant %x", name, got, want)
	}
	return want
}

// describe writes every value of a state at t, for a golden file that people can read.
func describe(p *window.Plan, s *window.State, t featurestore.Instant) []byte {
	out := make([]featurestore.Cell, len(p.Features()))
	p.Read(s, t, out)
	var b strings.Builder
	for i, f := range p.Features() {
		b.WriteString(f.Name + " " + f.Call.Func + " " + f.Type.String() + ": " + out[i].Value.Text(f.Type) + " " + out[i].Status.String() + "\n")
	}
	return []byte(b.String())
}

func TestEntityGolden(t *testing.T) {
	p := everyPartial(t)
	for name, s := range map[string]*window.State{"entity-v2": goldenState(t, p), "entity-v2-small": smallState(t, p)} {
		open, closed := codec.AppendEntity(nil, nil, header(), p, s)
		open = golden(t, name+".open.bin", open)
		if len(closed) > 0 {
			closed = golden(t, name+".closed.bin", closed)
		}
		if (len(closed) == 0) != (name == "entity-v2-small") {
			t.Fatalf("%s has a closed part of %d bytes", name, len(closed))
		}
		var back window.State
		if err := codec.DecodeEntity(open, closed, header(), p, &back); err != nil {
			t.Fatal(err)
		}
		openAgain, closedAgain := codec.AppendEntity(nil, nil, header(), p, &back)
		if !bytes.Equal(openAgain, open) || !bytes.Equal(closedAgain, closed) {
			t.Errorf("%s: decoding and encoding changes the blobs", name)
		}
		golden(t, name+".values.txt", describe(p, &back, p.ReadTime(&back)+featurestore.Instant(61*second)))
	}
}

// TestVersion1IsRefused: a state of version 1 is told by its version, which is
// part of a definition's hash: its generation was rebuilt, and is never read.
func TestVersion1IsRefused(t *testing.T) {
	blob, err := os.ReadFile(filepath.Join("testdata", "entity-v1.bin"))
	if err != nil {
		t.Fatal(err)
	}
	var s window.State
	if err := codec.DecodeEntity(blob, nil, header(), everyPartial(t), &s); !errors.Is(err, codec.ErrVersion) {
		t.Errorf("a blob of version 1: %v", err)
	}
	if list, err := codec.AppliedOf(blob); err != nil || len(list) == 0 {
		t.Errorf("its applied list, which has not changed its place: %v (%v)", list, err)
	}
}

func TestBatchRowGolden(t *testing.T) {
	row := goldenRow()
	if err := row.Check(rowTypes); err != nil {
		t.Fatal(err)
	}
	blob := golden(t, "batch-row-v1.bin", codec.AppendBatchRow(nil, rowTypes, row))
	var back codec.BatchRow
	if err := codec.DecodeBatchRow(blob, rowTypes, &back); err != nil {
		t.Fatal(err)
	}
	if back.Compare(row) != 0 || back.Run != row.Run || back.Completed != row.Completed || back.Definition != row.Definition || !bytes.Equal(back.Key, row.Key) {
		t.Errorf("got %+v, want %+v", back, row)
	}
	for i := range row.Values {
		if !back.Values[i].Equal(row.Values[i]) {
			t.Errorf("value %d: %v, want %v", i, back.Values[i], row.Values[i])
		}
	}
}

func TestKeyGolden(t *testing.T) {
	types := []featurestore.Type{featurestore.Bool, featurestore.Int64, featurestore.String, featurestore.Bytes, featurestore.Timestamp}
	values := []featurestore.Value{featurestore.BoolValue(true), featurestore.Int64Value(-12345), featurestore.StringValue("é\x00"), featurestore.BytesValue("\xff"), featurestore.TimestampValue(1_357_102_800_000_000)}
	key, err := codec.AppendKey(nil, types, values)
	if err != nil {
		t.Fatal(err)
	}
	back, err := codec.DecodeKey(golden(t, "key-v1.bin", key), types)
	if err != nil || !slices.EqualFunc(back, values, featurestore.Value.Equal) {
		t.Errorf("got %v, %v; want %v", back, err, values)
	}
	if lane := codec.Lane(key, 64); lane != 2 {
		t.Errorf("the golden key is in lane %d", lane)
	}
}

// TestEveryFlippedBitIsAnError: a damaged blob never gives a wrong number.
func TestEveryFlippedBitIsAnError(t *testing.T) {
	p := everyPartial(t)
	open, closed := codec.AppendEntity(nil, nil, header(), p, goldenState(t, p))
	row := codec.AppendBatchRow(nil, rowTypes, goldenRow())
	var s window.State
	for what, blob := range map[string][]byte{"open": open, "closed": closed} {
		for i := range blob {
			blob[i] ^= 1 << (i % 8)
			if codec.DecodeEntity(open, closed, header(), p, &s) == nil {
				t.Fatalf("the %s part with byte %d flipped is accepted", what, i)
			}
			blob[i] ^= 1 << (i % 8)
		}
	}
	for i := range open {
		if codec.DecodeEntity(open[:i], closed, header(), p, &s) == nil {
			t.Fatalf("an open part cut to %d bytes is accepted", i)
		}
	}
	for i := range closed {
		if codec.DecodeEntity(open, closed[:i], header(), p, &s) == nil {
			t.Fatalf("a closed part cut to %d bytes is accepted", i)
		}
	}
	for i := range row {
		row[i] ^= 1 << (i % 8)
		if codec.DecodeBatchRow(row, rowTypes, new(codec.BatchRow)) == nil {
			t.Fatalf("batch row with byte %d flipped is accepted", i)
		}
		if codec.DecodeBatchRow(row[:i], rowTypes, new(codec.BatchRow)) == nil {
			t.Fatalf("batch row cut to %d bytes is accepted", i)
		}
		row[i] ^= 1 << (i % 8)
	}
}

func TestEntityErrorsSayWhatIsWrong(t *testing.T) {
	p := everyPartial(t)
	state := goldenState(t, p)
	blob, closed := codec.AppendEntity(nil, nil, header(), p, state)
	prefix, err := codec.AppliedPrefix(blob)
	if err != nil {
		t.Fatal(err)
	}
	change := func(blob []byte, at int) []byte {
		b := bytes.Clone(blob)
		b[at]++
		return b
	}
	other, key := header(), header()
	other.Definition[0]++
	key.Key = []byte("u2")
	row := codec.AppendBatchRow(nil, rowTypes, goldenRow())
	small, _ := codec.AppendEntity(nil, nil, header(), p, smallState(t, p))
	foreign := codec.AppendClosed(nil, key, p, state)
	named := codec.AppendOpen(nil, header(), codec.ClosedOf(foreign), p, state)
	earlier := codec.AppendClosed(nil, header(), p, earlierState(t, p))
	for _, c := range []struct {
		name         string
		open, closed []byte
		h            codec.Header
		want         error
	}{
		{"empty", nil, nil, header(), codec.ErrTruncated},
		{"cut", blob[:len(prefix)+9], closed, header(), codec.ErrTruncated},
		{"magic", change(blob, len(prefix)), closed, header(), codec.ErrMagic},
		{"version", change(blob, len(prefix)+4), closed, header(), codec.ErrVersion},
		{"body", change(blob, len(blob)-20), closed, header(), codec.ErrChecksum},
		{"checksum", change(blob, len(blob)-1), closed, header(), codec.ErrChecksum},
		{"definition", blob, closed, other, codec.ErrDefinition},
		{"key", blob, closed, key, codec.ErrKey},
		{"a batch row", row, nil, header(), codec.ErrTruncated},
		{"only a closed part", nil, closed, header(), codec.ErrTruncated},
		{"without its closed part", blob, nil, header(), codec.ErrClosed},
		{"a closed part that is not named", small, closed, header(), codec.ErrClosed},
		{"an earlier closed part", blob, earlier, header(), codec.ErrClosed},
		{"another entity's closed part", blob, foreign, header(), codec.ErrKey},
		{"another entity's closed part, named", named, foreign, header(), codec.ErrKey},
		{"an empty closed part", blob, []byte{}, header(), codec.ErrClosed},
		{"an open part as a closed one", blob, blob, header(), codec.ErrMagic},
		{"magic of the closed part", blob, change(closed, 0), header(), codec.ErrMagic},
		{"version of the closed part", blob, change(closed, 4), header(), codec.ErrVersion},
		{"body of the closed part", blob, change(closed, len(closed)-20), header(), codec.ErrChecksum},
	} {
		var s window.State
		if err := codec.DecodeEntity(c.open, c.closed, c.h, p, &s); !errors.Is(err, c.want) || len(s.Applied) > 0 {
			t.Errorf("%s: %v; want %v and an empty state", c.name, err, c.want)
		}
	}
	wrong := codec.BatchRow{Definition: other.Definition}
	if err := codec.DecodeBatchRow(row, rowTypes, &wrong); !errors.Is(err, codec.ErrDefinition) {
		t.Errorf("batch row of another definition: %v", err)
	}
	if err := codec.DecodeBatchRow(row, rowTypes, &codec.BatchRow{Key: key.Key}); !errors.Is(err, codec.ErrKey) {
		t.Errorf("batch row of another key: %v", err)
	}
}

func TestAppliedPrefix(t *testing.T) {
	p := everyPartial(t)
	s := goldenState(t, p)
	openPart := func(h codec.Header, s *window.State) []byte {
		blob, _ := codec.AppendEntity(nil, nil, h, p, s)
		return blob
	}
	blob := openPart(header(), s)
	list, err := codec.AppliedOf(blob)
	if err != nil || !slices.Equal(list, s.Applied) {
		t.Fatalf("got %v, %v; want %v", list, err, s.Applied)
	}
	a, _ := codec.AppliedPrefix(blob)
	h := header()
	h.Key = []byte("longer key, same list")
	if b, _ := codec.AppliedPrefix(openPart(h, s)); !bytes.Equal(a, b) {
		t.Error("the prefix depends on more than the list")
	}
	row := window.Row{LogTime: 1 << 60, Time: 1 << 60, Inputs: make([]featurestore.Value, 8)}
	row.PartitionID, row.Offset = s.Applied[0].PartitionID, s.Applied[0].Offset+1
	p.Apply(s, &row)
	p.Settle(s)
	if b, _ := codec.AppliedPrefix(openPart(header(), s)); bytes.Equal(a, b) {
		t.Error("another list has the same prefix")
	}
}
