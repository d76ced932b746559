package onlinetest

import (
	"encoding/binary"

	"github.com/freshet/freshet/featurestore/online"
)

// Blob makes a stand-in for an entity's blob: the length of its applied list
// (uint16, little endian), the list, and a payload. Like codec's, it begins with
// bytes that say their own length and hold the list.
func Blob(list string, payload []byte) []byte {
	b := binary.LittleEndian.AppendUint16(nil, uint16(len(list)))
	return append(append(b, list...), payload...)
}

// Prefix is to Blob what codec.AppliedPrefix is to codec's blobs; nil for nil.
func Prefix(blob []byte) []byte {
	if blob == nil {
		return nil
	}
	return blob[:2+int(binary.LittleEndian.Uint16(blob))]
}

// RowBlob makes a stand-in for a batch row's blob.
func RowBlob(order string, payload []byte) []byte { return Blob(order, payload) }

// Meta is metadata of a live generation, by the first byte of its definition.
func Meta(definition byte, lanes uint16) online.Meta {
	return online.Meta{Definition: [16]byte{definition, 0, '\r', '\n', 255}, StateVersion: 1, Lanes: lanes, State: online.StateLive}
}
