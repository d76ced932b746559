package codec_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/zeebo/xxh3"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/transforms/window"
)

// reseal gives bytes the checksum that they should have, so that the fuzzer gets
// past it.
func reseal(blob []byte) []byte {
	if len(blob) < 8 {
		return blob
	}
	end := len(blob) - 8
	return binary.LittleEndian.AppendUint64(bytes.Clone(blob[:end]), xxh3.Hash(blob[:end]))
}

// FuzzDecodeEntity has both decoders: of the open part and of the closed one.
// Checksums, and the name of the closed part in the open one, are set right, so
// that the fuzzer gets past them.
func FuzzDecodeEntity(f *testing.F) {
	p := everyPartial(f)
	for _, s := range []*window.State{goldenState(f, p), smallState(f, p), new(window.State)} {
		open, closed := codec.AppendEntity(nil, nil, header(), p, s)
		f.Add(open, closed)
	}
	f.Fuzz(func(t *testing.T, open, closed []byte) {
		if len(closed) == 0 {
			closed = nil
		}
		var s window.State
		_ = codec.DecodeEntity(open, closed, header(), p, &s) // must not panic
		_, _ = codec.AppliedOf(open)
		open, closed = rename(open, reseal(closed))
		if codec.DecodeEntity(open, closed, header(), p, &s) != nil {
			return
		}
		again, closedAgain := codec.AppendEntity(nil, nil, header(), p, &s)
		if !bytes.Equal(again, open) || !bytes.Equal(closedAgain, closed) {
			t.Fatalf("%x and %x decode and encode as %x and %x", open, closed, again, closedAgain)
		}
		p.Read(&s, p.ReadTime(&s), make([]featurestore.Cell, len(p.Features())))
		p.Settle(&s)
	})
}

// rename makes an open part name a closed one where it names any, and seals it.
func rename(open, closed []byte) (openBlob, closedBlob []byte) {
	prefix, err := codec.AppliedPrefix(open)
	if err != nil {
		return reseal(open), closed
	}
	at := len(prefix) + 5 + 16 + 8 + 2 + len(header().Key)
	if len(open) < at+1 {
		return reseal(open), closed
	}
	size, n := binary.Uvarint(open[at:])
	if n <= 0 || size == 0 || len(open) < at+n+8+8 || closed == nil {
		return reseal(open), closed
	}
	named := codec.ClosedOf(closed)
	out := binary.AppendUvarint(bytes.Clone(open[:at]), uint64(named.Size))
	out = binary.LittleEndian.AppendUint64(out, named.Sum)
	return reseal(append(out, open[at+n+8:]...)), closed
}

func FuzzDecodeKey(f *testing.F) {
	of := types(featurestore.Int64, featurestore.String, featurestore.Bool, featurestore.Timestamp, featurestore.Bytes)
	f.Add(mustKey(f, featurestore.Int64Value(-300), str("x"), featurestore.BoolValue(true), featurestore.TimestampValue(7), featurestore.BytesValue("\x00")))
	f.Fuzz(func(t *testing.T, key []byte) {
		values, err := codec.DecodeKey(key, of)
		if err != nil {
			return
		}
		if again, err := codec.AppendKey(nil, of, values); err != nil || !bytes.Equal(again, key) {
			t.Fatalf("%x decodes and encodes as %x, %v", key, again, err)
		}
	})
}

func FuzzDecodeBatchRow(f *testing.F) {
	f.Add(codec.AppendBatchRow(nil, rowTypes, goldenRow()))
	f.Fuzz(func(t *testing.T, blob []byte) {
		var row codec.BatchRow
		_ = codec.DecodeBatchRow(blob, rowTypes, &row) // must not panic
		row = codec.BatchRow{}
		blob = reseal(blob)
		if codec.DecodeBatchRow(blob, rowTypes, &row) != nil {
			return
		}
		if again := codec.AppendBatchRow(nil, rowTypes, &row); !bytes.Equal(again, blob) {
			t.Fatalf("%x decodes and encodes as %x", blob, again)
		}
	})
}
