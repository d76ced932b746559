// Package codec turns states, keys and rows into versioned bytes and back. The
// formats are specified to the byte in docs/formats. It owns no I/O and no
// meaning: a decoder fails with what was wrong, and never guesses.
package codec

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// Hash is the semantic hash of a definition, cut to 16 bytes.
type Hash [16]byte

// Header is what an entity blob says of itself beside its state.
type Header struct {
	Definition Hash
	Key        []byte
}

// AppendEntity appends the blob of an entity's settled state. The blob begins
// with a fixed-place copy of its applied list (AppliedOf), so that a store can
// compare it without decoding.
func AppendEntity(dst []byte, h Header, p *window.Plan, s *window.State) []byte {
	panic("codec: being built")
}

// DecodeEntity reads a blob into s, verifying magic, version, checksum,
// definition and key echo. The error says which of them was wrong.
func DecodeEntity(blob []byte, h Header, p *window.Plan, s *window.State) error {
	panic("codec: being built")
}

// AppliedPrefix is the leading part of a blob that holds its applied list: two
// blobs of an entity have the same prefix iff their applied lists are equal.
func AppliedPrefix(blob []byte) ([]byte, error) { panic("codec: being built") }

// AppendKey appends an entity key: a typed, length-prefixed tuple, byte-exact,
// at most 1 KiB. A null or a value of another type is an error.
func AppendKey(dst []byte, types []featurestore.Type, values []featurestore.Value) ([]byte, error) {
	panic("codec: being built")
}

// DecodeKey reads a key back into its values.
func DecodeKey(key []byte, types []featurestore.Type) ([]featurestore.Value, error) {
	panic("codec: being built")
}

// Lane is the lane of a key among n: XXH3(key) mod n.
func Lane(key []byte, n uint16) uint16 { panic("codec: being built") }

// BatchRow is a batch view's latest row of one entity.
type BatchRow struct {
	Definition  Hash
	Key         []byte
	Run         string               // id of the materialization that wrote it
	Completed   featurestore.Instant // when that run completed
	Time        featurestore.EventTime
	Sequence    featurestore.Value
	AvailableAt featurestore.LogTime
	File        string // ties: path, then row number within the file
	FileRow     int64
	Values      []featurestore.Value
}

// Compare orders two rows of an entity: (e, sequence, available_at, file, row).
func (r *BatchRow) Compare(o *BatchRow) int { panic("codec: being built") }

// AppendBatchRow appends the blob of a batch row; types are its features'. It
// begins with the row's order in memcomparable bytes behind their length
// (uint16, little endian): bytes.Compare of two orders is BatchRow.Compare.
func AppendBatchRow(dst []byte, types []featurestore.Type, r *BatchRow) []byte {
	panic("codec: being built")
}

// DecodeBatchRow reads a blob of AppendBatchRow and verifies it as DecodeEntity does.
func DecodeBatchRow(blob []byte, types []featurestore.Type, r *BatchRow) error {
	panic("codec: being built")
}
