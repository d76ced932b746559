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
	s := goldenState(t, p)
	blob := golden(t, "entity-v1.bin", codec.AppendEntity(nil, header(), p, s))
	var back window.State
	if err := codec.DecodeEntity(blob, header(), p, &back); err != nil {
		t.Fatal(err)
	}
	if again := codec.AppendEntity(nil, header(), p, &back); !bytes.Equal(again, blob) {
		t.Error("decoding and encoding changes the blob")
	}
	golden(t, "entity-v1.values.txt", describe(p, &back, p.ReadTime(&back)+featurestore.Instant(61*second)))
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
	blob := codec.AppendEntity(nil, header(), p, goldenState(t, p))
	row := codec.AppendBatchRow(nil, rowTypes, goldenRow())
	var s window.State
	for i := range blob {
		blob[i] ^= 1 << (i % 8)
		if codec.DecodeEntity(blob, header(), p, &s) == nil {
			t.Fatalf("entity blob with byte %d flipped is accepted", i)
		}
		if codec.DecodeEntity(blob[:i], header(), p, &s) == nil {
			t.Fatalf("entity blob cut to %d bytes is accepted", i)
		}
		blob[i] ^= 1 << (i % 8)
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
	blob := codec.AppendEntity(nil, header(), p, goldenState(t, p))
	prefix, err := codec.AppliedPrefix(blob)
	if err != nil {
		t.Fatal(err)
	}
	change := func(at int) []byte {
		b := bytes.Clone(blob)
		b[at]++
		return b
	}
	other, key := header(), header()
	other.Definition[0]++
	key.Key = []byte("u2")
	row := codec.AppendBatchRow(nil, rowTypes, goldenRow())
	for _, c := range []struct {
		name string
		blob []byte
		h    codec.Header
		want error
	}{
		{"empty", nil, header(), codec.ErrTruncated},
		{"cut", blob[:len(prefix)+9], header(), codec.ErrTruncated},
		{"magic", change(len(prefix)), header(), codec.ErrMagic},
		{"version", change(len(prefix) + 4), header(), codec.ErrVersion},
		{"body", change(len(blob) - 20), header(), codec.ErrChecksum},
		{"checksum", change(len(blob) - 1), header(), codec.ErrChecksum},
		{"definition", blob, other, codec.ErrDefinition},
		{"key", blob, key, codec.ErrKey},
		{"a batch row", row, header(), codec.ErrTruncated},
	} {
		var s window.State
		if err := codec.DecodeEntity(c.blob, c.h, p, &s); !errors.Is(err, c.want) || len(s.Applied) > 0 {
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
	blob := codec.AppendEntity(nil, header(), p, s)
	list, err := codec.AppliedOf(blob)
	if err != nil || !slices.Equal(list, s.Applied) {
		t.Fatalf("got %v, %v; want %v", list, err, s.Applied)
	}
	a, _ := codec.AppliedPrefix(blob)
	h := header()
	h.Key = []byte("longer key, same list")
	if b, _ := codec.AppliedPrefix(codec.AppendEntity(nil, h, p, s)); !bytes.Equal(a, b) {
		t.Error("the prefix depends on more than the list")
	}
	row := window.Row{LogTime: 1 << 60, Time: 1 << 60, Inputs: make([]featurestore.Value, 8)}
	row.PartitionID, row.Offset = s.Applied[0].PartitionID, s.Applied[0].Offset+1
	p.Apply(s, &row)
	p.Settle(s)
	if b, _ := codec.AppliedPrefix(codec.AppendEntity(nil, header(), p, s)); bytes.Equal(a, b) {
		t.Error("another list has the same prefix")
	}
}
