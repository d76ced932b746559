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

func FuzzDecodeEntity(f *testing.F) {
	p := everyPartial(f)
	f.Add(codec.AppendEntity(nil, header(), p, goldenState(f, p)))
	f.Add(codec.AppendEntity(nil, header(), p, new(window.State)))
	f.Fuzz(func(t *testing.T, blob []byte) {
		var s window.State
		_ = codec.DecodeEntity(blob, header(), p, &s) // must not panic
		_, _ = codec.AppliedOf(blob)
		blob = reseal(blob)
		if codec.DecodeEntity(blob, header(), p, &s) != nil {
			return
		}
		if again := codec.AppendEntity(nil, header(), p, &s); !bytes.Equal(again, blob) {
			t.Fatalf("%x decodes and encodes as %x", blob, again)
		}
		p.Read(&s, p.ReadTime(&s), make([]featurestore.Cell, len(p.Features())))
		p.Settle(&s)
	})
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
